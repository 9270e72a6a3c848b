// SPDX-License-Identifier: Apache-2.0
#include "structure/align.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "base/rng.h"
#include "exec/oracle.h"
#include "report/text.h"
#include "structure/rearrange.h"

namespace coppice {
namespace {

constexpr int kRounds = 4;       // of thresholds
constexpr double kWork = 5e8;    // numbers that a round compares, at most: a second or so
constexpr double kShare = 0.25;  // of the work of a class that a sweep over all its pairs may take

// Magnitudes of a weight and their sums over blocks, in the order at hand.
class BlockedLayer {
 public:
  BlockedLayer(const Param& weight, BlockShape block)
      : block_(block),
        rows_(weight.dims()[0]),
        cols_(weight.total() / rows_),
        taps_(cols_ / weight.dims()[1]) {
    const std::vector<double> values = dense_values(weight, weight.value);
    for (const double x : values) magnitudes_.push_back(static_cast<float>(std::abs(x)));
    sums_.resize(static_cast<size_t>(rows_ / block_.rows * block_columns()));
    for (int64_t group = 0; group < rows_ / block_.rows; ++group) sum_group(group);
    total_ = std::accumulate(magnitudes_.begin(), magnitudes_.end(), 0.0);
  }

  int size() const { return block_.size(); }
  double total() const { return total_; }
  const std::vector<float>& sums() const { return sums_; }
  // Numbers that a gain looks at, and that a swap changes.
  int64_t cost_of_gain(bool row) const { return row ? block_columns() : block_.cols > 1 ? rows_ : 0; }
  int64_t cost_of_swap(bool row) const {
    return row ? 2 * block_.rows * cols_ : 2 * rows_ * taps_ * block_.cols;
  }

  // From now on a block is worth what its sum is above that of a block that just lives.
  void value_above(double mean_magnitude) { threshold_ = static_cast<float>(mean_magnitude * block_.size()); }

  double gain_of_rows(int64_t a, int64_t b) const {
    const int64_t group_a = a / block_.rows, group_b = b / block_.rows;
    if (group_a == group_b) return 0.0;
    const float *wa = row(a), *wb = row(b), *sa = sums_of(group_a), *sb = sums_of(group_b);
    float gain = 0;
    for (int64_t j = 0; j < block_columns(); ++j) {
      float more = 0;
      for (int c = 0; c < block_.cols; ++c) more += wb[j * block_.cols + c] - wa[j * block_.cols + c];
      gain += change(sa[j], sb[j], more);
    }
    return double{gain};
  }

  // Columns of one block share no input's other taps: blocks of several columns are of weights without a
  // window.
  double gain_of_inputs(int64_t a, int64_t b) const {
    const int64_t column_a = a / block_.cols, column_b = b / block_.cols;
    if (block_.cols == 1 || column_a == column_b) return 0.0;
    float gain = 0;
    for (int64_t group = 0; group < rows_ / block_.rows; ++group) {
      float more = 0;
      for (int64_t r = group * block_.rows; r < (group + 1) * block_.rows; ++r) more += row(r)[b] - row(r)[a];
      gain += change(sums_of(group)[column_a], sums_of(group)[column_b], more);
    }
    return double{gain};
  }

  void swap_rows(int64_t a, int64_t b) {
    std::swap_ranges(row(a), row(a) + cols_, row(b));
    sum_group(a / block_.rows);
    sum_group(b / block_.rows);
  }
  void swap_inputs(int64_t a, int64_t b) {
    for (int64_t r = 0; r < rows_; ++r)
      std::swap_ranges(row(r) + a * taps_, row(r) + (a + 1) * taps_, row(r) + b * taps_);
    for (const int64_t input : {a, b})
      for (int64_t j = input * taps_ / block_.cols; j * block_.cols < (input + 1) * taps_; ++j)
        for (int64_t group = 0; group < rows_ / block_.rows; ++group) sum_block(group, j);
  }

