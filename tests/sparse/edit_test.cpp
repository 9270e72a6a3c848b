// SPDX-License-Identifier: Apache-2.0
#include "sparse/edit.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "base/rng.h"
#include "sparse/select.h"

namespace coppice {
namespace {

std::vector<int64_t> block_positions(const Pattern& pattern) {
  std::vector<int64_t> out;
  for (int64_t r = 0; r < pattern.block_rows(); ++r)
    for (const int32_t c : pattern.row(r)) out.push_back(r * pattern.block_cols() + c);
  return out;
}

TEST(TopologyEdit, DropsAndGrowsExactlyWhatItSays) {
  for (const BlockShape shape : {BlockShape{1, 1}, BlockShape{4, 1}, BlockShape{16, 1}, BlockShape{16, 4}}) {
    const int64_t all = 48 * 40 / shape.size();
    const Pattern pattern = random_pattern(48, 40, shape, all / 3, 1, "w");
    const std::vector<int64_t> before = block_positions(pattern);
    const std::set<int64_t> live(before.begin(), before.end());
    Rng rng(1, 1);
    TopologyEdit edit;
    for (int32_t k = 0; k < pattern.blocks(); ++k)
      if (rng.below(4) == 0) edit.drop.push_back(k);
    for (int64_t p = 0; p < all; ++p)
      if (!live.count(p) && rng.below(5) == 0) edit.grow.push_back(p);
    ASSERT_FALSE(edit.drop.empty());
    ASSERT_FALSE(edit.grow.empty());

    const EditedPattern edited = apply_edit(pattern, edit).take();
    std::set<int64_t> want = live;
    for (const int32_t k : edit.drop) want.erase(before[static_cast<size_t>(k)]);
    want.insert(edit.grow.begin(), edit.grow.end());
    const std::vector<int64_t> after = block_positions(edited.pattern);
    EXPECT_EQ(std::set<int64_t>(after.begin(), after.end()), want);
    EXPECT_EQ(edited.pattern.blocks(), pattern.blocks() - static_cast<int64_t>(edit.drop.size()) +
                                           static_cast<int64_t>(edit.grow.size()));
    ASSERT_EQ(edited.source.size(), after.size());
    for (size_t k = 0; k < after.size(); ++k) {
      const int32_t source = edited.source[k];
      EXPECT_EQ(source < 0, live.count(after[k]) == 0);
      EXPECT_TRUE(source < 0 || before[static_cast<size_t>(source)] == after[k]);
    }
  }
}

TEST(TopologyEdit, OfNothingChangesNothing) {
  const Pattern pattern = random_pattern(8, 8, {}, 20, 1, "w");
  const EditedPattern edited = apply_edit(pattern, {}).take();
  EXPECT_EQ(edited.pattern, pattern);
  for (size_t k = 0; k < edited.source.size(); ++k) EXPECT_EQ(edited.source[k], static_cast<int32_t>(k));
}

TEST(TopologyEdit, MayEmptyAPatternAndFillItAgain) {
  const Pattern full = Pattern::full(2, 2);
  const Pattern none = apply_edit(full, {{0, 1, 2, 3}, {}}).take().pattern;
  EXPECT_EQ(none.live(), 0);
  EXPECT_EQ(apply_edit(none, {{}, {0, 1, 2, 3}})->pattern, full);
}

TEST(TopologyEdit, RefusesWhatIsNotAnEditOfThisPattern) {
  // Live: positions 0, 2 and 4 of 2 x 3.
  const Pattern pattern = Pattern::from_indices(2, 3, {}, {0, 2, 3}, {0, 2, 1}).take();
  struct Wrong {
    const char* why;
    TopologyEdit edit;
    const char* sentence;
  };
  const Wrong all[] = {
      {"drop twice", {{1, 1}, {}}, "drop list is not ascending within 0..2"},
      {"drop falls", {{2, 0}, {}}, "drop list is not ascending"},
      {"drop out of range", {{3}, {}}, "drop list is not ascending"},
      {"drop negative", {{-1}, {}}, "drop list is not ascending"},
      {"grow twice", {{}, {1, 1}}, "grow list is not ascending within 0..5"},
      {"grow falls", {{}, {3, 1}}, "grow list is not ascending"},
      {"grow out of range", {{}, {6}}, "grow list is not ascending"},
      {"grow negative", {{}, {-1}}, "grow list is not ascending"},
      {"grow what lives", {{}, {2}}, "grows position 2, which is live already"},
      {"drop and grow the same position", {{1}, {2}}, "grows position 2, which is live already"},
      {"drop and grow the last position", {{2}, {4}}, "grows position 4, which is live already"},
  };
  for (const Wrong& wrong : all) {
    const auto result = apply_edit(pattern, wrong.edit);
    ASSERT_FALSE(result.ok()) << wrong.why;
    EXPECT_EQ(result.status().code(), Code::kInvalid);
    EXPECT_NE(result.status().message().find(wrong.sentence), std::string::npos)
        << wrong.why << ": " << result.status().message();
  }
}

}  // namespace
}  // namespace coppice
