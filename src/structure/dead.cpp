// SPDX-License-Identifier: Apache-2.0
#include "structure/dead.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "exec/oracle.h"
#include "graph/op.h"
#include "structure/rearrange.h"

namespace coppice {
namespace {

using Constant = std::optional<double>;

// The live weights of a product, and which units of x and y they join.
class LiveWeights {
 public:
  LiveWeights(const AxisMap& map, const AxisMap::Product& product, const Param& weight)
      : pattern_(weight.pattern()),
        single_(unblocked(pattern_)),
        values_(weight.canonical(weight.value)),
        inputs_(weight.dims()[1]),
        taps_(pattern_.cols() / inputs_),
        rows_(pattern_.rows() / product.groups),
        x_(map.find(product.x, map.channel_axis(product.x))->first),
        y_(map.find(product.y, map.channel_axis(product.y))->first) {}

  // Calls f(unit of x, unit of y, index of the output, value).
  template <class F>
  void each(F f) const {
    size_t k = 0;
    for (int64_t o = 0; o < pattern_.rows(); ++o)
      for (const int32_t column : single_.pattern.row(o)) {
        const int64_t input = o / rows_ * inputs_ + column / taps_;
        f(x_ + static_cast<UnitId>(input), y_ + static_cast<UnitId>(o), o,
          values_[static_cast<size_t>(single_.source[k++])]);
      }
  }

 private:
  Pattern pattern_;
  TransposedPattern single_;
  std::vector<float> values_;
  int64_t inputs_, taps_, rows_;
  UnitId x_, y_;
};

class DeadSearch {
 public:
  explicit DeadSearch(Network& network)
      : network_(network), map_(network.graph), constants_(units_of(map_)), needed_(constants_.size()) {
    tie_blocks(map_, network);
    components_ = map_.components();
    for (const AxisMap::Product& product : map_.products()) {
      products_[product.node] = &product;
      weights_.emplace(product.node, LiveWeights(map_, product, network.param(product.weight)));
      ++bias_uses_[product.bias];
    }
    for (const AxisMap::Link& link : map_.links()) links_[link.node].push_back(link);
    kept_.assign(components_.list.size(), false);
  }

  Result<DeadUnits> run() {
    find_constants();
    do find_needed();
    while (keep_last_units());
    DeadUnits report;
    for (size_t c = 0; c < gone_.size(); ++c) {
      const int64_t width = width_of(components_.list[c]);
      if (gone_[c])
        report.removed += width;
      else if (is_constant(components_.list[c]))
        report.constant += width;
    }
    if (report.removed == 0) return report;
    const int64_t before = network_.live_weights();
    for (const size_t c : fold()) report.folded += width_of(components_.list[c]);
    TRY_ASSIGN(Network smaller, cut(network_, map_, components_, gone_));
    report.weights = before - smaller.live_weights();
    network_ = std::move(smaller);
    return report;
  }

 private:
  static size_t units_of(const AxisMap& map) {
    return map.axes().empty() ? 0 : static_cast<size_t>(map.axes().back().first + map.axes().back().size);
  }
  Constant& constant(UnitId unit) { return constants_[static_cast<size_t>(unit)]; }
  const Constant& constant(UnitId unit) const { return constants_[static_cast<size_t>(unit)]; }
  size_t component(UnitId unit) const {
    return static_cast<size_t>(components_.of[static_cast<size_t>(unit)]);
  }
  bool activation(UnitId unit) const {
    const ValueKind kind = map_.graph().value(map_.axis_of(unit).value).kind;
    return kind == ValueKind::kTiled || kind == ValueKind::kInput;
  }

  // Units of a component that lie on one axis are told apart by people: 16 channels of a block are 16.
  int64_t width_of(const AxisMap::Component& component) const {
    std::map<const AxisMap::Axis*, int64_t> units;
    for (const UnitId unit : component.units)
      if (activation(unit)) ++units[&map_.axis_of(unit)];
    int64_t least = 0;
    for (const auto& [axis, count] : units) least = least == 0 ? count : std::min(least, count);
    return least;
  }

  // Says the same wherever it is computed, and is no input or output.
  bool is_constant(const AxisMap::Component& c) const {
    return c.may_go() && std::all_of(c.units.begin(), c.units.end(),
                                     [this](UnitId unit) { return !activation(unit) || constant(unit); });
  }

