// SPDX-License-Identifier: Apache-2.0
#include "passes/fuse_add.h"

#include "passes/nodes.h"

namespace coppice {
namespace {

// Whether the first output of the node can be given something to add to it.
bool takes_addend(const Node& node) {
  return (is(node, "batch_norm") && node.inputs.size() == 5 && node.text("activation", "").empty()) ||
         (is(node, "conv2d_grad") && node.inputs.size() == 3);
}

// The node whose first output is the operand, which the sum alone reads; -1 if it cannot take the other one.
// The node will move to the place of the sum, so nobody between them may read its other outputs.
NodeId partner(const Graph& graph, std::span<const ValueId> keep, NodeId sum, ValueId operand) {
  const NodeId from = graph.producer(operand);
  if (from < 0 || graph.node(from).outputs[0] != operand || !takes_addend(graph.node(from)) ||
      readers(graph, operand) != 1 || contains(keep, operand))
    return -1;
  const std::vector<ValueId>& outputs = graph.node(from).outputs;
  for (NodeId n = from + 1; n < sum; ++n)
    for (const ValueId in : graph.node(n).inputs)
      if (std::find(outputs.begin(), outputs.end(), in) != outputs.end()) return -1;
  return from;
}

}  // namespace

int fuse_add(Graph& graph, std::span<const ValueId> keep) {
  std::vector<Node>& nodes = graph.nodes_for_pass();
  int fused = 0;
  for (size_t n = 0; n < nodes.size(); ++n) {
    const Node sum = nodes[n];
    if (!is(sum, "add") || !sum.text("activation", "").empty() || sum.inputs[0] == sum.inputs[1]) continue;
    const NodeId left = partner(graph, keep, static_cast<NodeId>(n), sum.inputs[0]),
                 right = partner(graph, keep, static_cast<NodeId>(n), sum.inputs[1]);
    if (left < 0 && right < 0) continue;
    // The later one: what it waits for is there by then.
    const bool takes_left = left > right;
    const auto from = static_cast<size_t>(takes_left ? left : right);
    Node whole = nodes[from];
    whole.inputs.push_back(sum.inputs[takes_left ? 1 : 0]);
    whole.outputs[0] = sum.outputs[0];
    if (is(whole, "conv2d_grad")) whole.attributes["addend"] = int64_t{1};
    nodes[n] = std::move(whole);
    nodes.erase(nodes.begin() + static_cast<std::ptrdiff_t>(from));
    --n;
    ++fused;
  }
  return fused;
}

}  // namespace coppice
