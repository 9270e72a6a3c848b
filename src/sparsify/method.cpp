// SPDX-License-Identifier: Apache-2.0
#include "sparsify/method.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <unordered_set>

#include "base/rng.h"
#include "base/text.h"

namespace coppice {

const MethodDef* find_method(std::string_view name) {
  const std::span<const MethodDef> all = all_methods();
  const auto found =
      std::find_if(all.begin(), all.end(), [name](const MethodDef& m) { return name == m.name; });
  return found == all.end() ? nullptr : &*found;
}

std::string unknown_method(const std::string& name) {
  std::vector<std::string> known;
  for (const MethodDef& method : all_methods()) known.emplace_back(method.name);
  return "'" + name + "' is not a pruning method; did you mean '" + nearest(name, known) + "'?";
}

std::vector<float> block_magnitudes(const Pattern& pattern, std::span<const float> canonical) {
  const auto size = static_cast<size_t>(pattern.block().size());
  std::vector<float> means(static_cast<size_t>(pattern.blocks()));
  for (size_t b = 0; b < means.size(); ++b) {
    float sum = 0;
    for (const float x : canonical.subspan(b * size, size)) sum += std::abs(x);
    means[b] = sum / static_cast<float>(size);
  }
  return means;
}

std::vector<float> keep_by_magnitude(const LayerState& layer) {
  return block_magnitudes(layer.pattern, layer.value);
}

std::vector<float> keep_by_effect(const LayerState& layer) {
  std::vector<float> product(layer.value.begin(), layer.value.end());
  for (size_t i = 0; i < product.size(); ++i) product[i] *= layer.gradient[i];
  return block_magnitudes(layer.pattern, product);
}

void random_scores(const LayerState& layer, const char* purpose, std::span<float> scores) {
  Rng rng(layer.seed, stream_id(purpose + (" " + layer.param.name()), static_cast<uint64_t>(layer.step)));
  for (float& score : scores) score = rng.uniform();
}

std::vector<int64_t> block_positions(const Pattern& pattern) {
  std::vector<int64_t> positions;
  positions.reserve(static_cast<size_t>(pattern.blocks()));
  for (int64_t row = 0; row < pattern.block_rows(); ++row)
    for (const int32_t column : pattern.row(row)) positions.push_back(row * pattern.block_cols() + column);
  return positions;
}

std::vector<int64_t> grow_anywhere(const LayerState& left, int64_t blocks, std::span<const int64_t> taken) {
  const std::vector<int64_t> live = block_positions(left.pattern);
  std::vector<int64_t> none;  // where nothing may grow
  none.reserve(live.size() + taken.size());
  std::merge(live.begin(), live.end(), taken.begin(), taken.end(), std::back_inserter(none));
  const int64_t free =
      left.pattern.block_rows() * left.pattern.block_cols() - static_cast<int64_t>(none.size());
  // Floyd: each set of so many of the free positions is as likely as any other, with as many draws.
  Rng rng(left.seed, stream_id("grow " + left.param.name(), static_cast<uint64_t>(left.step)));
  std::unordered_set<int64_t> chosen;
  for (int64_t last = free - blocks; last < free; ++last)
    if (const auto any = static_cast<int64_t>(rng.below(static_cast<uint64_t>(last) + 1));
        !chosen.insert(any).second)
      chosen.insert(last);
  std::vector<int64_t> positions(chosen.begin(), chosen.end());
  std::sort(positions.begin(), positions.end());
  // The n-th free position lies behind n others and all below it that are not free.
  size_t below = 0;
  for (int64_t& position : positions) {
    while (below < none.size() && none[below] <= position + static_cast<int64_t>(below)) ++below;
    position += static_cast<int64_t>(below);
  }
  return positions;
}

}  // namespace coppice
