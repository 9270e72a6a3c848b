// SPDX-License-Identifier: Apache-2.0
#include "formats/apply.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>
#include <numeric>

namespace coppice {
namespace {

constexpr int64_t kRows = COPPICE_APPLY_ROWS;
constexpr int64_t kGroup = 4;  // columns whose integers lie together

int32_t block_rows_of(const Pattern& pattern) {
  return static_cast<int32_t>((pattern.rows() + kRows - 1) / kRows);
}

int32_t parts_of(int32_t block_rows, int32_t part_block_rows) {
  return (block_rows + part_block_rows - 1) / part_block_rows;
}

// Visits all weights: visit(row, column, value).
template <class Value, class Visit>
void each_weight(const Pattern& pattern, std::span<const Value> values, Visit&& visit) {
  const std::vector<size_t> places = live_places(pattern);
  for (size_t k = 0; k < places.size(); ++k) {
    const auto place = static_cast<int64_t>(places[k]);
    visit(place / pattern.cols(), place % pattern.cols(), values[k]);
  }
}

}  // namespace

std::string refuses_apply(const Pattern& pattern) {
  if (!pattern.is_full() && pattern.block().rows != kRows)
    return "block " + pattern.block().text() + " has fewer than 16 rows";
  if (pattern.cols() > COPPICE_APPLY_I8_COLS)
    return std::to_string(pattern.cols()) + " columns are more than 65536";
  return {};
}

ApplyF32::ApplyF32(const Pattern& pattern, std::span<const float> values, int32_t part_block_rows) {
  assert(refuses_apply(pattern).empty() && part_block_rows > 0);
  const bool full = pattern.is_full();
  const int64_t c = full ? 1 : pattern.block().cols;
  const int32_t block_rows = block_rows_of(pattern);
  if (full) {
    for (int32_t row = 0; row <= block_rows; ++row)
      start_.push_back(row * static_cast<int32_t>(pattern.cols()));
  } else {
    start_.assign(pattern.indptr().begin(), pattern.indptr().end());
    column_.assign(pattern.indices().begin(), pattern.indices().end());
  }
  value_ = Floats(static_cast<size_t>(start_.back() * c * kRows));
  if (full) {
    each_weight(pattern, values, [&](int64_t row, int64_t column, float value) {
      const int64_t at = start_[static_cast<size_t>(row / kRows)] + column;
      value_[static_cast<size_t>(at * kRows + row % kRows)] = value;
    });
  } else {
    for (int64_t block = 0; block < pattern.blocks(); ++block)
      for (int64_t r = 0; r < kRows; ++r)
        for (int64_t k = 0; k < c; ++k)
          value_[static_cast<size_t>((block * c + k) * kRows + r)] =
              values[static_cast<size_t>((block * kRows + r) * c + k)];
  }
  view_ = {static_cast<int32_t>(pattern.rows()),
           static_cast<int32_t>(pattern.cols()),
           static_cast<int32_t>(c),
           block_rows,
           part_block_rows,
           start_.data(),
           full ? nullptr : column_.data(),
           value_.data(),
           nullptr,
           nullptr};
}

int32_t ApplyF32::parts() const { return parts_of(view_.block_rows, view_.part_block_rows); }

int64_t ApplyF32::bytes() const {
  return static_cast<int64_t>(start_.size() * sizeof(int32_t) + column_.size() * sizeof(uint16_t) +
                              value_.size() * sizeof(float));
}

namespace {

constexpr double kLargestBias = 1 << 29;  // leaves room for the products
constexpr float kLeast = std::numeric_limits<float>::min();

// Whether the bias is an integer in these units, as closely as floats say it.
bool is_integer(float bias, double unit) {
  return std::abs(bias - std::nearbyint(bias / unit) * unit) <= std::abs(bias) * 0x1p-22;
}

// Whether each weight is an integer of a byte times the scale, to the bit.
bool lies_on(std::span<const float> row, float scale) {
  return std::all_of(row.begin(), row.end(), [scale](float value) {
    const float steps = std::nearbyint(value / scale);
    return steps >= -128 && steps <= 127 && scale * steps == value;
  });
}

// The scale of a row whose weights were integers before: the largest of which the bias is made as well. Where
// that is of none, the smallest one, in which it is rounded least. 0 where the weights were no integers.
float scale_of_integers(std::span<const float> row, float bias, double x_scale) {
  float most = 0;
  for (const float value : row) most = std::max(most, std::abs(value));
  float found = 0;
  for (int steps = 1; steps <= 128 && most > 0; ++steps) {
    // The quotient may be one place beside the number that the product was made of.
    const float scale = most / static_cast<float>(steps);
    for (const float near : {scale, std::nextafter(scale, 0.0f), std::nextafter(scale, most)}) {
      const double unit = x_scale * double{near};
      if (!std::isnormal(near) || !lies_on(row, near) || std::abs(bias) > unit * kLargestBias) continue;
      if (is_integer(bias, unit)) return near;
      found = near;
      break;
    }
  }
  return found;
}

// The weights of each row, one row after the other.
struct ByRow {
  std::vector<size_t> start;
  std::vector<float> values;
  std::span<const float> row(size_t r) const {
    return std::span(values).subspan(start[r], start[r + 1] - start[r]);
  }
};
ByRow by_row(const Pattern& pattern, std::span<const size_t> places, std::span<const float> values) {
  const auto row_of = [cols = static_cast<size_t>(pattern.cols())](size_t place) { return place / cols; };
  ByRow out;
  out.start.assign(static_cast<size_t>(pattern.rows()) + 1, 0);
  for (const size_t place : places) ++out.start[row_of(place) + 1];
  std::partial_sum(out.start.begin(), out.start.end(), out.start.begin());
  std::vector<size_t> next(out.start.begin(), out.start.end() - 1);
  out.values.resize(values.size());
  for (size_t k = 0; k < places.size(); ++k) out.values[next[row_of(places[k])]++] = values[k];
  return out;
}

float scale_of_row(std::span<const float> row, float bias, double x_scale) {
  if (const float scale = scale_of_integers(row, bias, x_scale); scale > 0) return scale;
  float most = 0;
  for (const float value : row) most = std::max(most, std::abs(value));
  const double for_bias = std::abs(double{bias}) / x_scale;
  if (most > 0) return std::max(scale_of_largest(most), static_cast<float>(for_bias / kLargestBias));
  // Only the bias is left, which gets the steps of a float.
  return bias != 0 ? static_cast<float>(std::max(for_bias * 0x1p-24, double{kLeast})) : 1.0f;
}

}  // namespace

float scale_of_largest(float most) { return most > 0 ? std::max(most / 127.0f, kLeast) : 1.0f; }

QuantisedRows quantise_rows(const Pattern& pattern, std::span<const float> values,
                            std::span<const float> bias, float x_scale) {
  QuantisedRows out;
  const std::vector<size_t> places = live_places(pattern);
  const ByRow rows = by_row(pattern, places, values);
  for (size_t row = 0; row < static_cast<size_t>(pattern.rows()); ++row)
    out.scale.push_back(scale_of_row(rows.row(row), bias.empty() ? 0.0f : bias[row], double{x_scale}));
  out.value.reserve(values.size());
  for (size_t k = 0; k < places.size(); ++k) {
    const float steps =
        std::nearbyint(values[k] / out.scale[places[k] / static_cast<size_t>(pattern.cols())]);
    // -128 only where that is what the weight was.
    out.value.push_back(static_cast<int8_t>(std::clamp(steps, -128.0f, 127.0f)));
  }
  return out;
}

Requantisation requantisation_of(double factor) {
  assert(factor >= 0x1p-31 && factor <= 0x1p29);
  int exponent = 0;
  const double fraction = std::frexp(factor, &exponent);  // in [0.5, 1)
  auto multiplier = static_cast<int64_t>(std::nearbyint(fraction * 0x1p31));
  if (multiplier == int64_t{1} << 31) {
    multiplier /= 2;
    ++exponent;
  }
  return {static_cast<int32_t>(multiplier), 31 - exponent};
}

ApplyI8::ApplyI8(const Pattern& pattern, std::span<const int8_t> values, std::span<const int32_t> bias,
                 int32_t zero_point, int32_t part_block_rows) {
  assert(refuses_apply(pattern).empty() && part_block_rows > 0);
  const bool full = pattern.is_full(), single = !full && pattern.block().cols == 1;
  const int32_t block_rows = block_rows_of(pattern);
  const auto padded = static_cast<size_t>(block_rows * kRows);
  start_.push_back(0);
  for (int32_t row = 0; row < block_rows; ++row) {
    const int64_t columns = full ? pattern.cols() : std::ssize(pattern.row(row)) * pattern.block().cols;
    start_.push_back(start_.back() + static_cast<int32_t>((columns + kGroup - 1) / kGroup));
  }
  const auto groups = static_cast<size_t>(start_.back());
  if (single) column_.assign(groups * kGroup, 0);
  value_ = Bytes(groups * kRows * kGroup);
  auto* const out = static_cast<int8_t*>(value_.data());
  row_sum_.assign(padded, 0);
  // Where the next column of a block row goes, counted in columns from the first group.
  const auto put = [&](int64_t block_row, int64_t place, int64_t r, int8_t value) {
    const int64_t group = start_[static_cast<size_t>(block_row)] + place / kGroup;
    out[(group * kRows + r) * kGroup + place % kGroup] = value;
    row_sum_[static_cast<size_t>(block_row * kRows + r)] += value;
  };
  if (full) {
    each_weight(pattern, values, [&](int64_t row, int64_t column, int8_t value) {
      put(row / kRows, column, row % kRows, value);
    });
  } else {
    const int64_t c = pattern.block().cols;
    size_t k = 0;
    for (int64_t row = 0; row < block_rows; ++row) {
      int64_t place = 0;
      for (const int32_t column : pattern.row(row)) {
        if (single)
          column_[static_cast<size_t>(start_[static_cast<size_t>(row)] * kGroup + place)] =
              static_cast<uint16_t>(column);
        else
          column_.push_back(static_cast<uint16_t>(column));
        for (int64_t r = 0; r < kRows; ++r)
          for (int64_t i = 0; i < c; ++i) put(row, place + i, r, values[k++]);
        place += c;
      }
    }
  }
  bias_.assign(padded, 0);
  for (size_t row = 0; row < bias.size(); ++row) bias_[row] = bias[row] - zero_point * row_sum_[row];
  view_ = {static_cast<int32_t>(pattern.rows()),
           static_cast<int32_t>(pattern.cols()),
           single ? 1 : 4,
           block_rows,
           part_block_rows,
           start_.data(),
           full ? nullptr : column_.data(),
           out,
           row_sum_.data(),
           bias_.data()};
}

int32_t ApplyI8::parts() const { return parts_of(view_.block_rows, view_.part_block_rows); }

int64_t ApplyI8::bytes() const {
  return static_cast<int64_t>((start_.size() + row_sum_.size() + bias_.size()) * sizeof(int32_t) +
                              column_.size() * sizeof(uint16_t) + value_.size());
}

}  // namespace coppice
