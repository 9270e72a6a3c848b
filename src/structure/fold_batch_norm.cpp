// SPDX-License-Identifier: Apache-2.0
#include "structure/fold_batch_norm.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "graph/op.h"
#include "passes/nodes.h"
#include "structure/rewrite.h"

namespace coppice {
namespace {

using Doubles = std::vector<double>;

// y = factor * x + shift, for each channel.
struct Affine {
  Doubles factor, shift;
};

bool is_layer(const Node& node) { return is(node, "conv2d") || is(node, "linear"); }

bool fits_float(double x) { return std::isfinite(static_cast<float>(x)); }

class Folder {
 public:
  explicit Folder(Network& network) : network_(network), graph_(network.graph) {}

  Result<std::vector<FoldedNorm>> run() {
    std::vector<FoldedNorm> report;
    for (NodeId n = 0; n < static_cast<NodeId>(graph_.nodes().size());) {
      if (!is(graph_.node(n), "batch_norm")) {
        ++n;
        continue;
      }
      report.push_back(fold(n));
      if (report.back().into.empty())
        ++n;
      else
        bypass(graph_, n);
    }
    TRY(rebuild(network_, graph_, std::move(made_)));
    return report;
  }

 private:
  FoldedNorm fold(NodeId n) {
    const Node& norm = graph_.node(n);
    FoldedNorm out{norm.name, "", ""};
    if (norm.inputs.size() > 5) {
      out.why = "a sum is part of it";
      return out;
    }
    const Affine affine = affine_of(norm);
    NodeId layer = -1;
    const std::string before = fold_back(norm, affine, layer);
    const std::string behind = before.empty() ? "" : fold_forward(norm, affine, layer);
    if (before.empty() || behind.empty())
      out.into = graph_.node(layer).name;
    else
      out.why = before + ", and " + behind;
    return out;
  }

  // ---- into the layer before: factor * (W x + bias) + shift

  // Why not, or empty.
  std::string fold_back(const Node& norm, const Affine& affine, NodeId& layer) {
    const ValueId x = norm.inputs[0];
    layer = graph_.producer(x);
    if (layer < 0) return "its input is the network's";
    const Node& node = graph_.node(layer);
    if (!is_layer(node)) return "its input comes from " + described(node) + ", which has no weights";
    if (readers(graph_, x) > 1) return "its input '" + graph_.value(x).name + "' is read by others as well";
    if (!node.text("activation", "").empty()) return "an activation follows " + described(node);
    if (std::string why = shares(node); !why.empty()) return why;
    Doubles bias = bias_of(node);
    for (size_t o = 0; o < bias.size(); ++o) bias[o] = affine.factor[o] * bias[o] + affine.shift[o];
    const auto factor = [&affine](int64_t row, int64_t) { return affine.factor[static_cast<size_t>(row)]; };
    if (std::string why = replace(layer, factor, bias); !why.empty()) return why;
    if (const auto activation = norm.attributes.find("activation"); activation != norm.attributes.end())
      graph_.nodes_for_pass()[static_cast<size_t>(layer)].attributes.insert(*activation);
    return "";
  }

  // ---- into the layer behind: W (factor * x + shift) + bias

  std::string fold_forward(const Node& norm, const Affine& affine, NodeId& layer) {
    if (!norm.text("activation", "").empty()) return "an activation is part of it";
    layer = only_reader(graph_, norm.outputs[0]);
    if (layer < 0) return "what it says is read by several nodes, or is what the network says";
    const Shape& y = graph_.value(norm.outputs[0]).shape;
    const bool flat = is(graph_.node(layer), "flatten");
    if (flat) layer = only_reader(graph_, graph_.node(layer).outputs[0]);
    if (layer < 0) return "what it says is flattened for several nodes, or for what the network says";
    const Node& node = graph_.node(layer);
    if (!is_layer(node)) return described(node) + " behind it has no weights";
    if (node.integer("padding", 0) != 0 && node.integer("wrap", 0) == 0)
      return described(node) + " behind it has zeros around its input";
    if (std::string why = shares(node); !why.empty()) return why;
    const Param& weight = param(node.inputs[1]);
    const Pattern pattern = weight.pattern();
    // The columns of a row that belong to one channel.
    const int64_t run = flat ? y.size('h') * y.size('w') : pattern.cols() / weight.dims()[1];
    const int64_t group_rows = pattern.rows() / node.integer("groups", 1),
                  group_channels = pattern.cols() / run;
    const auto channel = [=](int64_t row, int64_t column) {
      return static_cast<size_t>(row / group_rows * group_channels + column / run);
    };
    Doubles bias = bias_of(node);
    const std::vector<float> values = weight.canonical(weight.value);
    const std::vector<size_t> places = live_places(pattern);
    for (size_t k = 0; k < places.size(); ++k) {
      const auto row = static_cast<int64_t>(places[k]) / pattern.cols(),
                 column = static_cast<int64_t>(places[k]) % pattern.cols();
      bias[static_cast<size_t>(row)] += double{values[k]} * affine.shift[channel(row, column)];
    }
    return replace(
        layer, [&](int64_t row, int64_t column) { return affine.factor[channel(row, column)]; }, bias);
  }

