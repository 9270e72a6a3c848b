// SPDX-License-Identifier: Apache-2.0
#include "pack/encode.h"

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "formats/apply.h"
#include "pack/choose_packed.h"

namespace coppice {
namespace {

constexpr int64_t kRows = COPPICE_APPLY_ROWS;
constexpr int64_t kLargestDelta = 255;
constexpr int64_t kLargestProduct = 128 * 128;  // of integers, as readers count

// Why a format of 16 rows cannot hold the layer, or empty.
std::string refuses_blocks(const LayerWeights& layer) {
  if (layer.pattern.cols() > COPPICE_APPLY_I8_COLS)
    return std::to_string(layer.pattern.cols()) + " columns are more than 65536";
  if (layer.group_rows != layer.pattern.rows() && layer.group_rows % kRows != 0)
    return "groups of " + std::to_string(layer.group_rows) + " outputs are not of 16";
  return {};
}

PackedLayer packed_layer_of(const LayerWeights& layer) {
  return {layer.pattern, layer.conv,
          layer.x          ? "int8"
          : layer.integers ? "weights8"
                           : "float",
          layer.pixels, refuses_blocks(layer)};
}

uint8_t weights_of(const LayerWeights& layer, PackedFormat format) {
  switch (format) {
    case PackedFormat::kBlocks16x1:
      return COPPICE_CPK_BLOCKS1;
    case PackedFormat::kBlocks16x4:
      return COPPICE_CPK_BLOCKS4;
    case PackedFormat::kDense:
      return layer.x ? COPPICE_CPK_BLOCKS4 : COPPICE_CPK_BLOCKS1;
    default:
      return COPPICE_CPK_ROWS;
  }
}

// ---- numbers

// Integers and scales of rows, so that a row's bias fits its sums.
struct Rounded {
  QuantisedRows rows;
  std::vector<int32_t> bias;        // zero point of x taken off
  std::vector<int32_t> multiplier;  // of rows whose sums become integers
  std::vector<uint8_t> shift;
};

float bias_of(const LayerWeights& layer, size_t row) { return layer.bias.empty() ? 0.0f : layer.bias[row]; }

Result<Rounded> rounded(const LayerWeights& layer) {
  Rounded out;
  if (!layer.x) {
    out.rows = quantise_rows(layer.pattern, layer.values);
    return out;
  }
  out.rows = quantise_rows(layer.pattern, layer.values, layer.bias, layer.x->scale);
  std::vector<float>& scale = out.rows.scale;
  std::vector<int64_t> sum(scale.size(), 0), live(scale.size(), 0);
  const std::vector<size_t> places = live_places(layer.pattern);
  for (size_t k = 0; k < places.size(); ++k) {
    const size_t row = places[k] / static_cast<size_t>(layer.pattern.cols());
    sum[row] += out.rows.value[k];
    ++live[row];
  }
  for (size_t row = 0; row < scale.size(); ++row) {
    const double unit = static_cast<double>(layer.x->scale) * scale[row];
    const double bias =
        std::nearbyint(bias_of(layer, row) / unit) - static_cast<double>(sum[row] * layer.x->zero_point);
    if (std::abs(bias) + static_cast<double>(kLargestProduct * live[row]) > INT32_MAX)
      return unsupported("row " + std::to_string(row) + " has " + std::to_string(live[row]) +
                         " weights, whose sum might not fit 32 bits; pack it with weights alone in 8 bits");
    out.bias.push_back(static_cast<int32_t>(bias));
    if (!layer.y) {
      scale[row] = static_cast<float>(unit);
      continue;
    }
    // A factor below this says nothing: sums have 31 bits.
    const double factor = unit / layer.y->scale;
    const Requantisation r =
        factor < 0x1p-31 ? Requantisation{0, 1} : requantisation_of(std::min(factor, 0x1p29));
    out.multiplier.push_back(r.multiplier);
    out.shift.push_back(static_cast<uint8_t>(r.shift));
  }
  return out;
}

// ---- arrays

// What all formats write behind the weights, in the order that the reader expects.
template <class Start, class Index>
void append_rest(const LayerWeights& layer, const Rounded& rounded, std::span<const Start> start,
                 std::span<const Index> index, DataSection& data) {
  data.append(start);
  if (layer.x)
    data.append(rounded.bias);
  else if (!layer.bias.empty())
    data.append(layer.bias);
  if (layer.integers && !layer.y) data.append(rounded.rows.scale);
  if (layer.y) data.append(rounded.multiplier);
  data.append(index);
  if (layer.y) data.append(rounded.shift);
}

template <class T>
void encode_rows(const LayerWeights& layer, std::span<const T> values, const Rounded& rounded,
                 EncodedLayer& out, DataSection& data) {
  const TransposedPattern single = unblocked(layer.pattern);
  const bool full = layer.pattern.is_full();
  std::vector<T> value;
  std::vector<uint32_t> start{0};
  std::vector<uint8_t> delta;
  size_t k = 0;
  for (int64_t row = 0; row < single.pattern.rows(); ++row) {
    int64_t at = 0;
    for (const int32_t column : single.pattern.row(row)) {
      for (; !full && column - at > kLargestDelta; at += kLargestDelta) {
        delta.push_back(kLargestDelta);
        value.push_back(T{0});
      }
      if (!full) delta.push_back(static_cast<uint8_t>(column - at));
      at = column;
      value.push_back(values[static_cast<size_t>(single.source[k++])]);
    }
    start.push_back(static_cast<uint32_t>(value.size()));
  }
  out.data = data.align(sizeof(uint32_t));
  out.entries = start.back();
  data.append(value);
  append_rest<uint32_t, uint8_t>(layer, rounded, start, delta, data);
}

// `value`: as the view has them, of the type that is written.
template <class T>
void encode_blocks_f32(const LayerWeights& layer, const ApplyF32& blocks, std::span<const T> value,
                       const Rounded& rounded, EncodedLayer& out, DataSection& data) {
  const coppice_apply_f32& view = blocks.view();
  out.data = data.align(COPPICE_CPK_ALIGNMENT);
  out.entries = static_cast<uint32_t>(view.start[view.block_rows]);
  data.append(value);
  append_rest<int32_t, uint16_t>(layer, rounded, {view.start, static_cast<size_t>(view.block_rows) + 1},
                                 {view.column, view.column ? out.entries : 0}, data);
}

void encode_blocks(const LayerWeights& layer, const Rounded& rounded, EncodedLayer& out, DataSection& data) {
  if (layer.x) {
    const ApplyI8 blocks(layer.pattern, rounded.rows.value, {}, 0, 1);
    const coppice_apply_i8& view = blocks.view();
    const auto entries = static_cast<size_t>(view.start[view.block_rows]);
    out.data = data.align(COPPICE_CPK_ALIGNMENT);
    out.entries = static_cast<uint32_t>(entries);
    data.append(std::span(view.value, entries * 64));
    append_rest<int32_t, uint16_t>(layer, rounded, {view.start, static_cast<size_t>(view.block_rows) + 1},
                                   {view.column, view.column ? entries * (view.c == 1 ? 4 : 1) : 0}, data);
    return;
  }
  std::vector<float> numbers(layer.values.begin(), layer.values.end());
  if (layer.integers) numbers.assign(rounded.rows.value.begin(), rounded.rows.value.end());
  const ApplyF32 blocks(layer.pattern, numbers, 1);
  const coppice_apply_f32& view = blocks.view();
  const size_t count = static_cast<size_t>(view.start[view.block_rows]) * static_cast<size_t>(view.c * kRows);
  if (!layer.integers) {
    encode_blocks_f32<float>(layer, blocks, {view.value, count}, rounded, out, data);
    return;
  }
  std::vector<int8_t> value(count);
  std::transform(view.value, view.value + count, value.begin(),
                 [](float v) { return static_cast<int8_t>(v); });
  encode_blocks_f32<int8_t>(layer, blocks, value, rounded, out, data);
}

std::string format_name(uint8_t weights, bool dense) {
  if (weights == COPPICE_CPK_ROWS) return dense ? "rows" : "deltas";
  return dense ? "dense" : weights == COPPICE_CPK_BLOCKS1 ? "blocks 16x1" : "blocks 16x4";
}

// The arrays of a layer in a format that can hold it.
Result<EncodedLayer> encode_as(const LayerWeights& whole, PackedFormat format, DataSection& data) {
  const FilledWeights weights = filled(whole.pattern, whole.values, format);
  LayerWeights layer{.pattern = weights.pattern, .values = weights.values, .bias = whole.bias};
  layer.group_rows = whole.group_rows;
  layer.integers = whole.integers;
  layer.x = whole.x;
  layer.y = whole.y;
  const bool dense = layer.pattern.is_full();
  EncodedLayer out;
  out.weights = weights_of(layer, format);
  out.format = format_name(out.weights, dense);
  out.flags =
      static_cast<uint8_t>((dense ? COPPICE_CPK_DENSE : 0) | (layer.integers ? COPPICE_CPK_INTEGERS : 0) |
                           (layer.bias.empty() ? 0 : COPPICE_CPK_BIAS));
  Rounded numbers;
  if (layer.integers) {
    TRY_ASSIGN(numbers, rounded(layer));
  }
  const int64_t before = data.size();
  if (out.weights != COPPICE_CPK_ROWS)
    encode_blocks(layer, numbers, out, data);
  else if (layer.integers)
    encode_rows<int8_t>(layer, numbers.rows.value, numbers, out, data);
  else
    encode_rows<float>(layer, layer.values, numbers, out, data);
  out.bytes = data.size() - before;
  return out;
}

// By trying all.
Result<PackedChoice> smallest(const LayerWeights& layer) {
  std::vector<std::pair<int64_t, PackedFormat>> sizes;
  for (const PackedFormat format : packed_formats_for(packed_layer_of(layer))) {
    DataSection alone;
    TRY_ASSIGN(const EncodedLayer encoded, encode_as(layer, format, alone));
    sizes.emplace_back(encoded.bytes, format);
  }
  std::stable_sort(sizes.begin(), sizes.end());
  PackedChoice choice{sizes[0].second, "fewest bytes"};
  std::string others;
  for (size_t i = 1; i < sizes.size(); ++i)
    append_item(others,
                std::string(packed_format_name(sizes[i].second)) + " " + std::to_string(sizes[i].first),
                ", ");
  if (!others.empty()) choice.reason += "; " + others;
  return choice;
}

}  // namespace

Result<EncodedLayer> encode_layer(const LayerWeights& layer, PackGoal goal, const CostTable& rates,
                                  DataSection& data) {
  for (const std::span<const float> numbers : {layer.values, layer.bias})
    if (!std::all_of(numbers.begin(), numbers.end(), [](float x) { return std::isfinite(x); }))
      return invalid("has a weight or bias that is NaN or infinite");
  if (layer.x && layer.pattern.cols() > COPPICE_APPLY_I8_COLS)
    return unsupported(
        "has " + std::to_string(layer.pattern.cols()) +
        " inputs, more than sums of 8-bit integers take (65536); pack it with weights alone in 8 bits");
  PackedChoice choice;
  if (goal == PackGoal::kSize) {
    TRY_ASSIGN(choice, smallest(layer));
  } else {
    choice = choose_packed(packed_layer_of(layer), rates);
  }
  TRY_ASSIGN(EncodedLayer out, encode_as(layer, choice.format, data));
  out.reason = choice.reason;
  return out;
}

}  // namespace coppice
