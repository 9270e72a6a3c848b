// SPDX-License-Identifier: Apache-2.0
// A graph of one's own, up to a step of training where it is small: what `coppice train --model mine.json`
// does.
#include "base/buffer.h"
#include "exec/executor.h"
#include "graph/grad.h"
#include "models/graph_json.h"
#include "models/models.h"
#include "support/target.h"

namespace coppice::fuzz {
namespace {

constexpr int kSamples = 3;

// The data that the graph would take, if it takes any.
ModelInput data_of(const Graph& graph) {
  const Shape& x = graph.value(graph.input).shape;
  ModelInput data;
  data.channels = static_cast<int>(x.has('f') ? x.size('f') : x.size('c'));
  data.height = static_cast<int>(x.size('h'));
  data.width = static_cast<int>(x.size('w'));
  data.outputs = static_cast<int>(graph.value(graph.logits).shape.elements());
  data.dense_targets = !graph.value(graph.target).integer;
  return data;
}

bool is_small(const Graph& graph) {
  constexpr int64_t kSmall = 1 << 14;
  int64_t elements = 0;
  for (const Value& value : graph.values()) {
    if (value.shape.elements() > kSmall) return false;
    elements += value.shape.elements();
  }
  return elements <= kSmall;
}

void train_a_step(const Graph& graph) {
  auto network = Network::create(graph, {}, 1);
  if (!taken(network.status())) return;
  ExecOptions options;
  options.batch = kSamples;
  options.memory_limit = 64 << 20;
  auto executor = Executor::create(*network, options);
  if (!taken(executor.status())) return;
  const auto tiled = [](int64_t elements, int width) {
    return Floats(static_cast<size_t>((kSamples + width - 1) / width * elements * width));
  };
  Floats x = tiled(graph.value(graph.input).shape.elements(), (*executor)->input_width());
  Floats target = tiled(graph.value(graph.target).shape.elements(), (*executor)->target_width());
  const BatchView batch{kSamples, x.data(), target.data()};
  (void)taken((*executor)->train_step({&batch, 1}, {}).status());
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
  if (is_small(with_gradients) && taken(read_graph(env, kPath, data_of(*graph)).status()))
    train_a_step(*graph);
  return true;
}

}  // namespace coppice::fuzz
