// SPDX-License-Identifier: Apache-2.0
// A graph of one's own, as far as its gradients: what `coppice train --model mine.json` does before it takes
// memory.
#include "exec/network.h"
#include "graph/grad.h"
#include "models/graph_json.h"
#include "support/target.h"

namespace coppice::fuzz {

bool fuzz_graph(std::string_view input) {
  auto graph = graph_from_json(std::string(input));
  if (!taken(graph.status())) return false;
  const std::string written = graph_to_json(*graph);
  auto again = graph_from_json(written);
  require(again.ok() && graph_to_json(*again) == written, "a copy is the same graph");
  (void)taken(Network::size(*graph, {}).status());
  Graph with_gradients = *graph;
  if (taken(build_gradients(with_gradients).status()))
    require(taken(verify(with_gradients)), "a graph with gradients is a graph");
  return true;
}

}  // namespace coppice::fuzz
