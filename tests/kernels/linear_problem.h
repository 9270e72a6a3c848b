// SPDX-License-Identifier: Apache-2.0
// A linear layer with random data, the double-precision truth of its products, and ways to run kernels on it.
// Memory that no kernel may use is NaN where it is read and a guard value where it is written.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "base/buffer.h"
#include "base/rng.h"
#include "formats/formats.h"
#include "kernels/select.h"

namespace coppice {

constexpr float kGuard = -12345.5f;
constexpr int kGuardRows = 2;

struct Problem {
  int64_t rows, cols;
  BlockShape block;
  double density;
  int width, samples;

  Pattern pattern() const {
    const auto blocks = static_cast<int64_t>(static_cast<double>(rows * cols / block.size()) * density);
    return random_pattern(rows, cols, block, std::max<int64_t>(blocks, density > 0), 5, "problem");
  }
  int tiles() const { return (samples + width - 1) / width; }
  int columns(int tile) const {
    return std::min(width, (std::min(width, samples - tile * width) + 15) / 16 * 16);
  }
  std::string text() const {
    return std::to_string(rows) + "x" + std::to_string(cols) + " block " + block.text() + " density " +
           std::to_string(density) + " width " + std::to_string(width) + " samples " +
           std::to_string(samples);
  }
};

// A tiled value in memory of its own, guard rows behind each tile.
class Tiled {
 public:
  Tiled(int64_t rows, int width, int tiles)
      : rows_(rows),
        width_(width),
        stride_((rows + kGuardRows) * width),
        data_(static_cast<size_t>(stride_ * tiles)) {
    std::fill(data_.begin(), data_.end(), kGuard);
  }
  coppice_tiled view() {
    coppice_tiled view{};
    view.base = data_.data();
    view.tile_stride = stride_;
    view.width = width_;
    return view;
  }
  int64_t rows() const { return rows_; }
  float& at(int64_t row, int sample) {
    return data_[static_cast<size_t>(sample / width_ * stride_ + row * width_ + sample % width_)];
  }
  // Random valid samples; `padding` in the columns that kernels may compute but nobody reads; NaN everywhere
  // else.
  void fill(const Problem& p, const std::string& name, float padding) {
    std::fill(data_.begin(), data_.end(), std::numeric_limits<float>::quiet_NaN());
    Rng rng(3, stream_id("tiled", name));
    for (int64_t row = 0; row < rows_; ++row)
      for (int tile = 0; tile < p.tiles(); ++tile)
        for (int s = tile * width_; s < tile * width_ + p.columns(tile); ++s)
          at(row, s) = s < p.samples ? rng.normal() : padding * static_cast<float>(1 + s % 7);
  }
  // Everything outside the rows and computed columns still is the guard.
  bool guarded(const Problem& p) {
    for (int tile = 0; tile < p.tiles(); ++tile)
      for (int64_t row = 0; row < rows_ + kGuardRows; ++row)
        for (int s = 0; s < width_; ++s)
          if ((row >= rows_ || s >= p.columns(tile)) && at(row, tile * width_ + s) != kGuard) return false;
    return true;
  }
  std::vector<float> valid(const Problem& p) {
    std::vector<float> out;
    for (int64_t row = 0; row < rows_; ++row)
      for (int s = 0; s < p.samples; ++s) out.push_back(at(row, s));
    return out;
  }
  bool finite(const Problem& p) {
    for (int64_t row = 0; row < rows_; ++row)
      for (int tile = 0; tile < p.tiles(); ++tile)
        for (int s = 0; s < p.columns(tile); ++s)
          if (!std::isfinite(at(row, tile * width_ + s))) return false;
    return true;
  }

 private:
  int64_t rows_;
  int width_;
  int64_t stride_;
  Floats data_;
};

// A sum and the sum of the magnitudes of its terms: what rounding may cost is a multiple of the latter.
struct Truth {
  double sum = 0, magnitude = 0;
  void add(double term) {
    sum += term;
    magnitude += std::fabs(term);
  }
};

inline void expect_near(float got, const Truth& truth, const char* what, int64_t index) {
  const double bound = 8 * std::numeric_limits<float>::epsilon() * truth.magnitude + 1e-30;
  ASSERT_LE(std::fabs(got - truth.sum), bound)
      << what << "[" << index << "] is " << got << ", should be " << truth.sum;
}

inline bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

// Weights of a pattern encoded in a format, and where each lies in the matrix.
struct Weights {
  std::unique_ptr<Encoding> encoding;
  Floats value;
  const void* view = nullptr;
  std::vector<int32_t> row, col, place;  // of each canonical weight

