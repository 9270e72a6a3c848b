// SPDX-License-Identifier: Apache-2.0
// Convolutions of all kinds with random data, and what they should give, in double precision.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "coppice_kernels.h"
#include "formats/gather.h"
#include "linear_problem.h"

namespace coppice {

struct ConvProblem {
  ConvGeometry g;
  BlockShape block;
  double density = 0.3;
  int samples = 20;

  int tiles() const { return (samples + 15) / 16; }
  int columns() const { return g.channels / g.groups * g.kernel_h * g.kernel_w; }
  Pattern pattern() const {
    const double blocks = g.outputs * columns() / block.size() * density;
    return random_pattern(g.outputs, columns(), block, static_cast<int64_t>(blocks), 5, "conv");
  }
  std::string text() const {
    const auto n = [](int v) { return std::to_string(v); };
    return n(g.channels) + "x" + n(g.height) + "x" + n(g.width) + " -> " + n(g.outputs) + ", kernel " +
           n(g.kernel_h) + "x" + n(g.kernel_w) + " stride " + n(g.stride) + " padding " + n(g.padding) +
           " dilation " + n(g.dilation) + " groups " + n(g.groups) + (g.wrap ? " wrap" : "") + " halos " +
           n(g.x_halo) + ", " + n(g.dy_halo) + " block " + block.text() + " density " +
           std::to_string(density) + " samples " + n(samples);
  }
};

// Sizes that follow from the others, with the smallest halos; `more` makes the halos larger than they need
// be.
inline ConvProblem conv_problem(int channels, int outputs, int height, int width, int kernel, int more = 0,
                                const std::function<void(ConvProblem&)>& change = {}) {
  ConvProblem p;
  p.g.channels = channels;
  p.g.outputs = outputs;
  p.g.height = height;
  p.g.width = width;
  p.g.kernel_h = p.g.kernel_w = kernel;
  p.g.padding = kernel / 2;
  if (change) change(p);
  ConvGeometry& g = p.g;
  g.out_height = (height + 2 * g.padding - (g.kernel_h - 1) * g.dilation - 1) / g.stride + 1;
  g.out_width = (width + 2 * g.padding - (g.kernel_w - 1) * g.dilation - 1) / g.stride + 1;
  g.x_halo = gather_x_halo(g) + more;
  g.dy_halo = gather_dy_halo(g) + more;
  return p;
}

inline std::vector<ConvProblem> conv_problems() {
  using P = ConvProblem&;
  std::vector<ConvProblem> all;
  for (const int width : {32, 16, 8, 7, 5, 1}) all.push_back(conv_problem(5, 6, 4, width, 3));
  for (const int height : {1, 2, 3, 7, 9}) all.push_back(conv_problem(3, 4, height, 6, 3));
  for (const double density : {0.0, 0.02, 0.1, 1.0})
    all.push_back(conv_problem(40, 35, 5, 8, 3, 0, [&](P p) { p.density = density; }));
  for (const int stride : {2, 3})
    for (const int kernel : {1, 3, 5})
      for (const int size : {1, 2, 8, 11})
        all.push_back(conv_problem(4, 6, size, size + 3, kernel, 0, [&](P p) { p.g.stride = stride; }));
  for (const int more : {0, 2}) {
    all.push_back(conv_problem(6, 5, 9, 14, 5, more));
    all.push_back(conv_problem(20, 18, 7, 10, 1, more));
    all.push_back(conv_problem(4, 4, 8, 8, 3, more, [](P p) { p.g.wrap = true; }));
    all.push_back(conv_problem(4, 4, 8, 12, 3, more, [](P p) { p.g.wrap = true, p.g.stride = 2; }));
    all.push_back(conv_problem(3, 5, 6, 9, 3, more, [](P p) { p.g.dilation = p.g.padding = 2; }));
  }
  all.push_back(conv_problem(3, 4, 2, 2, 5, 0, [](P p) { p.g.wrap = true; }));
  all.push_back(conv_problem(3, 4, 6, 6, 3, 0, [](P p) { p.g.padding = 0; }));
  all.push_back(conv_problem(3, 4, 4, 4, 1, 0, [](P p) { p.g.padding = 2; }));
  all.push_back(
      conv_problem(4, 6, 9, 9, 3, 0, [](P p) { p.g.dilation = 2, p.g.stride = 2, p.g.padding = 1; }));
  all.push_back(conv_problem(3, 4, 6, 9, 3, 0, [](P p) { p.g.kernel_w = 1, p.g.padding = 1; }));
  all.push_back(conv_problem(8, 12, 6, 6, 3, 0, [](P p) { p.g.groups = 4; }));
  all.push_back(conv_problem(40, 40, 6, 6, 3, 0, [](P p) { p.g.groups = 40, p.density = 0.8; }));
  all.push_back(conv_problem(6, 12, 7, 7, 3, 0, [](P p) { p.g.groups = 6, p.g.stride = 2; }));
  for (const BlockShape block : {BlockShape{4, 1}, BlockShape{16, 1}})
    all.push_back(conv_problem(6, 32, 5, 8, 3, 0, [&](P p) { p.block = block; }));
  all.push_back(conv_problem(8, 32, 5, 8, 1, 0, [](P p) { p.block = {16, 4}; }));
  for (const int samples : {1, 15, 16, 17, 40})
    all.push_back(conv_problem(4, 5, 6, 8, 3, 0, [&](P p) { p.samples = samples; }));
  return all;
}

// Small caches, so that small layers have several blocks of gathered channels.
inline Tiling conv_tiling() { return {.l1_bytes = 16 << 10, .l2_bytes = 64 << 10, .width = 16, .conv = {}}; }

// A product of the convolution of one sample: pixels of y and x (without halo), and the weight's row and
// column.
struct Product {
  int y, x, row, col;
  auto operator<=>(const Product&) const = default;
};

// All products whose pixel of x exists, in the order of y, straight from the definition.
template <class F>  // f(Product)
void each_product(const ConvGeometry& g, F f) {
  const int in_group = g.channels / g.groups, out_group = g.outputs / g.groups;
  for (int o = 0; o < g.outputs; ++o)
    for (int col = 0; col < in_group * g.kernel_h * g.kernel_w; ++col)
      for (int p = 0; p < g.out_height; ++p)
        for (int q = 0; q < g.out_width; ++q) {
          const int c = o / out_group * in_group + col / (g.kernel_h * g.kernel_w);
          int y = p * g.stride + col / g.kernel_w % g.kernel_h * g.dilation - g.padding;
          int x = q * g.stride + col % g.kernel_w * g.dilation - g.padding;
          if (g.wrap) y = (y + 8 * g.height) % g.height, x = (x + 8 * g.width) % g.width;
          if (y < 0 || y >= g.height || x < 0 || x >= g.width) continue;
          f(Product{(o * g.out_height + p) * g.out_width + q, (c * g.height + y) * g.width + x, o, col});
        }
}

}  // namespace coppice
