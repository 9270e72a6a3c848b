// SPDX-License-Identifier: Apache-2.0
#include "passes/fuse_relu.h"

#include "passes/nodes.h"

namespace coppice {
namespace {

Node* producer(std::vector<Node>& nodes, ValueId value) {
  for (Node& node : nodes)
    if (!node.outputs.empty() && node.outputs[0] == value) return &node;
  return nullptr;
}

// All readers of this relu's gradient are gradients of the very batch norm whose output went into the relu
// (by now fused into it); a sum of two batch norms before a relu, say, is none.
bool feeds_its_batch_norm_alone(const Graph& graph, const Node& relu_grad) {
  const NodeId from = graph.producer(relu_grad.inputs[1]);
  if (from < 0 || !is(graph.node(from), "batch_norm")) return false;
  // The gradients know x, not the residual that was added to it.
  if (graph.node(from).inputs.size() != 5) return false;
  bool any = false;
  for (const Node& node : graph.nodes())
    for (const ValueId in : node.inputs) {
      if (in != relu_grad.outputs[0]) continue;
      if (!is(node, "batch_norm_totals") && !is(node, "batch_norm_dx")) return false;
      if (node.inputs[0] != graph.node(from).inputs[0]) return false;
      any = true;
    }
  return any;
}

// A product that computes dx and has no mask yet.
bool takes_mask(const Node& node) {
  return (is(node, "linear_dx") && node.inputs.size() == 2) ||
         (is(node, "conv2d_grad") && node.inputs.size() == (node.integer("addend", 0) != 0 ? 4 : 3));
}

}  // namespace

int fuse_relu(Graph& graph, std::span<const ValueId> keep) {
  std::vector<Node>& nodes = graph.nodes_for_pass();
  int fused = 0;
  for (size_t n = 0; n < nodes.size();) {
    const Node node = nodes[n];
    Node* before = node.inputs.empty() ? nullptr : producer(nodes, node.inputs[0]);
    const bool alone = before && readers(graph, node.inputs[0]) == 1 && !contains(keep, node.inputs[0]);
    if (is(node, "relu") && alone &&
        (is(*before, "linear") || is(*before, "conv2d") || is(*before, "batch_norm") || is(*before, "add"))) {
      before->attributes["activation"] = std::string("relu");
    } else if (is(node, "relu_grad") && alone && takes_mask(*before)) {
      before->inputs.push_back(node.inputs[1]);
    } else if (is(node, "relu_grad") && feeds_its_batch_norm_alone(graph, node)) {
      // They find out from x where the output was above 0, which saves writing and reading dy once more.
      for (Node& reader : nodes)
        for (ValueId& in : reader.inputs)
          if (in == node.outputs[0]) {
            in = node.inputs[0];
            reader.attributes["activation"] = std::string("relu");
          }
      nodes.erase(nodes.begin() + static_cast<std::ptrdiff_t>(n));
      ++fused;
      continue;
    } else {
      ++n;
      continue;
    }
    before->outputs[0] = node.outputs[0];
    nodes.erase(nodes.begin() + static_cast<std::ptrdiff_t>(n));
    ++fused;
  }
  return fused;
}

}  // namespace coppice
