// SPDX-License-Identifier: Apache-2.0
#include "sparsify/cannistraci_hebb.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>

#include "base/rng.h"

namespace coppice {
namespace {

// The links of the nodes of one side of a layer, rows or columns.
struct Side {
  std::vector<int32_t> start, links;  // [nodes + 1], the nodes of the other side
  std::vector<int64_t> walks;  // [nodes + 1], from one neighbour of a node over it to another, added up
  int64_t degree(int32_t node) const {
    return start[static_cast<size_t>(node) + 1] - start[static_cast<size_t>(node)];
  }
  std::span<const int32_t> of(int32_t node) const {
    return std::span(links).subspan(static_cast<size_t>(start[static_cast<size_t>(node)]),
                                    static_cast<size_t>(degree(node)));
  }
  void count_walks() {
    walks.assign(start.size(), 0);
    for (size_t n = 0; n + 1 < start.size(); ++n) {
      const int64_t links_of = start[n + 1] - start[n];
      walks[n + 1] = walks[n] + links_of * (links_of - 1);
    }
  }
};

Side rows_of(const Pattern& pattern) {
  Side side;
  side.start.assign(pattern.indptr().begin(), pattern.indptr().end());
  side.links.assign(pattern.indices().begin(), pattern.indices().end());
  side.count_walks();
  return side;
}

Side columns_of(const Pattern& pattern) {
  Side side;
  side.start.assign(static_cast<size_t>(pattern.block_cols()) + 1, 0);
  for (const int32_t column : pattern.indices()) ++side.start[static_cast<size_t>(column) + 1];
  for (size_t c = 1; c < side.start.size(); ++c) side.start[c] += side.start[c - 1];
  side.links.resize(static_cast<size_t>(pattern.blocks()));
  std::vector<int32_t> next(side.start.begin(), side.start.end() - 1);
  for (int64_t row = 0; row < pattern.block_rows(); ++row)
    for (const int32_t column : pattern.row(row))
      side.links[static_cast<size_t>(next[static_cast<size_t>(column)]++)] = static_cast<int32_t>(row);
  side.count_walks();
  return side;
}

// The first number that two ascending lists share; they do share one.
int32_t first_common(std::span<const int32_t> a, std::span<const int32_t> b) {
  for (size_t i = 0, j = 0;;) {
    if (a[i] == b[j]) return a[i];
    if (a[i] < b[j])
      ++i;
    else
      ++j;
  }
}

// One of the numbers of `from` that `without` lacks, each as likely as another; -1 if there is none.
int32_t draw_outside(Rng& rng, std::span<const int32_t> from, std::span<const int32_t> without) {
  const auto lacks = [without](int32_t x) { return !std::binary_search(without.begin(), without.end(), x); };
  constexpr int kTries = 16;
  for (int tries = 0; tries < kTries; ++tries)
    if (const int32_t x = from[rng.below(from.size())]; lacks(x)) return x;
  // Few of them are outside, or none.
  std::vector<int32_t> outside;
  std::copy_if(from.begin(), from.end(), std::back_inserter(outside), lacks);
  return outside.empty() ? -1 : outside[rng.below(outside.size())];
}

// Draws positions by CH2-L3n without computing it. Let u and z lie on one side with c common neighbours, and
// let z have d neighbours. Then z stands on paths from u to each of its d - c neighbours v that are none of
// u, has c links inside the community and d - c - 1 outside, and so adds (1 + c) / (d - c) to the score of
// each (u, v): 1 + c in all. So a walk of two links is drawn, which meets the pair c times, and taken in half
// of the cases, but always if it goes over their first common neighbour: that makes (1 + c) / 2. Any such v
// is as good as another. The other nodes on the paths are those for which v is the end on the same side: the
// same draw with rows and columns exchanged.
class PathDraw {
 public:
  explicit PathDraw(const Pattern& pattern) : rows_(rows_of(pattern)), columns_(columns_of(pattern)) {}

  int64_t walks() const { return rows_.walks.back() + columns_.walks.back(); }

  // A block position without a link, or -1: then it has to be asked again. Only where there are walks.
  int64_t draw(Rng& rng) const {
    const int64_t over_columns = columns_.walks.back();
    const auto walk = static_cast<int64_t>(rng.below(static_cast<uint64_t>(walks())));
    const bool from_row = walk < over_columns;
    const auto [from, to] =
        from_row ? draw(rng, rows_, columns_, walk) : draw(rng, columns_, rows_, walk - over_columns);
    if (to < 0) return -1;
    const auto cols = static_cast<int64_t>(columns_.start.size()) - 1;
    return from_row ? from * cols + to : to * cols + from;
  }

