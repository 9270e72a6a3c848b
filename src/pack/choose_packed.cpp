// SPDX-License-Identifier: Apache-2.0
#include "pack/choose_packed.h"

#include <algorithm>
#include <cstdio>

#include "base/text.h"
#include "coppice_apply.h"

namespace coppice {
namespace {

constexpr PackedFormat kFormats[] = {PackedFormat::kDeltas, PackedFormat::kBlocks16x1,
                                     PackedFormat::kBlocks16x4, PackedFormat::kDense};
constexpr const char* kNames[] = {"deltas", "blocks16x1", "blocks16x4", "dense"};
constexpr const char* kArithmetics[] = {"float", "weights8", "int8"};
constexpr int64_t kRows = COPPICE_APPLY_ROWS;
constexpr double kZerosHandicap = 1.1;

BlockShape block_of(PackedFormat format) {
  if (format == PackedFormat::kBlocks16x1) return {kRows, 1};
  if (format == PackedFormat::kBlocks16x4) return {kRows, 4};
  return {};
}

// Which blocks have a weight: [block rows][block columns], row by row.
std::vector<bool> live_blocks(const Pattern& pattern, BlockShape block) {
  const int64_t across = pattern.cols() / block.cols;
  std::vector<bool> live(static_cast<size_t>(pattern.rows() / block.rows * across), false);
  for (const size_t place : live_places(pattern)) {
    const int64_t row = static_cast<int64_t>(place) / pattern.cols(),
                  column = static_cast<int64_t>(place) % pattern.cols();
    live[static_cast<size_t>(row / block.rows * across + column / block.cols)] = true;
  }
  return live;
}

// Weights, zeros included.
int64_t held(const Pattern& pattern, PackedFormat format) {
  if (format == PackedFormat::kDeltas) return pattern.live();
  if (format == PackedFormat::kDense) return (pattern.rows() + kRows - 1) / kRows * kRows * pattern.cols();
  const BlockShape block = block_of(format);
  if (pattern.block() == block) return pattern.live();
  const std::vector<bool> live = live_blocks(pattern, block);
  return std::count(live.begin(), live.end(), true) * block.size();
}

bool can_hold(const PackedLayer& layer, PackedFormat format) {
  const Pattern& pattern = layer.pattern;
  if (format == PackedFormat::kDeltas) return true;
  if (!layer.no_blocks.empty()) return false;
  if (format == PackedFormat::kDense) return true;
  const BlockShape block = block_of(format);
  // Where every block has a weight the full pattern holds the same, and needs no index.
  return !pattern.is_full() && pattern.rows() % block.rows == 0 && pattern.cols() % block.cols == 0 &&
         held(pattern, format) < pattern.total();
}

struct Costed {
  PackedFormat format;
  double ns;
  bool zeros;
};

std::string time_text(double ns) {
  char text[48];
  std::snprintf(text, sizeof text, "%.3g", ns / 1000);
  return text;
}

}  // namespace

const char* packed_format_name(PackedFormat format) { return kNames[static_cast<size_t>(format)]; }

std::string PackedRate::name() const {
  return std::string("packed_") + (conv ? "conv_" : "linear_") + packed_format_name(format) + "_" +
         arithmetic;
}

std::vector<PackedRate> packed_rates() {
  std::vector<PackedRate> rates;
  for (const bool conv : {false, true})
    for (const PackedFormat format : kFormats)
      for (const char* arithmetic : kArithmetics) rates.push_back({conv, format, arithmetic});
  return rates;
}

bool has_packed_rates(const CostTable& table) {
  const std::vector<PackedRate> rates = packed_rates();
  return std::all_of(rates.begin(), rates.end(),
                     [&](const PackedRate& rate) { return table.rate(rate.name(), 1.0) > 0; });
}

std::vector<PackedFormat> packed_formats_for(const PackedLayer& layer) {
  std::vector<PackedFormat> formats;
  for (const PackedFormat format : kFormats)
    if (can_hold(layer, format)) formats.push_back(format);
  return formats;
}

PackedChoice choose_packed(const PackedLayer& layer, const CostTable& table) {
  if (!layer.no_blocks.empty()) return {PackedFormat::kDeltas, layer.no_blocks};
  if (layer.pattern.is_full()) return {PackedFormat::kDense, "all weights are there"};
  std::vector<Costed> costed;
  for (const PackedFormat format : packed_formats_for(layer)) {
    const int64_t weights = held(layer.pattern, format);
    const double density = static_cast<double>(weights) / static_cast<double>(layer.pattern.total());
    const double rate =
        table.rate(PackedRate{layer.conv, format, layer.arithmetic}.name(), std::min(density, 1.0));
    if (rate <= 0) continue;
    const double ns = 2.0 * static_cast<double>(weights) * static_cast<double>(layer.pixels) / rate;
    costed.push_back({format, ns, weights != layer.pattern.live()});
  }
  if (costed.empty()) return {PackedFormat::kDeltas, "the cost table has no rate for its formats"};
  const auto handicapped = [](const Costed& c) { return c.ns * (c.zeros ? kZerosHandicap : 1.0); };
  const auto best = std::min_element(costed.begin(), costed.end(), [&](const Costed& a, const Costed& b) {
    return handicapped(a) < handicapped(b);
  });
  std::string others;
  for (const Costed& other : costed)
    if (other.format != best->format)
      append_item(others, std::string(packed_format_name(other.format)) + " " + time_text(other.ns), ", ");
  return {best->format, "predicted " + time_text(best->ns) + " us" + (others.empty() ? "" : "; " + others)};
}

FilledWeights filled(const Pattern& pattern, std::span<const float> values, PackedFormat format) {
  const BlockShape block = block_of(format);
  const bool dense = format == PackedFormat::kDense;
  if (!dense && (format == PackedFormat::kDeltas || pattern.block() == block))
    return {Pattern::of_canonical(pattern.rows(), pattern.cols(), pattern.block(),
                                  {pattern.indptr().begin(), pattern.indptr().end()},
                                  {pattern.indices().begin(), pattern.indices().end()}),
            {values.begin(), values.end()}};
  const std::vector<size_t> places = live_places(pattern);
  if (dense) {
    FilledWeights out{Pattern::full(pattern.rows(), pattern.cols()), {}};
    out.values.assign(static_cast<size_t>(pattern.total()), 0.0f);
    for (size_t k = 0; k < places.size(); ++k) out.values[places[k]] = values[k];
    return out;
  }
  const std::vector<bool> live = live_blocks(pattern, block);
  const int64_t across = pattern.cols() / block.cols, down = pattern.rows() / block.rows;
  std::vector<int32_t> indptr{0}, indices, number(live.size(), 0);
  for (int64_t row = 0; row < down; ++row) {
    for (int64_t column = 0; column < across; ++column) {
      const auto at = static_cast<size_t>(row * across + column);
      if (!live[at]) continue;
      number[at] = static_cast<int32_t>(indices.size());
      indices.push_back(static_cast<int32_t>(column));
    }
    indptr.push_back(static_cast<int32_t>(indices.size()));
  }
  std::vector<float> blocked(indices.size() * static_cast<size_t>(block.size()), 0.0f);
  for (size_t k = 0; k < places.size(); ++k) {
    const int64_t row = static_cast<int64_t>(places[k]) / pattern.cols(),
                  column = static_cast<int64_t>(places[k]) % pattern.cols();
    const int64_t of = number[static_cast<size_t>(row / block.rows * across + column / block.cols)];
    blocked[static_cast<size_t>((of * block.rows + row % block.rows) * block.cols + column % block.cols)] =
        values[k];
  }
  return {Pattern::of_canonical(pattern.rows(), pattern.cols(), block, std::move(indptr), std::move(indices)),
          std::move(blocked)};
}

}  // namespace coppice
