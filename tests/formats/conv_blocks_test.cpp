// SPDX-License-Identifier: Apache-2.0
#include "formats/conv_blocks.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "kernels/conv_problem.h"

namespace coppice {
namespace {

std::vector<ConvProblem> problems() {
  std::vector<ConvProblem> all;
  for (const ConvProblem& p : conv_problems())
    for (const BlockShape block :
         {BlockShape{1, 1}, BlockShape{4, 1}, BlockShape{16, 1}, BlockShape{16, 4}}) {
      ConvProblem q = p;
      q.block = block;
      q.g.outputs = (p.g.outputs + block.rows - 1) / block.rows * block.rows;
      if (block.rows == 1) q.density = 1.0;
      if (q.columns() % block.cols == 0 && conv_blocks_refuses(q.pattern(), q.g).empty()) all.push_back(q);
    }
  return all;
}

std::unique_ptr<Encoding> encode(const ConvProblem& p) {
  Tiling tiling = conv_tiling();
  tiling.conv = p.g;
  return kConvBlocks.encode(p.pattern(), tiling);
}

const coppice_conv_blocks& view(Encoding& encoding) {
  return *static_cast<const coppice_conv_blocks*>(encoding.bind(nullptr));
}

template <class Check>  // check(problem, encoding)
void each_encoding(Check&& check) {
  for (const ConvProblem& p : problems()) {
    SCOPED_TRACE(p.text());
    const auto encoding = encode(p);
    check(p, *encoding);
    if (::testing::Test::HasFatalFailure()) return;
  }
}

// f(block of weights, block row, number of the tap, phase), in the order of places.
template <class F>
void each_block(const coppice_conv_blocks& f, F visit) {
  int32_t k = 0;
  for (int32_t row = 0; row < f.block_rows; ++row)
    for (int32_t block = 0; block < f.blocks; ++block) {
      const int32_t* start = coppice_conv_tap_starts(&f, row, block);
      for (int32_t phase = 0; phase < f.stride * f.stride; ++phase)
        for (int32_t tap = f.phase_tap[phase]; tap < f.phase_tap[phase + 1]; ++tap) {
          ASSERT_EQ(start[tap], k);
          for (; k < start[tap + 1]; ++k) {
            ASSERT_EQ(f.channel[k] / f.block_channels, block);
            visit(k, row, tap, phase);
          }
        }
    }
  EXPECT_EQ(*coppice_conv_tap_starts(&f, f.block_rows, 0), k);
}

// Pattern row and column of each place; the rows past the last output are padding.
std::map<int32_t, std::pair<int, int>> places_of(const ConvProblem& p, const Encoding& encoding) {
  const Pattern pattern = p.pattern();
  const BlockShape b = pattern.block();
  const std::vector<int32_t> positions = encoding.positions();
  std::map<int32_t, std::pair<int, int>> at;
  size_t k = 0;
  for (int64_t row = 0; row < pattern.block_rows(); ++row)
    for (const int32_t col : pattern.row(row))
      for (int r = 0; r < b.rows; ++r)
        for (int c = 0; c < b.cols; ++c)
          at[positions[k++]] = {static_cast<int>(row) * b.rows + r, col * b.cols + c};
  EXPECT_EQ(k, positions.size());
  EXPECT_EQ(at.size(), positions.size()) << "two weights share a place";
  return at;
}

// A pixel of a padded plane without its halo, or -1 in a rim of zeros.
int inner_pixel(int pixel, int height, int width, int halo, bool wrap) {
  const int row = width + 2 * halo, plane = row * (height + 2 * halo);
  int y = pixel % plane / row - halo, x = pixel % row - halo;
  if ((y < 0 || y >= height || x < 0 || x >= width) && !wrap) return -1;
  y = (y + 8 * height) % height, x = (x + 8 * width) % width;
  return (pixel / plane * height + y) * width + x;
}

std::vector<Product> wanted_products(const ConvProblem& p, const Encoding& encoding) {
  std::set<std::pair<int, int>> live;
  for (const auto& [place, weight] : places_of(p, encoding)) live.insert(weight);
  std::vector<Product> wanted;
  each_product(p.g, [&](const Product& product) {
    if (live.count({product.row, product.col})) wanted.push_back(product);
  });
  std::sort(wanted.begin(), wanted.end());
  return wanted;
}

TEST(ConvBlocks, ForwardMultipliesExactlyThePairsOfPixelsThatTheConvolutionDoes) {
  each_encoding([](const ConvProblem& p, Encoding& encoding) {
    const coppice_conv_blocks& f = view(encoding);
    const auto places = places_of(p, encoding);
    std::vector<Product> seen;
    each_block(f, [&](int32_t k, int32_t row, int32_t, int32_t) {
      for (int i = 0; i < coppice_conv_block_outputs(&f, row); ++i)
        for (int y = 0; y < f.y_height; ++y)
          for (int x = 0; x < f.y_width; ++x) {
            const int in = inner_pixel(f.offset[k] / 16 + y * f.x_row_step + x * f.stride, f.x_height,
                                       f.x_width, p.g.x_halo, p.g.wrap);
            const auto [weight_row, weight_col] = places.at(k * f.r + i);
            const int out = ((row * f.r + i) * f.y_height + y) * f.y_width + x;
            if (in >= 0) seen.push_back({out, in, weight_row, weight_col});
          }
    });
    std::sort(seen.begin(), seen.end());
    ASSERT_TRUE(seen == wanted_products(p, encoding));
  });
}

TEST(ConvBlocks, DxMultipliesTheSamePairs) {
  each_encoding([](const ConvProblem& p, Encoding& encoding) {
    const coppice_conv_blocks& f = view(encoding);
    const auto places = places_of(p, encoding);
    std::vector<Product> seen;
    each_block(f, [&](int32_t k, int32_t row, int32_t tap, int32_t phase) {
      for (int i = 0; i < coppice_conv_block_outputs(&f, row); ++i)
        for (int y = phase / f.stride; y < f.x_height; y += f.stride)
          for (int x = phase % f.stride; x < f.x_width; x += f.stride) {
            const int from = f.dy_offset[tap] / 16 + (row * f.r + i) * f.dy_plane +
                             y / f.stride * f.dy_row_step + x / f.stride;
            const int out = inner_pixel(from, f.y_height, f.y_width, p.g.dy_halo, p.g.wrap);
            const auto [weight_row, weight_col] = places.at(k * f.r + i);
            if (out >= 0)
              seen.push_back({out, (f.channel[k] * f.x_height + y) * f.x_width + x, weight_row, weight_col});
          }
    });
    std::sort(seen.begin(), seen.end());
    ASSERT_TRUE(seen == wanted_products(p, encoding));
  });
}

TEST(ConvBlocks, ReadsStayInThePaddedPlaneOfTheirChannel) {
  each_encoding([](const ConvProblem& p, Encoding& encoding) {
    const coppice_conv_blocks& f = view(encoding);
    const auto stays = [](int first, int row, int rows, int column, int columns, int plane, int width) {
      ASSERT_GE(first, 0);
      ASSERT_EQ((first + (rows - 1) * row) / plane, first / plane) << "runs out of its plane downwards";
      ASSERT_EQ((first + (columns - 1) * column) / width, first / width) << "runs out of its row";
    };
    each_block(f, [&](int32_t k, int32_t, int32_t tap, int32_t phase) {
      ASSERT_EQ(f.offset[k] % 16, 0);
      ASSERT_EQ(f.offset[k] / 16 / f.x_plane, f.channel[k]);
      stays(f.offset[k] / 16, f.x_row_step, f.y_height, f.stride, f.y_width, f.x_plane,
            p.g.width + 2 * p.g.x_halo);
      const int rows = (f.x_height - phase / f.stride + f.stride - 1) / f.stride;
      const int columns = (f.x_width - phase % f.stride + f.stride - 1) / f.stride;
      if (rows > 0 && columns > 0)
        stays(f.dy_offset[tap] / 16, f.dy_row_step, rows, 1, columns, f.dy_plane, f.dy_row_step);
    });
  });
}

TEST(ConvBlocks, PatternComesBackFromTheEncoding) {
  each_encoding([](const ConvProblem& p, Encoding& encoding) {
    EXPECT_EQ(encoding.pattern(), p.pattern());
    EXPECT_EQ(view(encoding).full, p.pattern().is_full());
  });
}

TEST(ConvBlocks, PartsArePanelsOfSixteenOutputs) {
  each_encoding([](const ConvProblem& p, Encoding& encoding) {
    const std::vector<int32_t>& start = encoding.part_start();
    const coppice_conv_blocks& f = view(encoding);
    EXPECT_EQ(f.panels, (p.g.outputs + 15) / 16);
    ASSERT_EQ(static_cast<int32_t>(start.size()), f.panels + 1);
    EXPECT_EQ(encoding.forward_parts(), f.panels);
    EXPECT_EQ(encoding.dx_parts(), f.blocks);
    EXPECT_EQ(start.front(), 0);
    EXPECT_EQ(start.back(), encoding.size());
    for (int32_t panel = 0; panel < f.panels; ++panel)
      EXPECT_EQ(start[static_cast<size_t>(panel)],
                f.r * *coppice_conv_tap_starts(&f, panel * f.part_block_rows, 0));
  });
}

TEST(ConvBlocks, PadsOnlyTheOutputsOfAFullPattern) {
  each_encoding([](const ConvProblem& p, Encoding& encoding) {
    const int64_t live = p.pattern().live();
    EXPECT_EQ(encoding.size(), p.pattern().is_full() ? (p.g.outputs + 15) / 16 * 16 * p.columns() : live);
  });
}

TEST(ConvBlocks, ABlockOfChannelsOfAFullPatternFitsTheL1) {
  ConvProblem p = conv_problem(256, 64, 16, 16, 3);
  p.density = 1.0;
  const Tiling tiling = {.l1_bytes = 48 << 10, .l2_bytes = 2 << 20, .width = 16, .conv = p.g};
  const auto encoding = kConvBlocks.encode(p.pattern(), tiling);
  const coppice_conv_blocks& f = view(*encoding);
  // A register tile of three pixels reads 3 x 5.
  EXPECT_LE(f.block_channels * 15 * 64, tiling.l1_bytes);
  EXPECT_GE(f.block_channels, 16);
}

TEST(ConvBlocks, RefusalsSayWhy) {
  const ConvProblem good = conv_problem(4, 16, 6, 6, 3);
  const Pattern blocks = random_pattern(16, 36, {16, 1}, 9, 1, "p");
  EXPECT_EQ(conv_blocks_refuses(blocks, good.g), "");
  EXPECT_EQ(conv_blocks_refuses(Pattern::full(16, 36), good.g), "");
  EXPECT_EQ(conv_blocks_refuses(good.pattern(), good.g),
            "block 1x1 has a single row; format 'gather' takes it");
  ConvGeometry g = good.g;
  g.groups = 2;
  EXPECT_EQ(conv_blocks_refuses(Pattern::full(16, 18), g),
            "its outputs read all channels, not those of 2 groups");
  g = good.g;
  g.x_halo = 0;
  EXPECT_EQ(conv_blocks_refuses(blocks, g), "the input has a halo of 0 pixels, the kernel reads 1");
}

}  // namespace
}  // namespace coppice
