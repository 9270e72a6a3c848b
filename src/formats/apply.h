// SPDX-License-Identifier: Apache-2.0
// The weights of a linear layer as the kernels of one sample read them (rt/include/coppice_apply.h): blocks
// of 16x1 or 16x4, or the full pattern, in floats or in 8-bit integers.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "coppice_apply.h"
#include "sparse/pattern.h"

namespace coppice {

// Why neither takes the pattern, or empty.
std::string refuses_apply(const Pattern& pattern);

// Owns what its view points at. The pattern must not be refused; values in canonical order.
class ApplyF32 {
 public:
  ApplyF32(const Pattern& pattern, std::span<const float> values, int32_t part_block_rows);
  const coppice_apply_f32& view() const { return view_; }
  int32_t parts() const;
  int64_t bytes() const;  // of weights and index

 private:
  std::vector<int32_t> start_;
  std::vector<uint16_t> column_;
  Floats value_;
  coppice_apply_f32 view_{};
};

// The scale of a row whose largest magnitude becomes 127: never denormal, as such numbers are slow, or zero,
// on some machines, and their reciprocals infinite; 1 for 0.
float scale_of_largest(float most);

// Weights of a row as integers: value = integer * scale[row].
struct QuantisedRows {
  std::vector<int8_t> value;  // canonical
  std::vector<float> scale;   // [rows]; never denormal, 1 where all weights and the bias are 0
};
// A row whose weights are integers in [-128, 127] times one number, to the bit, gets that number as its
// scale, so that a network that came in 8 bits keeps its integers: the largest such number, or, where there
// is a bias, the largest that makes the bias an integer too. Of other rows the largest magnitude becomes 127,
// or less where it is so small that its scale would be denormal; halves are rounded to even. Values are
// finite. bias: of each row, or none. It is to become an integer in units of (scale of x) * (scale of the
// row): a row in which that would not fit gets larger steps.
QuantisedRows quantise_rows(const Pattern& pattern, std::span<const float> values,
                            std::span<const float> bias = {}, float x_scale = 1.0f);

// factor = multiplier * 2^-shift, within 2^-31 of itself; for a factor in [2^-31, 2^29].
struct Requantisation {
  int32_t multiplier, shift;
};
Requantisation requantisation_of(double factor);

class ApplyI8 {
 public:
  // bias in units of (scale of x) * (scale of the row); the zero point is that of x. At most
  // COPPICE_APPLY_I8_COLS columns.
  ApplyI8(const Pattern& pattern, std::span<const int8_t> values, std::span<const int32_t> bias,
          int32_t zero_point, int32_t part_block_rows);
  const coppice_apply_i8& view() const { return view_; }
  int32_t parts() const;
  int64_t bytes() const;

 private:
  std::vector<int32_t> start_, row_sum_, bias_;
  std::vector<uint16_t> column_;
  Bytes value_;
  coppice_apply_i8 view_{};
};

}  // namespace coppice
