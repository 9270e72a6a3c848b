// SPDX-License-Identifier: Apache-2.0
// A graph of one's own, up to a step of training where it is small: what `coppice train --model mine.json`
// does.
#include <algorithm>

#include "graph/grad.h"
#include "graph/op.h"
#include "models/graph_json.h"
#include "models/models.h"
#include "support/step.h"
#include "support/target.h"

namespace coppice::fuzz {
namespace {

// The data that the graph would take, if it takes any.
ModelInput data_of(const Graph& graph) {
  const Shape& x = graph.value(graph.input).shape;
  ModelInput data;
  data.channels = static_cast<int>(x.has('f') ? x.size('f') : x.size('c'));
  data.height = static_cast<int>(x.size('h'));
  data.width = static_cast<int>(x.size('w'));
  data.outputs = static_cast<int>(graph.value(graph.logits).shape.elements());
  const auto& nodes = graph.nodes();
  const bool squares = std::any_of(nodes.begin(), nodes.end(), [](const Node& node) {
    return std::string_view(node.op->name) == "mean_squared_error";
  });
  data.task = graph.value(graph.target).integer ? Task::kClasses
              : squares                         ? Task::kRegression
                                                : Task::kLabels;
  return data;
}

}  // namespace

bool fuzz_graph(std::string_view input) {
  auto graph = graph_from_json(std::string(input));
  if (!taken(graph.status())) return false;
  const std::string written = graph_to_json(*graph);
  auto again = graph_from_json(written);
  require(again.ok() && graph_to_json(*again) == written, "a copy is the same graph");
  (void)taken(Network::size(*graph, {}).status());
  Graph with_gradients = *graph;
  if (!taken(build_gradients(with_gradients).status())) return true;
  require(taken(verify(with_gradients)), "a graph with gradients is a graph");
  testing::MemoryEnv env = env_with(input);
  if (!is_small(with_gradients) || !taken(read_graph(env, kPath, data_of(*graph)).status())) return true;
  auto network = Network::create(*graph, {}, 1);
  if (taken(network.status())) run_a_step(*network, true);
  return true;
}

}  // namespace coppice::fuzz
