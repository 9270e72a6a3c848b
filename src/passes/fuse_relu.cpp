// SPDX-License-Identifier: Apache-2.0
#include "passes/fuse_relu.h"

#include <algorithm>
#include <string_view>

#include "graph/op.h"

namespace coppice {
namespace {

bool is(const Node& node, std::string_view name) { return name == node.op->name; }

// How many nodes read the value; the network's own outputs count as read.
int readers(const Graph& graph, ValueId value) {
  int count = value == graph.logits || value == graph.loss ? 1 : 0;
  for (const Node& node : graph.nodes())
    count += static_cast<int>(std::count(node.inputs.begin(), node.inputs.end(), value));
  return count;
}

Node* producer(std::vector<Node>& nodes, ValueId value) {
  for (Node& node : nodes)
    if (!node.outputs.empty() && node.outputs[0] == value) return &node;
  return nullptr;
}

}  // namespace

int fuse_relu(Graph& graph) {
  std::vector<Node>& nodes = graph.nodes_for_pass();
  int fused = 0;
  for (size_t n = 0; n < nodes.size();) {
    const Node node = nodes[n];
    Node* before = node.inputs.empty() ? nullptr : producer(nodes, node.inputs[0]);
    const bool alone = before && readers(graph, node.inputs[0]) == 1;
    if (is(node, "relu") && alone && (is(*before, "linear") || is(*before, "conv2d"))) {
      before->attributes["activation"] = std::string("relu");
    } else if (is(node, "relu_grad") && alone && is(*before, "linear_dx") && before->inputs.size() == 2) {
      before->inputs.push_back(node.inputs[1]);
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