  Weights(const Pattern& pattern, const FormatDef& format, const Tiling& tiling)
      : encoding(format.encode(pattern, tiling)),
        value(static_cast<size_t>(encoding->size())),
        place(encoding->positions()) {
    std::fill(value.begin(), value.end(), 0.0f);
    const BlockShape b = pattern.block();
    for (int64_t r = 0; r < pattern.block_rows(); ++r)
      for (const int32_t c : pattern.row(r))
        for (int i = 0; i < b.rows; ++i)
          for (int j = 0; j < b.cols; ++j) {
            row.push_back(static_cast<int32_t>(r * b.rows + i));
            col.push_back(c * b.cols + j);
          }
    Rng rng(9, stream_id("weights", "w"));
    for (size_t k = 0; k < place.size(); ++k) at(k) = rng.normal();
    view = encoding->bind(value.data());
  }
  float& at(size_t canonical) { return value[static_cast<size_t>(place[canonical])]; }
  size_t live() const { return place.size(); }
};

enum class Cut { kAll, kTile, kPart, kTilePart };

inline void run_kernel(coppice_kernel kernel, const void* args, const Problem& p, int parts, Cut cut,
                       void* scratch = nullptr, bool accumulate = false) {
  coppice_run_state rs{};
  rs.samples = p.samples;
  rs.accumulate = accumulate;
  const bool by_tile = cut == Cut::kTile || cut == Cut::kTilePart,
             by_part = cut == Cut::kPart || cut == Cut::kTilePart;
  // Backwards, as threads may finish in any order.
  for (int tile = by_tile ? p.tiles() - 1 : 0; tile >= 0; --tile)
    for (int part = by_part ? parts - 1 : 0; part >= 0; --part) {
      const coppice_item item = {tile, by_tile ? tile + 1 : p.tiles(), part, by_part ? part + 1 : parts,
                                 scratch};
      kernel(args, &rs, &item);
    }
}

// Problems that a kernel of a format has to solve: widths and valid counts first, then odd shapes.
inline std::vector<Problem> problems(const FormatDef& format) {
  std::vector<Problem> all;
  const auto add = [&](int64_t rows, int64_t cols, double density, int width, int samples) {
    for (const BlockShape block :
         {BlockShape{1, 1}, BlockShape{4, 1}, BlockShape{16, 1}, BlockShape{16, 4}}) {
      const Problem p = {(rows + block.rows - 1) / block.rows * block.rows,
                         (cols + block.cols - 1) / block.cols * block.cols,
                         block,
                         density,
                         width,
                         samples};
      if (format.refuses(p.pattern()).empty()) all.push_back(p);
    }
  };
  for (const double density : {0.1, 1.0})
    for (const int width : {16, 32, 64})
      for (const int valid : {1, 15, 16, 17, 33, 48, 64})
        if (valid <= width) {
          add(37, 45, density, width, valid);
          if (density < 1) add(5, 150, density, width, 2 * width + valid);
        }
  for (const int width : {1, 24}) add(19, 70, 0.3, width, 53), add(19, 70, 1.0, width, 53);
  for (const double density : {0.0, 0.002, 0.5, 1.0}) {
    add(1, 1, density, 16, 16);
    add(1, 400, density, 64, 100);
    add(70, 1, density, 32, 40);
    add(1030, 9, density / 2, 64, 64);
    add(20, 3, density, 64, 330);
  }
  return all;
}

// Small caches, so that small layers have several column blocks.
inline Tiling tiling_of(const Problem& p) {
  return {.l1_bytes = 8 << 10, .l2_bytes = 128 << 10, .width = p.width};
}

template <class Check>  // check(kernels, problem, format)
void each_problem(std::initializer_list<const FormatDef*> formats, Check&& check) {
  for (const std::string& isa : available_isas()) {
    const Kernels kernels = select_kernels(isa).take();
    for (const FormatDef* format : formats)
      for (const Problem& p : problems(*format)) {
        SCOPED_TRACE(isa + " " + format->name + " " + p.text());
        check(kernels, p, *format);
        if (::testing::Test::HasFatalFailure()) return;
      }
  }
}

}  // namespace coppice
