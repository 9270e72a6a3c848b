// SPDX-License-Identifier: Apache-2.0
#include "passes/recompute.h"

#include "passes/nodes.h"

namespace coppice {
namespace {

// The first gradient node that reads the value; -1 if none does, or no node of the forward pass.
NodeId first_late_reader(const Graph& graph, ValueId value, NodeId loss) {
  bool early = false;
  for (NodeId n = 0; n < static_cast<NodeId>(graph.nodes().size()); ++n) {
    const std::vector<ValueId>& inputs = graph.node(n).inputs;
    if (std::find(inputs.begin(), inputs.end(), value) == inputs.end()) continue;
    if (n > loss) return early ? n : -1;
    early = true;
  }
  return -1;
}

// The input of a gradient node that is computed last; kNoValue if none is a gradient.
ValueId last_gradient(const Graph& graph, const Node& reader, NodeId loss) {
  ValueId last = kNoValue;
  NodeId made = loss;
  for (const ValueId in : reader.inputs)
    if (graph.producer(in) > made) {
      made = graph.producer(in);
      last = in;
    }
  return last;
}

}  // namespace

int recompute(Graph& graph) {
  const NodeId loss = graph.producer(graph.loss);
  std::vector<Node>& nodes = graph.nodes_for_pass();
  int added = 0;
  for (size_t n = 0; n < static_cast<size_t>(loss); ++n) {
    const Node node = nodes[n];
    if (!node.op->again) continue;
    const NodeId reader = first_late_reader(graph, node.outputs[0], loss);
    if (reader < 0) continue;
    // Not before that is there: whatever can run is scheduled at once, and would then be kept after all.
    const ValueId after = last_gradient(graph, graph.node(reader), loss);
    if (after == kNoValue) continue;
    Node again = node.op->again(node, after);
    if (!again.op) continue;
    Value value = graph.value(node.outputs[0]);
    value.name += " again";
    while (graph.find(value.name) != kNoValue) value.name += "'";
    again.name = value.name;
    again.outputs = {graph.add_value(std::move(value))};
    for (size_t late = static_cast<size_t>(loss) + 1; late < nodes.size(); ++late)
      std::replace(nodes[late].inputs.begin(), nodes[late].inputs.end(), node.outputs[0], again.outputs[0]);
    nodes.insert(nodes.begin() + reader, std::move(again));
    ++added;
  }
  return added;
}

}  // namespace coppice