 private:
  int64_t block_columns() const { return cols_ / block_.cols; }
  float* row(int64_t r) { return magnitudes_.data() + r * cols_; }
  const float* row(int64_t r) const { return magnitudes_.data() + r * cols_; }
  const float* sums_of(int64_t group) const { return sums_.data() + group * block_columns(); }
  float worth(float sum) const { return std::max(sum - threshold_, 0.0f); }
  // One block gets `more` from another.
  float change(float to, float from, float more) const {
    return worth(to + more) + worth(from - more) - worth(to) - worth(from);
  }
  void sum_group(int64_t group) {
    for (int64_t j = 0; j < block_columns(); ++j) sum_block(group, j);
  }
  void sum_block(int64_t group, int64_t j) {
    float sum = 0;
    for (int64_t r = group * block_.rows; r < (group + 1) * block_.rows; ++r)
      for (int c = 0; c < block_.cols; ++c) sum += row(r)[j * block_.cols + c];
    sums_[static_cast<size_t>(group * block_columns() + j)] = sum;
  }

  BlockShape block_;
  int64_t rows_, cols_, taps_;
  std::vector<float> magnitudes_, sums_;  // [rows][cols], [groups of rows][blocks of columns]
  double total_ = 0;
  float threshold_ = 0;
};

// Layers whose blocks compete for so many live weights.
struct Pool {
  std::vector<size_t> layers;
  double budget = 0;
};

class Aligner {
 public:
  Aligner(const Network& network, const std::vector<LayerChoice>& choices, const std::vector<bool>& alone,
          bool network_wide)
      : network_(network), map_(network.graph), components_(map_.components()) {
    std::map<ValueId, size_t> layer_of;
    Pool together;
    for (size_t l = 0; l < choices.size(); ++l) {
      const Param& weight = *network.find(choices[l].weight);
      if (choices[l].density >= 1 || choices[l].block.rows == 1) continue;
      layer_of[network.graph.find(weight.name())] = layers_.size();
      Pool own{{layers_.size()}, choices[l].density * static_cast<double>(weight.total())};
      layers_.emplace_back(weight, choices[l].block);
      if (!network_wide || alone[l]) {
        pools_.push_back(std::move(own));
      } else {
        together.layers.push_back(own.layers[0]);
        together.budget += own.budget;
      }
    }
    if (!together.layers.empty()) pools_.push_back(std::move(together));
    find_classes(layer_of);
    for (size_t c = 0; c < components_.list.size(); ++c) source_.push_back(static_cast<int32_t>(c));
  }

  Result<Alignment> run() {
    Alignment out;
    out.before = out.after = kept(false);
    std::vector<int32_t> best = source_;
    // With better blocks the threshold rises, and other swaps gain; what is above one threshold may have
    // cost some of what is above the next.
    for (int round = 0; round < kRounds; ++round) {
      kept(true);
      const bool changed = improve();
      if (const double now = kept(false); now > out.after) {
        out.after = now;
        best = source_;
      }
      if (!changed) break;
    }
    TRY_ASSIGN(out.network, permute(network_, map_, components_, best));
    return out;
  }

 private:
  // Where a unit of a component lies in a layer with blocks.
  struct Place {
    size_t layer;
    bool row;
    int64_t index;
  };

  // Components that may change places: they lie on the same axes.
  void find_classes(const std::map<ValueId, size_t>& layer_of) {
    std::map<std::vector<const AxisMap::Axis*>, std::vector<int32_t>> alike;
    places_.resize(components_.list.size());
    for (size_t c = 0; c < components_.list.size(); ++c) {
      if (!components_.list[c].pinned.empty()) continue;
      std::vector<const AxisMap::Axis*> axes;
      for (const UnitId unit : components_.list[c].units) {
        const AxisMap::Axis& axis = map_.axis_of(unit);
        axes.push_back(&axis);
        if (const auto at = layer_of.find(axis.value); at != layer_of.end())
          places_[c].push_back({at->second, axis.name == 'o', unit - axis.first});
      }
      if (!places_[c].empty()) alike[axes].push_back(static_cast<int32_t>(c));
    }
    for (auto& [axes, list] : alike)
      if (list.size() > 1) classes_.push_back(std::move(list));
    // By their first units, as the order of pointers is not the same in every process.
    std::sort(classes_.begin(), classes_.end());
  }