  // ---- forward: what is constant

  void find_constants() {
    for (NodeId n = 0; n < static_cast<NodeId>(map_.graph().nodes().size()); ++n) {
      if (map_.mixes(n)) continue;
      if (const auto at = products_.find(n); at != products_.end())
        product_constants(*at->second, weights_.at(n));
      else
        other_constants(n);
    }
  }

  // A sum is constant if all that it hears is; zeros around an image tell on every constant but 0.
  void product_constants(const AxisMap::Product& product, const LiveWeights& weights) {
    const AxisMap::Axis& y = *map_.find(product.y, map_.channel_axis(product.y));
    std::vector<double> bias(static_cast<size_t>(y.size), 0.0);
    if (product.bias != kNoValue) {
      const Param& param = network_.param(product.bias);
      bias.assign(param.value.begin(), param.value.end());
    }
    for (int64_t o = 0; o < y.size; ++o)
      constant(y.first + static_cast<UnitId>(o)) = bias[static_cast<size_t>(o)];
    weights.each([&](UnitId from, UnitId to, int64_t, float weight) {
      const Constant& in = constant(from);
      if (!in || (*in != 0.0 && !product.even))
        constant(to).reset();
      else if (constant(to))
        *constant(to) += *in * double{weight};
    });
  }

  // An op that works on each unit alone maps constants to constants, if those are the same at every pixel:
  // its definition says to which. What the other units are does not matter.
  void other_constants(NodeId n) {
    const Node& node = map_.graph().node(n);
    if (!node.op->reference) return;
    std::map<UnitId, bool> candidates;
    for (const ValueId out : node.outputs)
      if (const AxisMap::Axis* axis = map_.find(out, map_.channel_axis(out)); axis && activation(axis->first))
        for (int64_t i = 0; i < axis->size; ++i) candidates[axis->first + static_cast<UnitId>(i)] = true;
    for (const AxisMap::Link& link : links_[n])
      if (activation(link.from) && !constant(link.from)) candidates[link.to] = false;
    if (std::none_of(candidates.begin(), candidates.end(), [](const auto& c) { return c.second; })) return;
    const std::vector<ReferenceArray> outputs = evaluate(node);
    for (const auto& [unit, may] : candidates) {
      if (!may) continue;
      const AxisMap::Axis& axis = map_.axis_of(unit);
      const auto out = std::find(node.outputs.begin(), node.outputs.end(), axis.value) - node.outputs.begin();
      const std::vector<double>& data = outputs[static_cast<size_t>(out)].data;
      const auto pixels = static_cast<std::ptrdiff_t>(data.size()) / axis.size;
      const auto begin = data.begin() + (unit - axis.first) * pixels;
      if (std::all_of(begin, begin + pixels, [begin](double x) { return x == *begin; }))
        constant(unit) = *begin;
    }
  }

  // For one sample, with what is constant in its place.
  std::vector<ReferenceArray> evaluate(const Node& node) {
    const Graph& graph = map_.graph();
    std::vector<ReferenceArray> in, out;
    for (const ValueId id : node.inputs) {
      const Value& value = graph.value(id);
      ReferenceArray& array = in.emplace_back(ReferenceArray{value.shape, {}});
      if (value.kind == ValueKind::kParam || value.kind == ValueKind::kState) {
        const Param& param = network_.param(id);
        array.data = dense_values(param, param.value);
        continue;
      }
      array.data.assign(static_cast<size_t>(value.shape.elements()), 0.0);
      const AxisMap::Axis* axis = map_.find(id, map_.channel_axis(id));
      if (!axis) continue;
      const auto pixels = static_cast<int64_t>(array.data.size()) / axis->size;
      for (size_t i = 0; i < array.data.size(); ++i)
        array.data[i] =
            constant(axis->first + static_cast<UnitId>(static_cast<int64_t>(i) / pixels)).value_or(0.0);
    }
    for (const ValueId id : node.outputs) {
      const Shape& shape = graph.value(id).shape;
      out.push_back({shape, std::vector<double>(static_cast<size_t>(shape.elements()), 0.0)});
    }
    ReferenceCall call{node, 1, false, 1.0, 0, 0, {}, {}};
    for (const ReferenceArray& array : in) call.in.push_back(&array);
    for (ReferenceArray& array : out) call.out.push_back(&array);
    node.op->reference(call);
    return out;
  }

