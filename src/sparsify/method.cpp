// SPDX-License-Identifier: Apache-2.0
#include "sparsify/method.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>

#include "base/rng.h"
#include "base/text.h"
#include "sparse/select.h"

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

std::vector<int64_t> draw_different(int64_t count, int64_t tries, const std::function<int64_t()>& draw) {
  std::vector<int64_t> numbers;
  numbers.reserve(static_cast<size_t>(count));
  // As many at once as are missing, so that there are never too many, then sorted: a table of what was drawn
  // would take longer than drawing it.
  while (static_cast<int64_t>(numbers.size()) < count && tries > 0) {
    const auto before = static_cast<std::ptrdiff_t>(numbers.size());
    for (int64_t missing = count - before; missing > 0 && tries > 0; --missing, --tries)
      if (const int64_t number = draw(); number >= 0) numbers.push_back(number);
    if (before == 0) {
      sort_places(numbers);
    } else {
      std::sort(numbers.begin() + before, numbers.end());
      std::inplace_merge(numbers.begin(), numbers.begin() + before, numbers.end());
    }
    numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
  }
  return numbers;
}

std::vector<int64_t> grow_anywhere(const LayerState& left, int64_t blocks, std::span<const int64_t> taken) {
  if (blocks == 0) return {};
  const std::vector<int64_t> live = block_positions(left.pattern);
  std::vector<int64_t> none;  // where nothing may grow
  none.reserve(live.size() + taken.size());
  std::merge(live.begin(), live.end(), taken.begin(), taken.end(), std::back_inserter(none));
  const int64_t free =
      left.pattern.block_rows() * left.pattern.block_cols() - static_cast<int64_t>(none.size());
  Rng rng(left.seed, stream_id("grow " + left.param.name(), static_cast<uint64_t>(left.step)));
  // Of more than half it is quicker to draw the others.
  const bool others = blocks > free / 2;
  const std::vector<int64_t> drawn =
      draw_different(others ? free - blocks : blocks, std::numeric_limits<int64_t>::max(),
                     [&] { return static_cast<int64_t>(rng.below(static_cast<uint64_t>(free))); });
  std::vector<int64_t> positions;
  positions.reserve(static_cast<size_t>(blocks));
  // The n-th free position lies behind n others and all below it that are not free.
  auto add = [&, below = size_t{0}](int64_t n) mutable {
    while (below < none.size() && none[below] <= n + static_cast<int64_t>(below)) ++below;
    positions.push_back(n + static_cast<int64_t>(below));
  };
  if (!others)
    for (const int64_t n : drawn) add(n);
  else
    for (int64_t n = 0, next = 0; n < free; ++n)
      if (next < static_cast<int64_t>(drawn.size()) && drawn[static_cast<size_t>(next)] == n)
        ++next;
      else
        add(n);
  return positions;
}

}  // namespace coppice
