// SPDX-License-Identifier: Apache-2.0
// Convolutions of one sample for tests and benchmarks: a pattern of random weights, encoded as the kernels of
// planes read it.
#pragma once

#include <cstring>
#include <vector>

#include "base/buffer.h"
#include "base/rng.h"
#include "coppice_planes.h"

namespace coppice {

struct PlaneConv {
  int channels, groups, rows, height, width, kernel, padding;
  int x_halo, y_halo;
  bool wrap;
  double density;

  int cols() const { return channels / groups * kernel * kernel; }
  int out_height() const { return height + 2 * padding - kernel + 1; }
  int out_width() const { return width + 2 * padding - kernel + 1; }
  int padded_rows() const { return (rows + 15) / 16 * 16; }
};

// Weights in [-127, 127], 0 where none lives, in blocks of block_rows x c.
struct PlaneWeights {
  int rows, cols;
  std::vector<int8_t> value;  // [rows][cols]

  PlaneWeights(const PlaneConv& p, int block_rows, int c, Rng& rng)
      : rows(p.rows), cols(p.cols()), value(static_cast<size_t>(rows) * static_cast<size_t>(cols)) {
    for (int row = 0; row < rows; row += block_rows)
      for (int col = 0; col < cols; col += c) {
        if (rng.uniform_double() >= p.density) continue;
        for (int r = row; r < row + block_rows && r < rows; ++r)
          for (int k = col; k < col + c && k < cols; ++k) at(r, k) = random_weight(rng);
      }
  }
  int8_t& at(int row, int col) { return value[static_cast<size_t>(row * cols + col)]; }
  int at(int row, int col) const { return value[static_cast<size_t>(row * cols + col)]; }
  bool lives(int row, int rows_of_block, int col, int c) const {
    for (int r = row; r < row + rows_of_block && r < rows; ++r)
      for (int k = col; k < col + c && k < cols; ++k)
        if (at(r, k) != 0) return true;
    return false;
  }
  static int8_t random_weight(Rng& rng) {
    const int magnitude = 1 + static_cast<int>(rng.below(127));
    return static_cast<int8_t>(rng.below(2) ? magnitude : -magnitude);
  }
};

// As 64-byte aligned memory.
template <class T>
class Aligned {
 public:
  void assign(const std::vector<T>& values) {
    bytes_ = Bytes(values.size() * sizeof(T) + 64);
    if (!values.empty()) std::memcpy(bytes_.data(), values.data(), values.size() * sizeof(T));
  }
  const T* data() const { return static_cast<const T*>(bytes_.data()); }

 private:
  Bytes bytes_;
};

// coppice_rows of weights scaled by `scale`, or of their integers.
class EncodedRows {
 public:
  EncodedRows(const PlaneWeights& w, int part_rows, bool dense, float scale) {
    std::vector<int8_t> integers;
    start_.push_back(0);
    for (int row = 0; row < w.rows; ++row) {
      int before = 0;
      for (int col = 0; col < w.cols; ++col) {
        if (!dense && w.at(row, col) == 0) continue;
        for (; col - before > 255; before += 255) push(integers, 255, 0);
        push(integers, col - before, w.at(row, col));
        before = col;
      }
      start_.push_back(static_cast<uint32_t>(integers.size()));
    }
    std::vector<float> floats;
    for (const int8_t v : integers) floats.push_back(static_cast<float>(v) * scale);
    delta_.resize(delta_.size() + 8);
    integers.resize(integers.size() + 8);
    floats.resize(floats.size() + 8);
    integers_.assign(integers);
    floats_.assign(floats);
    view_ = {w.rows, w.cols, part_rows, start_.data(), dense ? nullptr : delta_.data(), nullptr};
  }
  coppice_rows floats() const { return with(floats_.data()); }
  coppice_rows integers() const { return with(integers_.data()); }