  // ---- backward: what is needed

  // A bias can take over what the unit says to the product, if the unit goes.
  bool folds(UnitId from, const AxisMap::Product& product) const {
    if (kept_[component(from)] || !constant(from)) return false;
    // Another layer with the same bias would take over what it never heard.
    return *constant(from) == 0.0 ||
           (product.even && product.bias != kNoValue && bias_uses_.at(product.bias) == 1);
  }

  void find_needed() {
    std::fill(needed_.begin(), needed_.end(), false);
    const auto need = [this](UnitId unit) { needed_[static_cast<size_t>(unit)] = true; };
    const auto need_all = [&](ValueId value) {
      if (const AxisMap::Axis* axis = map_.find(value, map_.channel_axis(value)))
        for (int64_t i = 0; i < axis->size; ++i) need(axis->first + static_cast<UnitId>(i));
    };
    need_all(map_.graph().logits);
    for (auto n = static_cast<NodeId>(map_.graph().nodes().size()) - 1; n >= 0; --n) {
      if (map_.mixes(n)) {
        for (const ValueId in : map_.graph().node(n).inputs) need_all(in);
      } else if (const auto at = products_.find(n); at != products_.end()) {
        weights_.at(n).each([&](UnitId from, UnitId to, int64_t, float) {
          if (needed_[static_cast<size_t>(to)] && !folds(from, *at->second)) need(from);
        });
      } else {
        for (const AxisMap::Link& link : links_[n])
          if (needed_[static_cast<size_t>(link.to)]) need(link.from);
      }
    }
    gone_.assign(components_.list.size(), false);
    for (size_t c = 0; c < gone_.size(); ++c) {
      const AxisMap::Component& list = components_.list[c];
      gone_[c] = list.may_go() && !kept_[c] &&
                 std::none_of(list.units.begin(), list.units.end(), [this](UnitId unit) {
                   return activation(unit) && needed_[static_cast<size_t>(unit)];
                 });
    }
  }

  // An axis needs a unit: where all would go, the first stays, and what it says is no longer taken over by
  // others. Whether anything changed.
  bool keep_last_units() {
    bool changed = false;
    for (const AxisMap::Axis& axis : map_.axes()) {
      bool left = false;
      for (int64_t i = 0; i < axis.size; ++i) left |= !gone_[component(axis.first + static_cast<UnitId>(i))];
      if (left || kept_[component(axis.first)]) continue;
      kept_[component(axis.first)] = changed = true;
    }
    return changed;
  }

  // Biases take over what those that go have said to those that stay. Returns the components that they heard.
  std::set<size_t> fold() {
    std::set<size_t> heard;
    for (const auto& [node, product] : products_) {
      if (product->bias == kNoValue) continue;
      Param& bias = network_.param(product->bias);
      std::vector<double> sums(bias.value.begin(), bias.value.end());
      weights_.at(node).each([&](UnitId from, UnitId to, int64_t output, float weight) {
        // Who is dead and stays, as its block does, need not say what it said before.
        if (!gone_[component(from)] || !needed_[static_cast<size_t>(to)] || *constant(from) == 0.0) return;
        sums[static_cast<size_t>(output)] += *constant(from) * double{weight};
        heard.insert(component(from));
      });
      for (size_t o = 0; o < sums.size(); ++o) bias.value[o] = static_cast<float>(sums[o]);
    }
    return heard;
  }

  Network& network_;
  AxisMap map_;
  AxisMap::Components components_;
  std::map<NodeId, const AxisMap::Product*> products_;
  std::map<NodeId, LiveWeights> weights_;
  std::map<NodeId, std::vector<AxisMap::Link>> links_;
  std::map<ValueId, int> bias_uses_;
  std::vector<Constant> constants_;  // of each unit of an activation that says the same for every sample
  std::vector<bool> needed_;         // of each unit: an output that stays depends on it
  Marks gone_, kept_;
};

}  // namespace

Result<DeadUnits> remove_dead(Network& network) { return DeadSearch(network).run(); }

}  // namespace coppice