  // ---- both

  const Param& param(ValueId id) const {
    const std::string& name = graph_.value(id).name;
    const auto at = made_.find(name);
    return at != made_.end() ? at->second : *network_.find(name);
  }

  Doubles numbers(ValueId id) const {
    const Param& of = param(id);
    const std::vector<float> values = of.canonical(of.value);
    return {values.begin(), values.end()};
  }

  Doubles bias_of(const Node& layer) const {
    if (layer.inputs.size() > 2) return numbers(layer.inputs[2]);
    return Doubles(static_cast<size_t>(graph_.value(layer.inputs[1]).shape.size('o')), 0.0);
  }

  Affine affine_of(const Node& norm) const {
    const Doubles scale = numbers(norm.inputs[1]), bias = numbers(norm.inputs[2]),
                  mean = numbers(norm.inputs[3]), variance = numbers(norm.inputs[4]);
    Affine out;
    for (size_t c = 0; c < scale.size(); ++c) {
      out.factor.push_back(scale[c] / std::sqrt(variance[c] + norm.real("epsilon", 1e-5)));
      out.shift.push_back(bias[c] - mean[c] * out.factor[c]);
    }
    return out;
  }

  // What two layers share cannot be scaled for one of them.
  std::string shares(const Node& layer) const {
    for (size_t i = 1; i < layer.inputs.size(); ++i)
      if (readers(graph_, layer.inputs[i]) > 1)
        return described(layer) + " shares '" + graph_.value(layer.inputs[i]).name + "' with another node";
    return "";
  }

  // Why not, or empty.
  template <class Factor>
  std::string replace(NodeId at, Factor factor, const Doubles& bias) {
    Node& layer = graph_.nodes_for_pass()[static_cast<size_t>(at)];
    const Param& before = param(layer.inputs[1]);
    const Pattern pattern = before.pattern();
    std::vector<float> values = before.canonical(before.value);
    const std::vector<size_t> places = live_places(pattern);
    bool fits = std::all_of(bias.begin(), bias.end(), fits_float);
    for (size_t k = 0; k < places.size(); ++k) {
      const double scaled = double{values[k]} * factor(static_cast<int64_t>(places[k]) / pattern.cols(),
                                                       static_cast<int64_t>(places[k]) % pattern.cols());
      fits &= fits_float(scaled);
      values[k] = static_cast<float>(scaled);
    }
    if (!fits) return "the weights of " + described(layer) + " would not be finite";
    Param weight = Param::weight(before.name(), before.dims(), pattern);
    weight.set_canonical(weight.value, values);
    made_.insert_or_assign(weight.name(), std::move(weight));
    if (layer.inputs.size() < 3) layer.inputs.push_back(add_bias(layer));
    const Value& value = graph_.value(layer.inputs[2]);
    Param sums = Param::vector(value.name, value.shape.sizes);
    std::copy(bias.begin(), bias.end(), sums.value.begin());
    made_.insert_or_assign(value.name, std::move(sums));
    return "";
  }

  ValueId add_bias(const Node& layer) {
    const Value& weight = graph_.value(layer.inputs[1]);
    Value bias;
    const size_t dot = weight.name.rfind(".weight");
    bias.name = weight.name.substr(0, dot) + ".bias";
    while (graph_.find(bias.name) != kNoValue) bias.name += "_folded";
    bias.kind = ValueKind::kParam;
    bias.role = ParamRole::kBias;
    bias.shape = {"c", {weight.shape.size('o')}};
    bias.fan_in = weight.fan_in;
    return graph_.add_value(std::move(bias));
  }

  Network& network_;
  Graph graph_;
  std::map<std::string, Param> made_;
};

}  // namespace

Result<std::vector<FoldedNorm>> fold_batch_norm(Network& network) { return Folder(network).run(); }

}  // namespace coppice
