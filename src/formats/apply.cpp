// SPDX-License-Identifier: Apache-2.0
#include "formats/apply.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>

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

QuantisedRows quantise_rows(const Pattern& pattern, std::span<const float> values,
                            std::span<const float> bias, float x_scale) {
  QuantisedRows out;
  out.scale.assign(static_cast<size_t>(pattern.rows()), 0.0f);
  each_weight(pattern, values, [&](int64_t row, int64_t, float value) {
    float& most = out.scale[static_cast<size_t>(row)];
    most = std::max(most, std::abs(value));
  });
  // Denormal numbers are slow, or zero, on some machines, and their reciprocals infinite.
  constexpr float kLeast = std::numeric_limits<float>::min();
  for (float& scale : out.scale) scale = scale > 0 ? std::max(scale / 127.0f, kLeast) : 1.0f;
  constexpr double kLargestBias = 1 << 29;  // leaves room for the products
  for (size_t row = 0; row < bias.size(); ++row)
    out.scale[row] = std::max(
        out.scale[row], static_cast<float>(std::abs(double{bias[row]}) / (double{x_scale} * kLargestBias)));
  out.value.reserve(values.size());
  each_weight(pattern, values, [&](int64_t row, int64_t, float value) {
    const float steps = std::nearbyint(value / out.scale[static_cast<size_t>(row)]);
    out.value.push_back(static_cast<int8_t>(std::clamp(steps, -127.0f, 127.0f)));
  });
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
