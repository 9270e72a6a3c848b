// SPDX-License-Identifier: Apache-2.0
#include "sparsify/cannistraci_hebb.h"

#include <algorithm>
#include <cmath>
#include <unordered_set>

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

// Draws positions by CH2-L3n without computing it. Let u and z lie on one side with c common neighbours, and
// let z have d neighbours. Then z stands on paths from u to each of its d - c neighbours v that are none of
// u, has c links inside the community and d - c - 1 outside, and so adds (1 + c) / (d - c) to the score of
// each (u, v): 1 + c in all. So a walk of two links, which meets the pair c times, is drawn, taken in 1 + c
// of 2c cases, and any such v is as good as another. The other nodes on the paths are those for which v is
// the end on the same side: the same draw with rows and columns exchanged.
class PathDraw {
 public:
  explicit PathDraw(const Pattern& pattern)
      : rows_(rows_of(pattern)),
        columns_(columns_of(pattern)),
        seen_(static_cast<size_t>(std::max(pattern.block_rows(), pattern.block_cols())), 0) {}

  bool has_paths() const { return rows_.walks.back() + columns_.walks.back() > 0; }

  // A position (row, column) without a link, or nothing: then it has to be asked again.
  bool draw(Rng& rng, int64_t& row, int64_t& column) {
    const int64_t over_columns = columns_.walks.back();
    const auto walk = static_cast<int64_t>(
        rng.below(static_cast<uint64_t>(over_columns) + static_cast<uint64_t>(rows_.walks.back())));
    return walk < over_columns ? draw(rng, rows_, columns_, walk, row, column)
                               : draw(rng, columns_, rows_, walk - over_columns, column, row);
  }

 private:
  bool draw(Rng& rng, const Side& ends, const Side& middles, int64_t walk, int64_t& from, int64_t& to) {
    const auto above = std::upper_bound(middles.walks.begin(), middles.walks.end(), walk);
    const auto middle = static_cast<int32_t>(above - middles.walks.begin() - 1);
    const std::span<const int32_t> nodes = middles.of(middle);
    const auto others = static_cast<int64_t>(nodes.size()) - 1;
    const int64_t number = walk - middles.walks[static_cast<size_t>(middle)], first = number / others;
    const int64_t second = number % others + (number % others >= first ? 1 : 0);
    const int32_t u = nodes[static_cast<size_t>(first)], z = nodes[static_cast<size_t>(second)];
    ++draws_;
    for (const int32_t n : ends.of(u)) seen_[static_cast<size_t>(n)] = draws_;
    const std::span<const int32_t> of_z = ends.of(z);
    uint64_t common = 0;
    for (const int32_t n : of_z) common += seen_[static_cast<size_t>(n)] == draws_;
    if (common == of_z.size() || rng.below(2 * common) > common) return false;
    int32_t v = 0;
    do {
      v = of_z[rng.below(of_z.size())];
    } while (seen_[static_cast<size_t>(v)] == draws_);
    from = u;
    to = v;
    return true;
  }

  Side rows_, columns_;
  std::vector<uint64_t> seen_;  // [nodes of either side], the last draw whose u it was a neighbour of
  uint64_t draws_ = 0;
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
  // Each waits for an exponential time, the important ones for a short one: who comes first stays.
  for (size_t b = 0; b < scores.size(); ++b)
    scores[b] = static_cast<float>(std::pow(static_cast<double>(importance[b]), power) /
                                   -std::log(static_cast<double>(scores[b])));
  return scores;
}

std::vector<int64_t> grow_by_paths(const LayerState& left, int64_t blocks) {
  // Draws in vain for each that grows: with fewer, rare positions would be passed over, with more a layer
  // whose paths lead hardly anywhere would take forever.
  constexpr int64_t kTries = 16, kLeastTries = 1000;
  PathDraw paths(left.pattern);
  Rng rng(left.seed, stream_id("paths " + left.param.name(), static_cast<uint64_t>(left.step)));
  std::unordered_set<int64_t> chosen;
  for (int64_t tries = paths.has_paths() ? kTries * blocks + kLeastTries : 0;
       tries > 0 && static_cast<int64_t>(chosen.size()) < blocks; --tries)
    if (int64_t row = 0, column = 0; paths.draw(rng, row, column))
      chosen.insert(row * left.pattern.block_cols() + column);
  std::vector<int64_t> positions(chosen.begin(), chosen.end());
  std::sort(positions.begin(), positions.end());
  const std::vector<int64_t> rest =
      grow_anywhere(left, blocks - static_cast<int64_t>(positions.size()), positions);
  const auto drawn = static_cast<std::ptrdiff_t>(positions.size());
  positions.insert(positions.end(), rest.begin(), rest.end());
  std::inplace_merge(positions.begin(), positions.begin() + drawn, positions.end());
  return positions;
}

}  // namespace coppice