 private:
  using Link = std::pair<int64_t, int64_t>;
  static Link draw(Rng& rng, const Side& ends, const Side& middles, int64_t walk) {
    const auto above = std::upper_bound(middles.walks.begin(), middles.walks.end(), walk);
    const auto middle = static_cast<int32_t>(above - middles.walks.begin() - 1);
    const std::span<const int32_t> nodes = middles.of(middle);
    const auto others = static_cast<int64_t>(nodes.size()) - 1;
    const int64_t number = walk - middles.walks[static_cast<size_t>(middle)], first = number / others;
    const int64_t second = number % others + (number % others >= first ? 1 : 0);
    const int32_t u = nodes[static_cast<size_t>(first)], z = nodes[static_cast<size_t>(second)];
    if (rng.below(2) == 0 && first_common(ends.of(u), ends.of(z)) != middle) return {u, -1};
    return {u, draw_outside(rng, ends.of(z), ends.of(u))};
  }

  Side rows_, columns_;
};

}  // namespace

std::vector<float> keep_by_relative_importance(const LayerState& layer) {
  std::vector<float> shares = keep_by_magnitude(layer);
  std::vector<float> rows(static_cast<size_t>(layer.pattern.block_rows())),
      columns(static_cast<size_t>(layer.pattern.block_cols()));
  const auto each = [&](auto f) {
    size_t block = 0;
    for (int64_t row = 0; row < layer.pattern.block_rows(); ++row)
      for (const int32_t column : layer.pattern.row(row))
        f(shares[block++], rows[static_cast<size_t>(row)], columns[static_cast<size_t>(column)]);
  };
  each([](float x, float& row, float& column) {
    row += x;
    column += x;
  });
  // Of a sum of nothing it has no share.
  each([](float& x, float row, float column) { x = x > 0 ? x / row + x / column : 0.0f; });
  return shares;
}

std::vector<float> hold_by_draw(const LayerState& layer) {
  const TopologySchedule& schedule = layer.schedule;
  const double delta = schedule.delta_begin + (schedule.delta_end - schedule.delta_begin) * layer.share;
  const double power = delta / (1 - delta);
  const std::vector<float> importance = schedule.importance == Importance::kRelative
                                            ? keep_by_relative_importance(layer)
                                            : keep_by_magnitude(layer);
  std::vector<float> scores(importance.size());
  random_scores(layer, "hold", scores);
  // Each waits for an exponential time, the important ones for a short one: who comes first stays. Compared
  // as logarithms, as powers of small weights are no floats, and turned into scores, which are above 0.
  std::vector<double> logarithms(scores.size());
  for (size_t b = 0; b < scores.size(); ++b)
    logarithms[b] = power * std::log(std::max(static_cast<double>(importance[b]), 1e-300)) -
                    std::log(-std::log(std::max(static_cast<double>(scores[b]), 1e-30)));
  const double most = logarithms.empty() ? 0 : *std::max_element(logarithms.begin(), logarithms.end());
  for (size_t b = 0; b < scores.size(); ++b) scores[b] = static_cast<float>(1 / (1 + most - logarithms[b]));
  return scores;
}

std::vector<int64_t> grow_by_paths(const LayerState& left, int64_t blocks) {
  // Draws in vain for each that grows: with fewer, rare positions would be passed over, with more a layer
  // whose paths lead hardly anywhere would take forever.
  constexpr int64_t kTries = 16, kLeastTries = 1000;
  const PathDraw paths(left.pattern);
  Rng rng(left.seed, stream_id("paths " + left.param.name(), static_cast<uint64_t>(left.step)));
  std::vector<int64_t> positions = draw_different(
      blocks, paths.walks() > 0 ? kTries * blocks + kLeastTries : 0, [&] { return paths.draw(rng); });
  const std::vector<int64_t> rest =
      grow_anywhere(left, blocks - static_cast<int64_t>(positions.size()), positions);
  const auto drawn = static_cast<std::ptrdiff_t>(positions.size());
  positions.insert(positions.end(), rest.begin(), rest.end());
  std::inplace_merge(positions.begin(), positions.begin() + drawn, positions.end());
  return positions;
}

}  // namespace coppice
