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

inline bool contains(std::span<const ValueId> values, ValueId value) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

}  // namespace coppice
