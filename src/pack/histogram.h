// SPDX-License-Identifier: Apache-2.0
// How often which numbers occur, in bounded memory and one pass, and the ranges that follow from it.
#pragma once

#include <array>
#include <cstdint>

#include "pack/quantisation.h"

namespace coppice {

// Contains 0, which integers have to represent exactly.
struct Range {
  float low = 0, high = 0;
  bool operator==(const Range&) const = default;
};

class Histogram {
 public:
  static constexpr int kBins = 2048;

  // Makes room for numbers from `low` to `high`, both finite: bins are made twice as wide until all fit.
  void include(float low, float high);

  // The numbers must lie in what was included. 0 is not counted: it costs nothing in any range.
  void add(const float* numbers, int64_t count);

  // All numbers.
  Range all() const;

  // Without as many of the largest numbers, and of the smallest, as are beyond the share of `percent`: at
  // most 1 of 10,000 at each end for 99.99. Up to a bin too many stay.
  Range percentile(double percent) const;

  // The range that 8-bit integers lose least in: of all ranges that end at the edges of bins, that of the
  // smallest expected squared error. Each number is off by a step / sqrt(12), one outside by its distance to
  // the range as well.
  Range least_squares() const;

 private:
  double width() const;               // of a bin
  int64_t index(float number) const;  // of its bin; bin i begins at i * width
  void merge(int doublings);
  void begin_at(int64_t first);
  int64_t counted() const;

  bool empty_ = true;
  float least_ = 0, most_ = 0;
  // The width is 2^exponent: so edges are exact, and a wider bin is two of the narrower ones.
  int exponent_ = -149;
  int64_t first_ = 0;  // index of the first bin
  std::array<int64_t, kBins> counts_{};
};

// 255 steps from the lower to the upper end, after 0 was included; 0 is an integer exactly. Where the range
// is 0 alone, the scale is 1; it is never denormal.
Quantisation quantisation_of(Range range);

}  // namespace coppice
