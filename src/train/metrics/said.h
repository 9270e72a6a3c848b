// SPDX-License-Identifier: Apache-2.0
// What a network decides for, from the outputs of one sample: the only place where that is defined. An output
// that is NaN is never right, and stands before every other.
#pragma once

#include <cstdint>
#include <span>

namespace coppice {

// The outputs of one sample, or what they should be: [width], `stride` apart.
struct OutputRow {
  const float* base = nullptr;
  int64_t width = 0, stride = 1;

  OutputRow(const float* first, int64_t outputs, int64_t apart)
      : base(first), width(outputs), stride(apart) {}
  OutputRow(std::span<const float> row) : base(row.data()), width(static_cast<int64_t>(row.size())) {}
  float operator[](int64_t k) const { return base[k * stride]; }
};

// How many outputs stand before that of `label`: larger ones, equal ones of classes before it, so that a
// network that says the same about everything is not right about everything, and NaN. Of a class whose own
// output is NaN all: width. The class is right where this is 0, among five where it is below 5.
int64_t rank_of(const OutputRow& said, int64_t label);

// Of fewer classes every one is among five.
inline constexpr int64_t kLeastForTop5 = 6;

// The class with the largest output, of equal ones the first; kNoClass where an output is NaN. It is `label`
// exactly where rank_of(said, label) is 0.
inline constexpr int32_t kNoClass = -1;
int32_t said_class(const OutputRow& said);

// Whether a label is said, by an output above 0, where it is there, and not where it is not.
bool label_is_right(float said, float truth);
// How many labels of a sample are right.
int64_t right_labels(const OutputRow& said, const OutputRow& truth);

}  // namespace coppice
