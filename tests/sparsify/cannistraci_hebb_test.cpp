// SPDX-License-Identifier: Apache-2.0
// Draws of CHTs against what the formulas say about small layers, counted in the plainest way.
#include "sparsify/cannistraci_hebb.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "base/rng.h"

namespace coppice {
namespace {

// What a method sees of a layer, without an executor.
struct SmallLayer {
  Param param;
  Pattern pattern;
  std::vector<float> value;
  TopologySchedule schedule;
  explicit SmallLayer(Pattern links)
      : param(Param::weight("fc.weight", {links.rows(), links.cols()},
                            Pattern::full(links.rows(), links.cols()))),
        pattern(std::move(links)) {
    Rng rng(1, stream_id("test", "values"));
    for (int64_t k = 0; k < pattern.live(); ++k) value.push_back(rng.normal());
  }
  LayerState at(int64_t step, double share = 0) const {
    return {param, pattern, value, {}, schedule, share, 11, step};
  }
};

using Links = std::set<std::pair<int64_t, int64_t>>;  // (row, column)

// CH2-L3n over all paths of three links, node by node; nodes of columns are numbered behind those of rows.
double by_all_paths(const Links& links, int64_t rows, int64_t cols, int64_t row, int64_t column) {
  std::map<int64_t, std::set<int64_t>> neighbours;
  for (const auto& [r, c] : links) {
    neighbours[r].insert(rows + c);
    neighbours[rows + c].insert(r);
  }
  const int64_t target = rows + column;
  std::set<int64_t> community;
  for (int64_t y = rows; y < rows + cols; ++y)
    for (int64_t x = 0; x < rows; ++x)
      if (y != target && x != row && neighbours[row].contains(y) && neighbours[y].contains(x) &&
          neighbours[x].contains(target)) {
        community.insert(y);
        community.insert(x);
      }
  double score = 0;
  for (const int64_t z : community) {
    double inside = 0, outside = 0;
    for (const int64_t n : neighbours[z])
      if (community.contains(n))
        ++inside;
      else if (n != row && n != target)
        ++outside;
    score += (1 + inside) / (1 + outside);
  }
  return score;
}

Links links_of(const Pattern& pattern) {
  Links links;
  for (const int64_t at : block_positions(pattern))
    links.insert({at / pattern.block_cols(), at % pattern.block_cols()});
  return links;
}

// A single link that grows is a draw by the score: its frequencies over many steps.
TEST(CannistraciHebb, GrowsByTheCountOfAllPathsOfThreeLinks) {
  struct Problem {
    int64_t rows, cols, links;
    BlockShape block;
  };
  for (const Problem& problem : {Problem{6, 7, 16, {}}, Problem{9, 5, 14, {}}, Problem{16, 6, 11, {4, 1}}}) {
    const SmallLayer layer(
        random_pattern(problem.rows, problem.cols, problem.block, problem.links, 5, "graph"));
    const Links links = links_of(layer.pattern);
    const int64_t rows = layer.pattern.block_rows(), cols = layer.pattern.block_cols();
    std::map<int64_t, double> scores;
    double sum = 0;
    for (int64_t row = 0; row < rows; ++row)
      for (int64_t column = 0; column < cols; ++column)
        if (!links.contains({row, column}))
          sum += scores[row * cols + column] = by_all_paths(links, rows, cols, row, column);
    ASSERT_GT(sum, 0);
    constexpr int kDraws = 20000;
    std::map<int64_t, int> seen;
    for (int64_t step = 0; step < kDraws; ++step) {
      const std::vector<int64_t> grown = grow_by_paths(layer.at(step), 1);
      ASSERT_EQ(grown.size(), 1u);
      ++seen[grown[0]];
    }
    for (const auto& [at, count] : seen) EXPECT_GT(scores[at], 0) << at;
    for (const auto& [at, score] : scores) {
      const double p = score / sum, deviation = std::sqrt(p * (1 - p) / kDraws);
      EXPECT_NEAR(seen[at] / static_cast<double>(kDraws), p, 4.5 * deviation + 1e-9)
          << rows << " x " << cols << " at " << at;
    }
  }
}

TEST(CannistraciHebb, GrowsAsManyAsAskedForAlsoWhereNoPathLeads) {
  // Two links that share no node: a path of three links has nowhere to begin.
  const SmallLayer layer(Pattern::from_indices(4, 4, {}, {0, 1, 1, 2, 2}, {0, 2}).take());
  for (const int64_t blocks : {0, 1, 5, 14}) {
    const std::vector<int64_t> grown = grow_by_paths(layer.at(3), blocks);
    EXPECT_EQ(static_cast<int64_t>(grown.size()), blocks);
    EXPECT_TRUE(std::is_sorted(grown.begin(), grown.end()));
    std::set<int64_t> all(grown.begin(), grown.end());
    for (const int64_t live : block_positions(layer.pattern)) EXPECT_TRUE(all.insert(live).second) << live;
    EXPECT_EQ(static_cast<int64_t>(all.size()), blocks + 2);
  }
}

// Every pair of free places is as likely as any other.
TEST(CannistraciHebb, GrowsAnywhereAlikeWhereItHasToFillUp) {
  const SmallLayer layer(Pattern::from_indices(2, 4, {}, {0, 2, 3}, {1, 3, 0}).take());
  const std::vector<int64_t> taken = {2};
  std::map<std::vector<int64_t>, int> seen;
  constexpr int kDraws = 12000;
  for (int64_t step = 0; step < kDraws; ++step) ++seen[grow_anywhere(layer.at(step), 2, taken)];
  EXPECT_EQ(seen.size(), 6u);  // pairs of 0, 5, 6, 7
  for (const auto& [pair, count] : seen) {
    for (const int64_t at : pair) EXPECT_TRUE(at == 0 || at >= 5) << at;
    EXPECT_NEAR(count, kDraws / 6.0, 4.5 * std::sqrt(kDraws * 5.0 / 36));
  }
}

TEST(CannistraciHebb, ALinkIsWorthItsSharesOfRowAndColumn) {
  SmallLayer layer(Pattern::from_indices(2, 3, {}, {0, 2, 4}, {0, 2, 1, 2}).take());
  layer.value = {1, -3, 0, 2};
  const std::vector<float> got = keep_by_relative_importance(layer.at(0));
  const std::vector<float> want = {1.0f / 4 + 1, 3.0f / 4 + 3.0f / 5, 0, 1 + 2.0f / 5};
  for (size_t i = 0; i < want.size(); ++i) EXPECT_FLOAT_EQ(got[i], want[i]) << i;
}

// The one that stays if only one may: drawn by importance to the power that grows over the run from 1 to 3.
TEST(CannistraciHebb, WhatStaysIsDrawnByImportance) {
  SmallLayer layer(Pattern::from_indices(1, 4, {}, {0, 4}, {0, 1, 2, 3}).take());
  layer.value = {0.5f, -1.0f, 0.0f, 0.75f};
  layer.schedule.delta_begin = 0.5;
  layer.schedule.delta_end = 0.75;
  constexpr int kDraws = 20000;
  for (const double share : {0.0, 1.0}) {
    std::vector<double> want;
    double sum = 0;
    for (const float value : layer.value)
      sum += want.emplace_back(std::pow(std::abs(value), share > 0 ? 3 : 1));
    std::vector<int> seen(4);
    for (int64_t step = 0; step < kDraws; ++step) {
      const std::vector<float> scores = hold_by_draw(layer.at(step, share));
      ++seen[static_cast<size_t>(std::max_element(scores.begin(), scores.end()) - scores.begin())];
    }
    for (size_t i = 0; i < want.size(); ++i) {
      const double p = want[i] / sum;
      EXPECT_NEAR(seen[i] / static_cast<double>(kDraws), p, 4.5 * std::sqrt(p * (1 - p) / kDraws) + 1e-9)
          << i << " at " << share;
    }
  }
}

}  // namespace
}  // namespace coppice
