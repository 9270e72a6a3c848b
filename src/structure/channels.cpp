// SPDX-License-Identifier: Apache-2.0
#include "structure/channels.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "report/text.h"
#include "structure/rearrange.h"

namespace coppice {
namespace {

// Mean of what each unit of the component weighs in its layer.
class Scores {
 public:
  explicit Scores(const AxisMap::Components& components)
      : components_(components), sums_(components.list.size()), counts_(components.list.size()) {}

  // `squares`: of each unit of the axis, the sum over its weights.
  void add(const AxisMap::Axis& axis, std::vector<double> squares) {
    for (double& x : squares) x = std::sqrt(x);
    const double mean =
        std::accumulate(squares.begin(), squares.end(), 0.0) / static_cast<double>(squares.size());
    if (mean == 0.0) return;
    for (size_t i = 0; i < squares.size(); ++i) {
      const auto unit = static_cast<size_t>(axis.first) + i;
      const auto c = static_cast<size_t>(components_.of[unit]);
      sums_[c] += squares[i] / mean;
      ++counts_[c];
    }
  }
  double of(size_t c) const { return counts_[c] == 0 ? 0.0 : sums_[c] / static_cast<double>(counts_[c]); }

 private:
  const AxisMap::Components& components_;
  std::vector<double> sums_;
  std::vector<int64_t> counts_;
};

void score_weight(const AxisMap& map, ValueId id, const Param& weight, Scores& scores) {
  const std::vector<float> values = weight.canonical(weight.value);
  const TransposedPattern single = unblocked(weight.pattern());
  const int64_t inputs = weight.dims()[1], taps = single.pattern.cols() / inputs;
  std::vector<double> rows(static_cast<size_t>(single.pattern.rows())), columns(static_cast<size_t>(inputs));
  size_t k = 0;
  for (size_t row = 0; row < rows.size(); ++row)
    for (const int32_t column : single.pattern.row(static_cast<int64_t>(row))) {
      const double w = double{values[static_cast<size_t>(single.source[k++])]};
      rows[row] += w * w;
      columns[static_cast<size_t>(column / taps)] += w * w;
    }
  scores.add(*map.find(id, 'o'), std::move(rows));
  scores.add(*map.find(id, 'i'), std::move(columns));
}

// How many weights are left while units go.
class Budget {
 public:
  Budget(const AxisMap& map, const Network& network) : map_(map) {
    for (const AxisMap::Axis& axis : map.axes()) left_.push_back(axis.size);
    for (const Param& param : network.params) {
      if (!param.is_weight()) continue;
      const ValueId id = map.graph().find(param.name());
      const size_t rows = place(*map.find(id, 'o')), inputs = place(*map.find(id, 'i'));
      weights_.push_back({rows, inputs, param.total() / param.dims()[0] / param.dims()[1]});
    }
  }
  int64_t weights() const {
    int64_t sum = 0;
    for (const Weight& w : weights_) sum += left_[w.rows] * left_[w.inputs] * w.taps;
    return sum;
  }
  // Unless an axis would lose its last unit.
  bool remove(const AxisMap::Component& component) {
    std::vector<int64_t> after = left_;
    for (const UnitId unit : component.units)
      if (--after[place(map_.axis_of(unit))] == 0) return false;
    left_ = std::move(after);
    return true;
  }

 private:
  struct Weight {
    size_t rows, inputs;  // axes
    int64_t taps;
  };
  size_t place(const AxisMap::Axis& axis) const { return static_cast<size_t>(&axis - map_.axes().data()); }
  const AxisMap& map_;
  std::vector<int64_t> left_;  // units of each axis
  std::vector<Weight> weights_;
};

std::string share(int64_t part, int64_t all) {
  return percent(static_cast<double>(part) / static_cast<double>(all));
}

}  // namespace

Result<ChannelCut> cut_channels(const Network& network, double density) {
  const int64_t all = network.total_weights();
  if (network.live_weights() < all)
    return invalid("channels are cut from a dense network, this one has " +
                   share(network.live_weights(), all) +
                   " of its weights; take the one that it was made from");
  const AxisMap map(network.graph);
  const AxisMap::Components components = map.components();
  Scores scores(components);
  for (const Param& param : network.params)
    if (param.is_weight()) score_weight(map, network.graph.find(param.name()), param, scores);

  std::vector<size_t> order;
  for (size_t c = 0; c < components.list.size(); ++c)
    if (components.list[c].may_go()) order.push_back(c);
  ChannelCut out;
  out.all = static_cast<int64_t>(order.size());
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return scores.of(a) < scores.of(b); });
  const double target = density * static_cast<double>(all);
  Budget budget(map, network);
  Marks gone(components.list.size(), false);
  for (const size_t c : order) {
    if (static_cast<double>(budget.weights()) <= target) break;
    gone[c] = budget.remove(components.list[c]);
    out.removed += gone[c] ? 1 : 0;
  }
  if (static_cast<double>(budget.weights()) > target)
    return invalid("density " + percent(density) + " cannot be reached by channels: with one in each layer " +
                   share(budget.weights(), all) + " of the weights are left; raise the density");
  TRY_ASSIGN(out.network, cut(network, map, components, gone));
  return out;
}

}  // namespace coppice
