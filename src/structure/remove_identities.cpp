// SPDX-License-Identifier: Apache-2.0
#include "structure/remove_identities.h"

#include <algorithm>
#include <limits>
#include <string_view>

#include "graph/op.h"
#include "passes/nodes.h"
#include "structure/rewrite.h"

namespace coppice {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Where all numbers of a value lie, whatever the input.
struct Range {
  double low = -kInfinity, high = kInfinity;
};

bool is_one_of(const Node& node, std::initializer_list<std::string_view> names) {
  return std::find(names.begin(), names.end(), node.op->name) != names.end();
}

Range clipped(const Node& node, Range x) {
  const double low = node.real("min", -kInfinity), high = node.real("max", kInfinity);
  return {std::clamp(x.low, low, high), std::clamp(x.high, low, high)};
}

Range joined(Range a, Range b) { return {std::min(a.low, b.low), std::max(a.high, b.high)}; }

// From the ranges of the inputs. What is computed by sums and products is known by its sign alone: rounding
// moves a limit, but never across 0.
Range range_of(const Node& node, const std::vector<Range>& in) {
  if (is(node, "relu") || node.text("activation", "") == "relu")
    return {std::max(0.0, in[0].low), is(node, "relu") ? std::max(0.0, in[0].high) : kInfinity};
  if (is(node, "clip")) return clipped(node, in[0]);
  if (is_one_of(node, {"sigmoid", "hard_sigmoid"})) return {0.0, kInfinity};
  if (is_one_of(node, {"max_pool", "flatten", "slice", "dropout", "spread"})) return in[0];
  if (is(node, "pad")) return joined(in[0], {0.0, 0.0});
  if (is(node, "concat")) {
    Range all = in[0];
    for (const Range& one : in) all = joined(all, one);
    return all;
  }
  const bool positive = std::all_of(in.begin(), in.end(), [](const Range& x) { return x.low >= 0.0; });
  if (is_one_of(node, {"avg_pool", "global_pool", "add", "mul"}) && positive) return {0.0, kInfinity};
  return {};
}

bool has_window(const Node& node) {
  const auto at = node.attributes.find("kernel");
  if (at == node.attributes.end()) return true;  // of the usual size
  if (const auto* one = std::get_if<int64_t>(&at->second)) return *one != 1;
  const auto& list = std::get<std::vector<int64_t>>(at->second);
  return std::any_of(list.begin(), list.end(), [](int64_t size) { return size != 1; });
}

// Why the node gives on its first input as it is; empty where it does not.
std::string why_identity(const Graph& graph, const Node& node, const std::vector<Range>& in) {
  const Shape &x = graph.value(node.inputs[0]).shape, &y = graph.value(node.outputs[0]).shape;
  if (is(node, "dropout")) return "it drops nothing in an evaluation";
  // What keeps the shape and never repeats an element keeps all of them in their places.
  if (is_one_of(node, {"slice", "pad", "concat", "flatten"}) && x == y)
    return "everything stays where it was";
  if (is_one_of(node, {"max_pool", "avg_pool"}) && !has_window(node) && x == y)
    return "its windows have one pixel";
  if (is_one_of(node, {"relu", "leaky_relu", "prelu", "elu"}) && in[0].low >= 0.0)
    return "its input is never negative";
  if (is(node, "clip")) {
    const Range after = clipped(node, in[0]);
    if (after.low == in[0].low && after.high == in[0].high) return "its input lies within its limits";
  }
  return "";
}

}  // namespace

Result<std::vector<RemovedNode>> remove_identities(Network& network) {
  Graph graph = network.graph;
  std::vector<Range> ranges(graph.values().size());
  std::vector<RemovedNode> removed;
  for (NodeId n = 0; n < static_cast<NodeId>(graph.nodes().size());) {
    const Node& node = graph.node(n);
    std::vector<Range> in;
    for (const ValueId id : node.inputs) in.push_back(ranges[static_cast<size_t>(id)]);
    ranges[static_cast<size_t>(node.outputs[0])] = range_of(node, in);
    const std::string why = why_identity(graph, node, in);
    if (why.empty() || !can_bypass(graph, n)) {
      ++n;
      continue;
    }
    removed.push_back({node.op->name, node.name, why});
    bypass(graph, n);
  }
  TRY(rebuild(network, graph));
  return removed;
}

}  // namespace coppice