 private:
  void push(std::vector<int8_t>& integers, int delta, int value) {
    delta_.push_back(static_cast<uint8_t>(delta));
    integers.push_back(static_cast<int8_t>(value));
  }
  coppice_rows with(const void* value) const {
    coppice_rows out = view_;
    out.value = value;
    return out;
  }
  std::vector<uint32_t> start_;
  std::vector<uint8_t> delta_;
  Aligned<int8_t> integers_;
  Aligned<float> floats_;
  coppice_rows view_{};
};

// coppice_apply_f32, its values times `scale`, or with integers in their place.
class EncodedBlocks {
 public:
  EncodedBlocks(const PlaneWeights& w, int part_block_rows, int c, bool dense, float scale) {
    std::vector<int8_t> integers;
    start_.push_back(0);
    for (int row = 0; row < w.rows; row += 16) {
      for (int col = 0; col < w.cols; col += c) {
        if (!dense && !w.lives(row, 16, col, c)) continue;
        column_.push_back(static_cast<uint16_t>(col / c));
        for (int k = 0; k < c; ++k)
          for (int r = row; r < row + 16; ++r)
            integers.push_back(static_cast<int8_t>(r < w.rows ? w.at(r, col + k) : 0));
      }
      start_.push_back(static_cast<int32_t>(column_.size()));
    }
    std::vector<float> floats;
    for (const int8_t v : integers) floats.push_back(static_cast<float>(v) * scale);
    integers_.assign(integers);
    floats_.assign(floats);
    scale_.assign(static_cast<size_t>(w.rows), scale);
    view_ = {w.rows,
             w.cols,
             c,
             (w.rows + 15) / 16,
             part_block_rows,
             start_.data(),
             dense ? nullptr : column_.data(),
             nullptr,
             nullptr,
             nullptr};
  }
  coppice_apply_f32 floats() const {
    coppice_apply_f32 out = view_;
    out.value = floats_.data();
    return out;
  }
  coppice_apply_f32 integers() const {
    coppice_apply_f32 out = view_;
    out.value_i8 = integers_.data();
    out.scale = scale_.data();
    return out;
  }

 private:
  std::vector<int32_t> start_;
  std::vector<uint16_t> column_;
  Aligned<int8_t> integers_;
  Aligned<float> floats_;
  std::vector<float> scale_;
  coppice_apply_f32 view_{};
};

// coppice_apply_i8. bias: [padded rows].
class EncodedGroups {
 public:
  EncodedGroups(const PlaneWeights& w, int part_block_rows, int c, bool dense, const int32_t* bias) {
    std::vector<int8_t> value;
    start_.push_back(0);
    int32_t groups = 0;
    for (int row = 0; row < w.rows; row += 16) {
      std::vector<int> columns;
      for (int col = 0; col < w.cols; col += c)
        for (int k = 0; k < c && (dense || w.lives(row, 16, col, c)); ++k) columns.push_back(col + k);
      while (columns.size() % 4 != 0) columns.push_back(-1);
      for (size_t g = 0; g < columns.size(); g += 4, ++groups) {
        if (c == 4) column_.push_back(static_cast<uint16_t>(columns[g] / 4));
        for (size_t k = g; c == 1 && k < g + 4; ++k)
          column_.push_back(static_cast<uint16_t>(columns[k] < 0 ? 0 : columns[k]));
        for (int r = row; r < row + 16; ++r)
          for (size_t k = g; k < g + 4; ++k)
            value.push_back(static_cast<int8_t>(
                r < w.rows && columns[k] >= 0 && columns[k] < w.cols ? w.at(r, columns[k]) : 0));
      }
      start_.push_back(groups);
      for (int r = row; r < row + 16; ++r) {
        int32_t sum = 0;
        for (int col = 0; r < w.rows && col < w.cols; ++col) sum += w.at(r, col);
        row_sum_.push_back(sum);
      }
    }
    value_.assign(value);
    view_ = {w.rows,
             w.cols,
             c,
             (w.rows + 15) / 16,
             part_block_rows,
             start_.data(),
             dense ? nullptr : column_.data(),
             value_.data(),
             row_sum_.data(),
             bias};
  }
  const coppice_apply_i8& view() const { return view_; }

 private:
  std::vector<int32_t> start_, row_sum_;
  std::vector<uint16_t> column_;
  Aligned<int8_t> value_;
  coppice_apply_i8 view_{};
};

// Of every column, where its pixel lies for the first output.
inline std::vector<int32_t> plane_offsets(const PlaneConv& p, const coppice_plane& x) {
  std::vector<int32_t> out;
  const auto pitch = static_cast<int32_t>(coppice_plane_pitch(&x));
  const auto area = static_cast<int32_t>(coppice_plane_area(&x));
  for (int c = 0; c < p.channels / p.groups; ++c)
    for (int i = 0; i < p.kernel; ++i)
      for (int j = 0; j < p.kernel; ++j)
        out.push_back(c * area + (p.x_halo - p.padding + i) * pitch + p.x_halo - p.padding + j);
  return out;
}

}  // namespace coppice
