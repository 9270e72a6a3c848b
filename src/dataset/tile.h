// SPDX-License-Identifier: Apache-2.0
// From samples as bytes, one after the other, to the tiles that kernels read: features in rows, samples
// innermost.
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace coppice {

// Samples that are transposed together: a row of 16 floats is one cache line.
constexpr int kColumnGroup = 16;

// value = byte * scale + shift, for `plane` consecutive features.
struct ByteScale {
  float scale, shift;
};

// Writes out[f * width + c] for every feature f and c < columns: sample c where c < valid, else 0.
// samples [valid] point at [channels * plane] bytes each; 0 <= valid <= columns <= 16; out [channels *
// plane][width].
void fill_columns(const std::array<const uint8_t*, kColumnGroup>& samples, int valid, int columns,
                  std::span<const ByteScale> channels, int plane, float* out, int64_t width);

// value = (number - mean) * scale: a mean that is large beside the deviation costs no digits.
struct NumberScale {
  float mean, scale;
};

// The same of samples that are floats.
void fill_columns(const std::array<const float*, kColumnGroup>& samples, int valid, int columns,
                  std::span<const NumberScale> channels, int plane, float* out, int64_t width);

}  // namespace coppice
