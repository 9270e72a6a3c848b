// SPDX-License-Identifier: Apache-2.0
#include "formats/gather.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "kernels/conv_problem.h"

namespace coppice {
namespace {

const coppice_conv_weights& view(Encoding& encoding) {
  return *static_cast<const coppice_conv_weights*>(encoding.bind(nullptr));
}

// f(place, row of the gather, the gather, offset), in the order of places.
template <class F>
void each_place(const coppice_conv_weights& w, F f) {
  int32_t place = 0;
  for (int32_t panel = 0; panel < w.panels; ++panel)
    for (int32_t i = 0; i < w.gathers; ++i) {
      const coppice_gather& g = w.gather[i];
      for (int32_t block = 0; block < g.blocks; ++block) {
        const int32_t at = panel * (g.blocks + 1) + block;
        ASSERT_EQ(g.weight_start[at], place);
        for (int32_t s = g.segment_start[at]; s < g.segment_start[at + 1]; ++s)
          for (int k = 0; k < g.segments[s].count; ++k, ++place)
            f(place, panel * g.panel_rows + g.segments[s].row, g, g.offset[place]);
      }
    }
}

template <class Check>  // check(problem, pattern, encoding, backward)
void each_encoding(Check&& check) {
  for (const ConvProblem& p : conv_problems())
    for (const bool backward : {false, true}) {
      SCOPED_TRACE(p.text() + (backward ? " backward" : " forward"));
      const Pattern pattern = p.pattern();
      ASSERT_EQ(gather_refuses(pattern, p.g), "");
      const auto encoding =
          (backward ? encode_gather_backward : encode_gather_forward)(pattern, p.g, conv_tiling());
      check(p, pattern, *encoding, backward);
      if (::testing::Test::HasFatalFailure()) return;
    }
}

// Canonical matrix places of a pattern: row * columns + column.
std::vector<std::pair<int, int>> canonical_places(const Pattern& p) {
  std::vector<std::pair<int, int>> places;
  for (int64_t row = 0; row < p.block_rows(); ++row)
    for (const int32_t col : p.row(row))
      for (int r = 0; r < p.block().rows; ++r)
        for (int c = 0; c < p.block().cols; ++c)
          places.emplace_back(static_cast<int>(row) * p.block().rows + r, col * p.block().cols + c);
  return places;
}

TEST(Gather, MultipliesExactlyThePairsOfPixelsThatTheConvolutionDoes) {
  each_encoding([](const ConvProblem& p, const Pattern& pattern, Encoding& encoding, bool backward) {
    const std::vector<int32_t> positions = encoding.positions();
    const auto places = canonical_places(pattern);
    ASSERT_EQ(positions.size(), places.size());
    std::map<int32_t, std::pair<int, int>> weight_at;
    for (size_t k = 0; k < places.size(); ++k) weight_at[positions[k]] = places[k];
    ASSERT_EQ(weight_at.size(), places.size()) << "two weights share a place";

    const coppice_conv_weights& w = view(encoding);
    const int in_width = w.in_width + 2 * w.in_halo, in_height = w.in_height + 2 * w.in_halo;
    std::vector<Product> seen;
    each_place(w, [&](int32_t place, int32_t row, const coppice_gather& g, int32_t offset) {
      const auto [weight_row, weight_col] = weight_at.at(place);
      for (int y = 0; y < g.height; ++y)
        for (int x = 0; x < g.width; ++x) {
          const int pixel = offset / 16 + y * g.in_row_step + x * g.in_column_step;
          int in_y = pixel / in_width % in_height - w.in_halo, in_x = pixel % in_width - w.in_halo;
          const bool rim = in_y < 0 || in_y >= w.in_height || in_x < 0 || in_x >= w.in_width;
          if (rim && !p.g.wrap) continue;
          in_y = (in_y + 8 * w.in_height) % w.in_height;
          in_x = (in_x + 8 * w.in_width) % w.in_width;
          const int in = (pixel / in_width / in_height * w.in_height + in_y) * w.in_width + in_x;
          const int out =
              (row * w.out_height + y * g.out_step + g.out_y) * w.out_width + x * g.out_step + g.out_x;
          seen.push_back(backward ? Product{in, out, weight_row, weight_col}
                                  : Product{out, in, weight_row, weight_col});
        }
    });
    const std::set<std::pair<int, int>> live(places.begin(), places.end());
    std::vector<Product> wanted;
    each_product(p.g, [&](const Product& product) {
      if (live.count({product.row, product.col})) wanted.push_back(product);
    });
    std::sort(seen.begin(), seen.end());
    std::sort(wanted.begin(), wanted.end());
    ASSERT_EQ(seen.size(), wanted.size());
    ASSERT_TRUE(seen == wanted);
  });
}

TEST(Gather, NeverReadsOutsideThePaddedPlaneOfItsChannel) {
  each_encoding([](const ConvProblem&, const Pattern&, Encoding& encoding, bool) {
    const coppice_conv_weights& w = view(encoding);
    const int in_width = w.in_width + 2 * w.in_halo, plane = in_width * (w.in_height + 2 * w.in_halo);
    each_place(w, [&](int32_t, int32_t, const coppice_gather& g, int32_t offset) {
      if (g.height == 0 || g.width == 0) return;
      const int first = offset / 16, last_row = first + (g.height - 1) * g.in_row_step;
      const int last_column = first + (g.width - 1) * g.in_column_step;
      ASSERT_EQ(offset % 16, 0);
      ASSERT_GE(first, 0);
      ASSERT_LT(first, w.in_channels * plane);
      ASSERT_EQ(last_row / plane, first / plane) << "runs out of its plane downwards";
      ASSERT_EQ(last_column / in_width, first / in_width) << "runs out of its row";
    });
  });
}

TEST(Gather, PhasesCoverEveryPixelOnce) {
  each_encoding([](const ConvProblem&, const Pattern&, Encoding& encoding, bool) {
    const coppice_conv_weights& w = view(encoding);
    std::vector<int> hits(static_cast<size_t>(w.out_height * w.out_width), 0);
    for (int32_t i = 0; i < w.gathers; ++i) {
      const coppice_gather& g = w.gather[i];
      for (int y = 0; y < g.height; ++y)
        for (int x = 0; x < g.width; ++x)
          ++hits.at(static_cast<size_t>((y * g.out_step + g.out_y) * w.out_width + x * g.out_step + g.out_x));
    }
    EXPECT_EQ(std::count(hits.begin(), hits.end(), 1), w.out_height * w.out_width);
  });
}

TEST(Gather, PatternComesBackFromTheEncoding) {
  each_encoding([](const ConvProblem&, const Pattern& pattern, Encoding& encoding, bool) {
    EXPECT_EQ(encoding.pattern(), pattern);
    EXPECT_EQ(encoding.size(), pattern.live());
  });
}

TEST(Gather, EveryRowOfAPanelStartsAndEndsItsSumsAndTheLongestComeFirst) {
  each_encoding([](const ConvProblem&, const Pattern&, Encoding& encoding, bool) {
    const coppice_conv_weights& w = view(encoding);
    for (int32_t i = 0; i < w.gathers; ++i) {
      const coppice_gather& g = w.gather[i];
      for (int32_t panel = 0; panel < g.panels; ++panel)
        for (int32_t block = 0; block < g.blocks; ++block) {
          const int32_t at = panel * (g.blocks + 1) + block;
          const auto *first = g.segments + g.segment_start[at], *last = g.segments + g.segment_start[at + 1];
          std::set<int> rows;
          for (const auto* s = first; s < last; ++s) rows.insert(s->row);
          EXPECT_EQ(rows.size(), static_cast<size_t>(last - first)) << "a row has two segments in a block";
          if (block == 0 || block == g.blocks - 1) {
            EXPECT_EQ(static_cast<int32_t>(rows.size()),
                      std::min(g.panel_rows, g.rows - panel * g.panel_rows));
          }
          EXPECT_TRUE(
              std::is_sorted(first, last, [](const auto& a, const auto& b) { return a.count > b.count; }));
        }
    }
  });
}

TEST(Gather, PartsArePanelsInOrder) {
  each_encoding([](const ConvProblem&, const Pattern&, Encoding& encoding, bool backward) {
    const std::vector<int32_t>& start = encoding.part_start();
    const coppice_conv_weights& w = view(encoding);
    ASSERT_EQ(static_cast<int32_t>(start.size()), w.panels + 1);
    EXPECT_EQ(backward ? encoding.dx_parts() : encoding.forward_parts(), w.panels);
    EXPECT_EQ(start.front(), 0);
    EXPECT_EQ(start.back(), encoding.size());
    int32_t longest = 0;
    for (int32_t panel = 0; panel < w.panels; ++panel) {
      EXPECT_EQ(w.gather[0].weight_start[panel * (w.gather[0].blocks + 1)],
                start[static_cast<size_t>(panel)]);
      longest = std::max(longest, start[static_cast<size_t>(panel) + 1] - start[static_cast<size_t>(panel)]);
    }
    // Small layers are taken together.
    const int64_t together = std::min<int64_t>(encoding.size(), COPPICE_CONV_TOGETHER);
    EXPECT_EQ(conv_bwd_scratch(encoding), 64u * static_cast<size_t>(std::max<int64_t>(longest, together)));
  });
}

TEST(Gather, ALayerOfSixtyFourChannelsHasPartsForSeveralThreads) {
  const ConvProblem p = conv_problem(64, 64, 8, 8, 3);
  EXPECT_GE(encode_gather_backward(p.pattern(), p.g, {})->dx_parts(), 2);
  EXPECT_GE(encode_gather_forward(p.pattern(), p.g, {})->forward_parts(), 2);
}

TEST(Gather, TheGatheredChannelsOfABlockFitTheL1) {
  const ConvProblem p = conv_problem(64, 64, 16, 16, 3);
  const Tiling tiling = {.l1_bytes = 48 << 10, .l2_bytes = 2 << 20, .width = 16};
  const auto encoding = encode_gather_forward(p.pattern(), p.g, tiling);
  const coppice_gather& g = view(*encoding).gather[0];
  const int plane = 18 * 18 * 16;
  for (int32_t block = 0; block < g.blocks; ++block) {
    std::set<int> channels;
    for (int32_t k = g.weight_start[block]; k < g.weight_start[block + 1]; ++k)
      channels.insert(g.offset[k] / plane);
    // A register tile of 2 x 4 pixels reads 4 x 6.
    EXPECT_LE(static_cast<int64_t>(channels.size()) * 24 * 64, tiling.l1_bytes);
    EXPECT_GE(channels.size(), 16u);
  }
}

TEST(Gather, ADepthwiseLayerNeedsOneBlockAPanel) {
  const ConvProblem p = conv_problem(256, 256, 8, 8, 3, 0, [](ConvProblem& q) { q.g.groups = 256; });
  EXPECT_EQ(view(*encode_gather_forward(p.pattern(), p.g, {})).gather[0].blocks, 1);
}

TEST(Gather, RefusalsSayWhy) {
  const ConvProblem good = conv_problem(4, 8, 6, 6, 3);
  const Pattern pattern = good.pattern();
  const auto refusal = [&](const std::function<void(ConvGeometry&)>& change) {
    ConvGeometry g = good.g;
    change(g);
    return gather_refuses(pattern, g);
  };
  EXPECT_EQ(refusal([](ConvGeometry&) {}), "");
  EXPECT_EQ(refusal([](ConvGeometry& g) { g.x_halo = 0; }),
            "the input has a halo of 0 pixels, the kernel reads 1");
  EXPECT_EQ(refusal([](ConvGeometry& g) { g.dy_halo = 0; }),
            "the gradient of the output has a halo of 0 pixels, dX reads 1");
  EXPECT_EQ(refusal([](ConvGeometry& g) { g.out_width = 7; }), "an output of 6 x 7 should be 6 x 6");
  EXPECT_EQ(refusal([](ConvGeometry& g) { g.groups = 3; }), "3 groups do not divide 4 inputs and 8 outputs");
  EXPECT_EQ(refusal([](ConvGeometry& g) { g.groups = 2; }),
            "a pattern of 8 x 36 does not fit a weight of 8 x 18");
  EXPECT_EQ(refusal([](ConvGeometry& g) { g.stride = 0; }), "a size of the convolution is not positive");
  EXPECT_EQ(refusal([](ConvGeometry& g) { g.padding = 0, g.out_height = g.out_width = 4, g.wrap = true; }),
            "padding that wraps needs an output of 1/1 of the input's size, not 4 x 4 of 6 x 6");
  EXPECT_EQ(refusal([](ConvGeometry& g) { g.height = g.width = g.out_height = g.out_width = 6000; }),
            "a tile of 16 samples would hold 2^31 numbers or more");
}

}  // namespace
}  // namespace coppice
