// SPDX-License-Identifier: Apache-2.0
#include "sparse/param.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <string>

#include "base/rng.h"
#include "formats/conv_blocks.h"
#include "formats/csr.h"
#include "formats/formats.h"
#include "formats/gather.h"

namespace coppice {
namespace {

std::vector<const FormatDef*> formats() {
  std::vector<const FormatDef*> all(weight_formats().begin(), weight_formats().end());
  for (const FormatDef* of_convolutions : {&kCsr, &kGather, &kConvBlocks, &kForwardBlocks})
    all.push_back(of_convolutions);
  return all;
}

bool needs_geometry(const FormatDef* format) {
  return format == &kGather || format == &kConvBlocks || format == &kForwardBlocks;
}

// Every format with every pattern that it takes.
struct Case {
  const FormatDef* format;
  Pattern pattern;
  Tiling tiling;
  bool with_copy;
  std::string name;
};

Tiling small_tiling() {
  Tiling tiling;
  tiling.l1_bytes = 8 << 10;  // so that 520 columns are cut
  tiling.l2_bytes = 64 << 10;
  return tiling;
}

// 40 channels and windows of 3 x 3, stride 2, over 9 x 8 pixels.
Tiling conv_tiling() {
  Tiling tiling = small_tiling();
  ConvGeometry& g = tiling.conv;
  g.channels = 40;
  g.height = 9;
  g.width = 8;
  g.outputs = 304;
  g.out_height = 5;
  g.out_width = 4;
  g.kernel_h = g.kernel_w = 3;
  g.stride = 2;
  g.padding = 1;
  g.x_halo = gather_x_halo(g);
  g.dy_halo = gather_dy_halo(g);
  return tiling;
}

std::vector<Case> cases() {
  std::vector<Case> out;
  for (const FormatDef* format : formats())
    for (const BlockShape shape : {BlockShape{1, 1}, BlockShape{4, 1}, BlockShape{16, 1}, BlockShape{16, 4}})
      for (const double density : {1.0, 0.3, 0.02}) {
        // Several panels and column blocks of every format.
        const int64_t rows = 304, cols = needs_geometry(format) ? 40 * 9 : 520;
        const auto blocks = static_cast<int64_t>(density * static_cast<double>(rows * cols / shape.size()));
        const Pattern pattern = random_pattern(rows, cols, shape, blocks, 1, "w");
        if (!format->refuses(pattern).empty()) continue;
        for (const bool with_copy : {false, true}) {
          if (with_copy && !format->encode_copy) continue;
          out.push_back({format, pattern, needs_geometry(format) ? conv_tiling() : small_tiling(), with_copy,
                         std::string(format->name) + " " + shape.text() + " density " +
                             std::to_string(density) + (with_copy ? " with a copy" : "")});
        }
      }
  return out;
}

// Weights named by their place: value = 1 + index of (row, column), moments and gradient derived from it.
Param param_of(const Pattern& pattern, bool with_moments) {
  Param param = Param::weight("w", {pattern.rows(), pattern.cols()}, pattern);
  std::vector<float> values;
  const TransposedPattern single = unblocked(pattern);
  values.resize(static_cast<size_t>(pattern.live()));
  size_t k = 0;
  for (int64_t r = 0; r < pattern.rows(); ++r)
    for (const int32_t c : single.pattern.row(r))
      values[static_cast<size_t>(single.source[k++])] = static_cast<float>(1 + r * pattern.cols() + c);
  param.set_canonical(param.value, values);
  if (!with_moments) return param;
  const auto scaled = [&values](float by) {
    std::vector<float> out = values;
    for (float& x : out) x *= by;
    return out;
  };
  param.set_canonical(param.moment1, scaled(-1.0f));
  param.set_canonical(param.moment2, scaled(0.5f));
  param.set_canonical(param.gradient, scaled(2.0f));
  return param;
}

constexpr float kDead = -1e30f;

// What the canonical view says about each position, row by row.
std::vector<float> by_position(const Param& param, const Floats& array) {
  const Pattern pattern = param.pattern();
  const std::vector<float> values = param.canonical(array);
  const TransposedPattern single = unblocked(pattern);
  std::vector<float> out(static_cast<size_t>(pattern.total()), kDead);
  size_t k = 0;
  for (int64_t r = 0; r < pattern.rows(); ++r)
    for (const int32_t c : single.pattern.row(r))
      out[static_cast<size_t>(r * pattern.cols() + c)] = values[static_cast<size_t>(single.source[k++])];
  return out;
}

// The second layout holds the same weights of the same pattern.
void expect_copy(const Param& param) {
  ASSERT_NE(param.copy(), nullptr);
  const Param::Copy& copy = *param.copy();
  ASSERT_EQ(copy.encoding->pattern(), param.pattern());
  const std::vector<float> values = param.canonical(param.value);
  const std::vector<int32_t> places = copy.encoding->positions();
  ASSERT_EQ(places.size(), values.size());
  for (size_t k = 0; k < places.size(); ++k)
    ASSERT_EQ(copy.value[static_cast<size_t>(places[k])], values[k]) << k;
}

TEST(Param, EveryFormatKeepsTheCanonicalViewOfAllArrays) {
  for (const Case& one : cases()) {
    SCOPED_TRACE(one.name);
    Param param = param_of(one.pattern, true);
    const std::vector<float> value = param.canonical(param.value), moment1 = param.canonical(param.moment1),
                             moment2 = param.canonical(param.moment2),
                             gradient = param.canonical(param.gradient);
    param.encode(*one.format, one.tiling);
    if (one.with_copy) param.add_copy();
    EXPECT_EQ(param.pattern(), one.pattern);
    EXPECT_EQ(param.live(), one.pattern.live());
    EXPECT_EQ(param.canonical(param.value), value);
    EXPECT_EQ(param.canonical(param.moment1), moment1);
    EXPECT_EQ(param.canonical(param.moment2), moment2);
    EXPECT_EQ(param.canonical(param.gradient), gradient);
    EXPECT_NE(param.view(), nullptr);
    if (one.with_copy) expect_copy(param);
    // Padding that no weight owns is 0.
    double whole = 0.0, owned = 0.0;
    for (const float x : param.value) whole += static_cast<double>(x);
    for (const float x : value) owned += static_cast<double>(x);
    EXPECT_EQ(whole, owned);
  }
}

TEST(Param, ChangesItsFormatWithoutALoss) {
  const Pattern pattern = random_pattern(304, 520, {16, 1}, 3000, 1, "w");
  Param param = param_of(pattern, true);
  const auto before = by_position(param, param.moment2);
  for (const FormatDef* format : formats()) {
    if (!format->refuses(pattern).empty() || needs_geometry(format)) continue;
    param.encode(*format, small_tiling());
    EXPECT_EQ(param.format(), format);
    EXPECT_EQ(by_position(param, param.moment2), before) << format->name;
  }
}

// Another executor may hold views of the encoding: the second layout must not move it.
TEST(Param, AddingTheSecondLayoutLeavesTheOtherViewsAlone) {
  Param param = param_of(random_pattern(64, 64, {}, 500, 1, "w"), false);
  param.encode(kSegments, {});
  const void* view = param.view();
  const Encoding* encoding = &param.encoding();
  const float* values = param.value.data();
  param.add_copy();
  EXPECT_EQ(param.view(), view);
  EXPECT_EQ(&param.encoding(), encoding);
  EXPECT_EQ(param.value.data(), values);
}

TEST(Param, RefreshCarriesNewValuesIntoTheSecondLayout) {
  Param param = param_of(random_pattern(64, 96, {}, 700, 1, "w"), false);
  param.encode(kSegments, small_tiling());
  param.add_copy();
  for (float& w : param.value) w += 0.25f;
  param.refresh_copy();
  expect_copy(param);
}

TEST(Param, SurvivorsKeepValueAndMomentsAndTheGrownStartAtZero) {
  for (const Case& one : cases()) {
    SCOPED_TRACE(one.name);
    Param param = param_of(one.pattern, true);
    param.encode(*one.format, one.tiling);
    if (one.with_copy) param.add_copy();
    const auto before = by_position(param, param.value);

    TopologyEdit edit;
    Rng rng(2, 2);
    for (int32_t k = 0; k < one.pattern.blocks(); ++k)
      if (rng.below(3) == 0) edit.drop.push_back(k);
    const int64_t positions = one.pattern.block_rows() * one.pattern.block_cols();
    std::vector<bool> live(static_cast<size_t>(positions), false);
    for (int64_t r = 0; r < one.pattern.block_rows(); ++r)
      for (const int32_t c : one.pattern.row(r))
        live[static_cast<size_t>(r * one.pattern.block_cols() + c)] = true;
    for (int64_t p = 0; p < positions; ++p)
      if (!live[static_cast<size_t>(p)] && rng.below(10) == 0) edit.grow.push_back(p);
    const EditedPattern want = apply_edit(one.pattern, edit).take();

    ASSERT_TRUE(param.apply(edit, 7).ok());
    EXPECT_EQ(param.pattern(), want.pattern);
    EXPECT_EQ(param.live(), want.pattern.live());
    const auto value = by_position(param, param.value), moment1 = by_position(param, param.moment1),
               moment2 = by_position(param, param.moment2),
               born = edit.grow.empty() ? std::vector<float>(value.size()) : by_position(param, param.born);
    int64_t grown = 0;
    for (size_t i = 0; i < value.size(); ++i) {
      if (value[i] == kDead) continue;
      const float kept = before[i] == kDead ? 0.0f : before[i];
      grown += before[i] == kDead;
      ASSERT_EQ(value[i], kept) << i;
      ASSERT_EQ(moment1[i], -kept) << i;
      ASSERT_EQ(moment2[i], 0.5f * kept) << i;
      ASSERT_EQ(born[i], before[i] == kDead ? 7.0f : 0.0f) << i;
    }
    EXPECT_EQ(grown, static_cast<int64_t>(edit.grow.size()) * one.pattern.block().size());
    EXPECT_EQ(param.canonical(param.gradient), std::vector<float>(static_cast<size_t>(param.live()), 0.0f))
        << "a stored gradient belongs to the old pattern";
    if (one.format->refuses(want.pattern).empty()) {
      EXPECT_EQ(param.format(), one.format);
      if (one.with_copy) expect_copy(param);
    } else {
      EXPECT_EQ(param.format(), nullptr) << "a format that refuses the new pattern cannot hold it";
      EXPECT_EQ(param.view(), nullptr);
      EXPECT_EQ(param.copy(), nullptr);
    }
  }
}

// A network that starts dense and ends sparse.
TEST(Param, LeavesTheDenseFormatWithItsFirstDrop) {
  Param param = param_of(Pattern::full(32, 32), true);
  param.encode(kDense, {});
  ASSERT_TRUE(param.apply({{0, 5}, {}}, 7).ok());
  EXPECT_EQ(param.format(), nullptr);
  param.encode(kSegments, {});
  EXPECT_EQ(param.live(), 32 * 32 - 2);
  EXPECT_EQ(by_position(param, param.value)[7], 8.0f);
}

TEST(Param, ComesBackFromAnEmptyPattern) {
  Param param = param_of(Pattern::full(4, 4), false);
  param.encode(kSegments, {});
  TopologyEdit all;
  for (int32_t k = 0; k < 16; ++k) all.drop.push_back(k);
  ASSERT_TRUE(param.apply(all, 7).ok());
  EXPECT_EQ(param.live(), 0);
  ASSERT_TRUE(param.apply({{}, {3, 9}}, 7).ok());
  EXPECT_EQ(param.canonical(param.value), (std::vector<float>{0.0f, 0.0f}));
  param.value[0] = 1.0f;
}

TEST(Param, TheGrownStartWithTheValuesThatTheyAreGiven) {
  Param param = param_of(Pattern::from_indices(8, 2, {4, 1}, {0, 1, 1}, {0}).take(), true);
  param.encode(kBlocks, {});
  std::vector<float> want = param.canonical(param.value);
  const std::vector<float> grown = {1.5f, 2.5f, 3.5f, 4.5f, -1.5f, -2.5f, -3.5f, -4.5f};
  ASSERT_TRUE(param.apply({{}, {1, 3}}, 7, grown).ok());
  want.insert(want.end(), grown.begin(), grown.end());
  EXPECT_EQ(param.canonical(param.value), want);
  const std::vector<float> moment = param.canonical(param.moment1);
  EXPECT_EQ(std::vector<float>(moment.begin() + 4, moment.end()), std::vector<float>(8));
}

TEST(Param, ARefusedEditChangesNothing) {
  const Pattern pattern = random_pattern(16, 16, {}, 40, 1, "w");
  Param param = param_of(pattern, true);
  param.encode(kSegments, {});
  const auto before = by_position(param, param.moment1);
  EXPECT_FALSE(param.apply({{40}, {}}, 7).ok());
  EXPECT_EQ(param.pattern(), pattern);
  EXPECT_EQ(by_position(param, param.moment1), before);
}

TEST(Param, AVectorIsCutIntoPartsThatCoverIt) {
  for (const int64_t length : {int64_t{1}, int64_t{1024}, int64_t{1025}, int64_t{5000}}) {
    const Param param = Param::vector("b", {length});
    const std::vector<int32_t>& start = param.part_start();
    EXPECT_EQ(start.front(), 0);
    EXPECT_EQ(start.back(), length);
    EXPECT_TRUE(std::is_sorted(start.begin(), start.end()));
    EXPECT_FALSE(param.is_weight());
    EXPECT_EQ(param.live(), length);
    EXPECT_EQ(param.bytes(), length * 4);
  }
}

double bytes_per_weight(const FormatDef& format, BlockShape block, double density, bool transposed) {
  constexpr int64_t kSide = 1024;
  const auto blocks = static_cast<int64_t>(density * kSide * kSide / block.size());
  Param param = Param::weight("w", {kSide, kSide}, random_pattern(kSide, kSide, block, blocks, 1, "w"));
  param.encode(format, {});
  if (transposed) param.add_copy();
  param.ensure(param.moment1);
  param.ensure(param.moment2);
  return static_cast<double>(param.bytes()) / static_cast<double>(param.live());
}

// design.md, "Memory per live weight" with Adam: value, two moments and their copy 16 bytes, two indices 4,
// permutation 4; blocks 12 and an index for r weights. What rows and panels need on top is a twentieth.
TEST(Param, NeedsAsManyBytesForALiveWeightAsTheDesignPromises) {
  EXPECT_LE(bytes_per_weight(kSegments, {1, 1}, 0.10, true), 1.05 * 24);
  EXPECT_LE(bytes_per_weight(kSegments, {1, 1}, 0.05, true), 1.05 * 24);
  EXPECT_LE(bytes_per_weight(kBlocks, {4, 1}, 0.10, false), 1.05 * (12 + 2.0 / 4));
  EXPECT_LE(bytes_per_weight(kBlocks, {16, 1}, 0.10, false), 1.05 * (12 + 2.0 / 16));
  EXPECT_LE(bytes_per_weight(kBlocks, {16, 4}, 0.10, false), 1.05 * (12 + 2.0 / 16));
  EXPECT_LE(bytes_per_weight(kDense, {1, 1}, 1.0, false), 1.05 * 12);
}

}  // namespace
}  // namespace coppice