  // The share of the magnitude that the largest blocks keep. Takes the threshold of each pool for what
  // follows, if asked.
  double kept(bool take_thresholds) {
    double sum = 0, all = 0;
    for (const Pool& pool : pools_) {
      std::vector<std::pair<float, int>> blocks;  // mean, weights
      for (const size_t l : pool.layers) {
        const auto size = static_cast<float>(layers_[l].size());
        for (const float s : layers_[l].sums()) blocks.emplace_back(s / size, layers_[l].size());
        all += layers_[l].total();
      }
      std::stable_sort(blocks.begin(), blocks.end(),
                       [](const auto& a, const auto& b) { return a.first > b.first; });
      double budget = pool.budget, threshold = 0;
      for (const auto& [mean, weights] : blocks) {
        if (budget < weights) break;
        budget -= weights;
        sum += double{mean} * weights;
        threshold = double{mean};
      }
      if (take_thresholds)
        for (const size_t l : pool.layers) layers_[l].value_above(threshold);
    }
    return all > 0 ? sum / all : 0.0;
  }

  double gain(int32_t a, int32_t b) const {
    double sum = 0;
    const std::vector<Place>&x = places_[static_cast<size_t>(a)], &y = places_[static_cast<size_t>(b)];
    for (size_t k = 0; k < x.size(); ++k) {
      const BlockedLayer& layer = layers_[x[k].layer];
      sum += x[k].row ? layer.gain_of_rows(x[k].index, y[k].index)
                      : layer.gain_of_inputs(x[k].index, y[k].index);
    }
    return sum;
  }
  void swap(int32_t a, int32_t b) {
    const std::vector<Place>&x = places_[static_cast<size_t>(a)], &y = places_[static_cast<size_t>(b)];
    for (size_t k = 0; k < x.size(); ++k) {
      BlockedLayer& layer = layers_[x[k].layer];
      x[k].row ? layer.swap_rows(x[k].index, y[k].index) : layer.swap_inputs(x[k].index, y[k].index);
    }
    std::swap(source_[static_cast<size_t>(a)], source_[static_cast<size_t>(b)]);
  }
  // Swaps until none gains, or the work is done. Whether anything changed.
  bool improve() {
    bool ever = false;
    for (const std::vector<int32_t>& list : classes_) {
      double budget = kWork / static_cast<double>(classes_.size());
      while (budget > 0 && sweep(list, budget)) ever = true;
    }
    return ever;
  }

  // Tries pairs of a class: all, or as many as are worth the time, drawn at random.
  bool sweep(const std::vector<int32_t>& list, double& budget) {
    double gain_cost = 1, swap_cost = 1;
    for (const Place& place : places_[static_cast<size_t>(list[0])]) {
      gain_cost += static_cast<double>(layers_[place.layer].cost_of_gain(place.row));
      swap_cost += static_cast<double>(layers_[place.layer].cost_of_swap(place.row));
    }
    bool changed = false;
    const auto attempt = [&](size_t i, size_t j) {
      constexpr double kWorthIt = 1e-6;  // else rounding would go round in circles
      budget -= gain_cost;
      if (i == j || gain(list[i], list[j]) <= kWorthIt) return;
      budget -= swap_cost;
      swap(list[i], list[j]);
      changed = true;
    };
    const double pairs = 0.5 * static_cast<double>(list.size()) * static_cast<double>(list.size() - 1);
    if (pairs * gain_cost <= kShare * kWork / static_cast<double>(classes_.size())) {
      for (size_t i = 0; i < list.size() && budget > 0; ++i)
        for (size_t j = i + 1; j < list.size(); ++j) attempt(i, j);
      return changed;
    }
    while (budget > 0) {
      const size_t i = rng_.below(list.size());
      attempt(i, rng_.below(list.size()));
    }
    return changed;
  }

  const Network& network_;
  const AxisMap map_;
  const AxisMap::Components components_;
  std::vector<BlockedLayer> layers_;  // those that get blocks
  std::vector<Pool> pools_;
  std::vector<std::vector<Place>> places_;  // of each component
  std::vector<std::vector<int32_t>> classes_;
  std::vector<int32_t> source_;
  Rng rng_{0, stream_id("align", "pairs")};
};

}  // namespace

Result<Alignment> align_blocks(const Network& network, const std::vector<LayerChoice>& choices,
                               const std::vector<bool>& alone, bool network_wide) {
  if (network.live_weights() < network.total_weights())
    return invalid(
        "units are put in order for blocks before anything is pruned; this network has " +
        percent(static_cast<double>(network.live_weights()) / static_cast<double>(network.total_weights())) +
        " of its weights; take the one that it was made from");
  return Aligner(network, choices, alone, network_wide).run();
}

}  // namespace coppice
