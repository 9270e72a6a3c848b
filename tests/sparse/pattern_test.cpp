// SPDX-License-Identifier: Apache-2.0
#include "sparse/pattern.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>
#include <utility>

namespace coppice {
namespace {

constexpr BlockShape kShapes[] = {{1, 1}, {4, 1}, {16, 1}, {16, 4}};

// Live (row, column) positions in canonical order of the values.
std::vector<std::pair<int64_t, int64_t>> positions(const Pattern& pattern) {
  std::vector<std::pair<int64_t, int64_t>> out;
  const BlockShape block = pattern.block();
  for (int64_t br = 0; br < pattern.block_rows(); ++br)
    for (const int32_t bc : pattern.row(br))
      for (int r = 0; r < block.rows; ++r)
        for (int c = 0; c < block.cols; ++c)
          out.emplace_back(br * block.rows + r, int64_t{bc} * block.cols + c);
  return out;
}

TEST(BlockShape, ReadsBackItsOwnTextAndRefusesOthers) {
  for (const BlockShape shape : kShapes) EXPECT_EQ(BlockShape::parse(shape.text()).take(), shape);
  for (const char* text : {"", "1", "2x1", "1x4", "16x16", "4x1 ", "04x1", "x"})
    EXPECT_EQ(BlockShape::parse(text).status().message(),
              "block '" + std::string(text) + "': must be 1x1, 4x1, 16x1 or 16x4 (outputs x inputs)");
}

TEST(Pattern, FullHasEveryPosition) {
  for (const BlockShape shape : kShapes) {
    const Pattern pattern = Pattern::full(32, 12, shape);
    EXPECT_EQ(pattern.live(), 32 * 12);
    EXPECT_TRUE(pattern.is_full());
    EXPECT_EQ(pattern.density(), 1.0);
    const auto all = positions(pattern);
    EXPECT_EQ(std::set(all.begin(), all.end()).size(), 32u * 12);
    const auto rebuilt =
        Pattern::from_indices(32, 12, shape, {pattern.indptr().begin(), pattern.indptr().end()},
                              {pattern.indices().begin(), pattern.indices().end()});
    EXPECT_EQ(*rebuilt, pattern);
  }
}

TEST(Pattern, MayBeEmptyOrHaveEmptyRows) {
  const Pattern none = Pattern::from_indices(2, 3, {}, {0, 0, 0}, {}).take();
  EXPECT_EQ(none.live(), 0);
  EXPECT_EQ(none.density(), 0.0);
  EXPECT_FALSE(none.is_full());
  EXPECT_EQ(Pattern::from_indices(2, 3, {}, {0, 0, 1}, {2})->row(0).size(), 0u);
}

struct Wrong {
  const char* why;
  int64_t rows, cols;
  BlockShape block;
  std::vector<int32_t> indptr, indices;
  Code code;
  const char* sentence;
};

TEST(Pattern, RefusesWhateverIsNotCanonical) {
  const Wrong all[] = {
      {"no rows", 0, 3, {}, {0}, {}, Code::kInvalid, "both sides must be positive"},
      {"no columns", 3, 0, {}, {0, 0, 0, 0}, {}, Code::kInvalid, "both sides must be positive"},
      {"negative", -2, 3, {}, {0}, {}, Code::kInvalid, "both sides must be positive"},
      {"too many", 65536, 65536, {}, {0}, {}, Code::kInvalid, "below 2^31"},
      {"product overflows", int64_t{1} << 40, int64_t{1} << 40, {}, {0}, {}, Code::kInvalid, "below 2^31"},
      {"block of no rows", 4, 4, {0, 1}, {0}, {}, Code::kInvalid, "block '0x1': must be 1x1"},
      {"block that no kernel has", 4, 4, {2, 2}, {0, 0, 0}, {}, Code::kInvalid, "block '2x2': must be 1x1"},
      {"block rows", 6, 4, {4, 1}, {0, 0}, {}, Code::kInvalid, "block 4x1 does not divide 6 x 4"},
      {"block columns", 16, 6, {16, 4}, {0, 0}, {}, Code::kInvalid, "block 16x4 does not divide 16 x 6"},
      {"no indptr", 2, 3, {}, {}, {}, Code::kCorrupt, "indptr does not describe 2 block rows of 0 blocks"},
      {"short indptr", 2, 3, {}, {0, 1}, {0}, Code::kCorrupt, "indptr does not describe 2 block rows"},
      {"long indptr", 2, 3, {}, {0, 0, 1, 1}, {0}, Code::kCorrupt, "indptr does not describe 2 block rows"},
      {"starts late", 2, 3, {}, {1, 1, 1}, {0}, Code::kCorrupt, "indptr does not describe"},
      {"ends early", 2, 3, {}, {0, 1, 1}, {0, 1}, Code::kCorrupt, "indptr does not describe"},
      {"ends late", 2, 3, {}, {0, 1, 3}, {0, 1}, Code::kCorrupt, "indptr does not describe"},
      {"falls", 3, 3, {}, {0, 2, 1, 2}, {0, 1}, Code::kCorrupt, "indptr decreases at block row 1"},
      {"leaps past the end",
       3,
       3,
       {},
       {0, 9, 1, 2},
       {0, 1},
       Code::kCorrupt,
       "indptr decreases at block row 0"},
      {"negative start", 3, 3, {}, {0, -1, 1, 2}, {0, 1}, Code::kCorrupt, "indptr decreases at block row 0"},
      {"column out of range",
       2,
       3,
       {},
       {0, 1, 2},
       {0, 3},
       Code::kCorrupt,
       "block row 1 are not ascending within 0..2"},
      {"block column out of range",
       16,
       8,
       {16, 4},
       {0, 1},
       {2},
       Code::kCorrupt,
       "block row 0 are not ascending within 0..1"},
      {"negative column", 2, 3, {}, {0, 1, 2}, {-1, 0}, Code::kCorrupt, "block row 0 are not ascending"},
      {"column twice", 2, 3, {}, {0, 2, 2}, {1, 1}, Code::kCorrupt, "block row 0 are not ascending"},
      {"columns fall", 2, 3, {}, {0, 2, 2}, {2, 1}, Code::kCorrupt, "block row 0 are not ascending"},
  };
  for (const Wrong& wrong : all) {
    const auto result =
        Pattern::from_indices(wrong.rows, wrong.cols, wrong.block, wrong.indptr, wrong.indices);
    ASSERT_FALSE(result.ok()) << wrong.why;
    EXPECT_EQ(result.status().code(), wrong.code) << wrong.why;
    EXPECT_NE(result.status().message().find(wrong.sentence), std::string::npos)
        << wrong.why << ": " << result.status().message();
  }
}

TEST(Transpose, ExchangesRowsAndColumnsAndTwiceIsTheIdentity) {
  for (const int64_t live : {int64_t{0}, int64_t{1}, int64_t{37}, int64_t{7} * 11}) {
    const Pattern pattern = random_pattern(7, 11, {}, live, 5, "t");
    const TransposedPattern across = transpose(pattern);
    EXPECT_EQ(across.pattern.rows(), 11);
    EXPECT_EQ(across.pattern.cols(), 7);
    const auto from = positions(pattern), to = positions(across.pattern);
    ASSERT_EQ(to.size(), from.size());
    for (size_t k = 0; k < to.size(); ++k) {
      const auto [row, col] = from[static_cast<size_t>(across.source[k])];
      EXPECT_EQ(to[k], std::pair(col, row));
    }
    const TransposedPattern back = transpose(across.pattern);
    EXPECT_EQ(back.pattern, pattern);
    for (size_t k = 0; k < from.size(); ++k)
      EXPECT_EQ(across.source[static_cast<size_t>(back.source[k])], static_cast<int32_t>(k));
  }
}

TEST(Unblocked, HoldsTheSameWeightsRowByRow) {
  for (const BlockShape shape : kShapes) {
    const Pattern pattern = random_pattern(48, 20, shape, 48 * 20 / shape.size() / 3, 6, "u");
    const TransposedPattern single = unblocked(pattern);
    EXPECT_EQ(single.pattern.block(), BlockShape{});
    const auto blocked = positions(pattern), plain = positions(single.pattern);
    ASSERT_EQ(plain.size(), blocked.size());
    EXPECT_TRUE(std::is_sorted(plain.begin(), plain.end()));
    for (size_t k = 0; k < plain.size(); ++k)
      EXPECT_EQ(plain[k], blocked[static_cast<size_t>(single.source[k])]);
  }
}

TEST(RandomPattern, HasExactlyAsManyBlocksAsAskedFor) {
  for (const BlockShape shape : kShapes) {
    const int64_t all = 32 * 24 / shape.size();
    for (const int64_t blocks : {int64_t{0}, int64_t{1}, all / 3, all - 1, all}) {
      const Pattern pattern = random_pattern(32, 24, shape, blocks, 1, "w");
      EXPECT_EQ(pattern.blocks(), blocks) << shape.text();
      EXPECT_EQ(pattern.live(), blocks * shape.size());
    }
  }
}

TEST(RandomPattern, DependsOnSeedAndNameAndNothingElse) {
  const Pattern pattern = random_pattern(64, 64, {}, 400, 1, "fc1.weight");
  EXPECT_EQ(random_pattern(64, 64, {}, 400, 1, "fc1.weight"), pattern);
  EXPECT_NE(random_pattern(64, 64, {}, 400, 2, "fc1.weight"), pattern);
  EXPECT_NE(random_pattern(64, 64, {}, 400, 1, "fc2.weight"), pattern);
}

TEST(RandomPattern, IsNestedSoThatADenserOneHoldsTheSparserOne) {
  const auto few = positions(random_pattern(64, 64, {}, 100, 1, "w"));
  const auto more = positions(random_pattern(64, 64, {}, 400, 1, "w"));
  EXPECT_TRUE(std::includes(more.begin(), more.end(), few.begin(), few.end()));
}

TEST(RandomPattern, DrawsEveryPositionEquallyOften) {
  constexpr int kSide = 8, kDraws = 2000, kLive = 16;
  std::vector<int> count(kSide * kSide, 0);
  for (int draw = 0; draw < kDraws; ++draw)
    for (const auto& [row, col] :
         positions(random_pattern(kSide, kSide, {}, kLive, static_cast<uint64_t>(draw), "w")))
      ++count[static_cast<size_t>(row * kSide + col)];
  const double expected = static_cast<double>(kDraws) * kLive / (kSide * kSide);
  double chi = 0.0;
  for (const int c : count) chi += (c - expected) * (c - expected) / expected;
  // Without replacement the deviations are a quarter smaller: mean about 48, and five standard deviations.
  EXPECT_LT(chi, 48 + 5 * std::sqrt(2.0 * 48));
  EXPECT_GT(chi, 48 - 4 * std::sqrt(2.0 * 48));
}

}  // namespace
}  // namespace coppice
