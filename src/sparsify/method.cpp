// SPDX-License-Identifier: Apache-2.0
#include "sparsify/method.h"

#include <algorithm>
#include <cmath>

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

void random_scores(const LayerState& layer, const char* purpose, uint64_t row, std::span<float> scores) {
  const uint64_t number = (static_cast<uint64_t>(layer.step) << 32) | row;
  Rng rng(layer.seed, stream_id(purpose + (" " + layer.param.name()), number));
  for (float& score : scores) score = rng.uniform();
}

}  // namespace coppice
