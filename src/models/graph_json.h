// SPDX-License-Identifier: Apache-2.0
// The forward graph of a network as JSON, as docs/graph.md describes it. Part of every checkpoint.
#pragma once

#include <string>

#include "base/result.h"
#include "graph/graph.h"

namespace coppice {

// Persisted: a reader refuses a larger one.
inline constexpr int kGraphFormatVersion = 1;

// Every value is named; parameters and states come in the order of the graph. The same graph gives the same
// text.
std::string graph_to_json(const Graph& graph);

// The same with a line for each value and node, for people.
std::string graph_to_lines(const Graph& graph);

// Rebuilds and verifies it: ops are known, shapes follow from their rules and are the ones in the text. A
// failure starts with the node or value it is about.
Result<Graph> graph_from_json(const std::string& text);

}  // namespace coppice
