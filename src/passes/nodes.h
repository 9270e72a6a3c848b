// SPDX-License-Identifier: Apache-2.0
// Questions that passes ask about a graph.
#pragma once

#include <algorithm>
#include <span>
#include <string_view>

#include "graph/graph.h"
#include "graph/op.h"

namespace coppice {

inline bool is(const Node& node, std::string_view name) { return name == node.op->name; }

// How many nodes read the value; the network's own outputs count as read.
inline int readers(const Graph& graph, ValueId value) {
  int count = value == graph.logits || value == graph.loss ? 1 : 0;
  for (const Node& node : graph.nodes())
    count += static_cast<int>(std::count(node.inputs.begin(), node.inputs.end(), value));
  return count;
}

// The node that alone reads the value, once; -1 where there is none, or the network's own outputs are among
// its readers.
inline NodeId only_reader(const Graph& graph, ValueId value) {
  if (readers(graph, value) != 1) return -1;
  for (NodeId n = 0; n < static_cast<NodeId>(graph.nodes().size()); ++n) {
    const std::vector<ValueId>& inputs = graph.node(n).inputs;
    if (std::find(inputs.begin(), inputs.end(), value) != inputs.end()) return n;
  }
  return -1;
}

inline bool contains(std::span<const ValueId> values, ValueId value) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

}  // namespace coppice
