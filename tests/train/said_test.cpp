// SPDX-License-Identifier: Apache-2.0
#include "train/metrics/said.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "base/rng.h"

namespace coppice {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

TEST(Said, AnOutputThatIsNanIsNeverRight) {
  const std::vector<float> own = {1, kNan, 3, 0, 0, 0};
  EXPECT_EQ(rank_of(std::span<const float>(own), 1), 6) << "nor among five";
  EXPECT_EQ(rank_of(std::span<const float>(own), 2), 1) << "NaN stands before all";
  EXPECT_EQ(said_class(std::span<const float>(own)), kNoClass);
  EXPECT_FALSE(label_is_right(kNan, 0));
  EXPECT_FALSE(label_is_right(kNan, 1));
  const std::vector<float> truth = {1, 0, 1, 0, 1, 0};
  EXPECT_EQ(right_labels(std::span<const float>(own), std::span<const float>(truth)), 4);
}

TEST(Said, TheFirstOfEqualsIsSaidAndAnOutputOf0IsNo) {
  const std::vector<float> said = {0, 2, 2, -1};
  EXPECT_EQ(said_class(std::span<const float>(said)), 1);
  EXPECT_EQ(rank_of(std::span<const float>(said), 2), 1);
  EXPECT_EQ(rank_of(std::span<const float>(said), 3), 3);
  EXPECT_TRUE(label_is_right(0, 0));
}

// Rows of a tile lie apart; and a class is said exactly where it is right.
TEST(Said, IsTheSameOfColumns) {
  constexpr int64_t kWidth = 5, kColumns = 16;
  Rng rng(3, stream_id("test", "said"));
  std::vector<float> tile;
  for (int64_t i = 0; i < kWidth * kColumns; ++i)
    tile.push_back(rng.below(12) == 0 ? kNan : static_cast<float>(rng.below(3)));
  for (int64_t n = 0; n < kColumns; ++n) {
    std::vector<float> row;
    for (int64_t c = 0; c < kWidth; ++c) row.push_back(tile[static_cast<size_t>(c * kColumns + n)]);
    const OutputRow column(tile.data() + n, kWidth, kColumns);
    EXPECT_EQ(said_class(column), said_class(std::span<const float>(row)));
    for (int32_t c = 0; c < kWidth; ++c) {
      EXPECT_EQ(rank_of(column, c), rank_of(std::span<const float>(row), c));
      EXPECT_EQ(rank_of(column, c) == 0, said_class(column) == c);
    }
  }
}

}  // namespace
}  // namespace coppice
