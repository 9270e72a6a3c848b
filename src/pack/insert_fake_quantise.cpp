// SPDX-License-Identifier: Apache-2.0
#include "pack/insert_fake_quantise.h"

#include <algorithm>

#include "ops/ops.h"
#include "passes/nodes.h"
#include "structure/rewrite.h"

namespace coppice {
namespace {

// Whether a relu or clip is all that reads the value.
bool clips_alone(const Graph& graph, ValueId value) {
  const NodeId reader = only_reader(graph, value);
  return reader >= 0 && (is(graph.node(reader), "relu") || is(graph.node(reader), "clip"));
}

// Whether the network rounds the value itself.
bool is_rounded(const Graph& graph, ValueId value) {
  return std::any_of(graph.nodes().begin(), graph.nodes().end(), [value](const Node& node) {
    return is(node, "fake_quantise") && node.inputs[0] == value;
  });
}

// What it gives are numbers that it took, or 0.
bool only_moves(const Node& node) {
  for (const char* op : {"max_pool", "flatten", "slice", "pad", "dropout", "spread", "fake_quantise"})
    if (is(node, op)) return true;
  return false;
}

Status insert(Graph& graph, const std::string& name, const Quantisation& quantisation) {
  const ValueId value = graph.find(name);
  const bool activation = value != kNoValue && !graph.value(value).integer &&
                          (value == graph.input || graph.value(value).kind == ValueKind::kTiled);
  if (!activation)
    return not_found("'" + name + "' is no activation of the network, so it cannot be rounded");
  if (value == graph.logits || value == graph.loss)
    return invalid("'" + name + "' is what the network says, which is not rounded; leave it out");
  const NodeId from = graph.producer(value);
  TRY_ASSIGN(const std::vector<ValueId> made, graph.add(*find_op("fake_quantise"), name + ".rounded", {value},
                                                        {{"scale", double{quantisation.scale}},
                                                         {"zero_point", int64_t{quantisation.zero_point}}}));
  std::vector<Node>& nodes = graph.nodes_for_pass();
  for (auto reader = nodes.begin(); reader + 1 != nodes.end(); ++reader)
    std::replace(reader->inputs.begin(), reader->inputs.end(), value, made[0]);
  std::rotate(nodes.begin() + (from + 1), nodes.end() - 1, nodes.end());
  return {};
}

}  // namespace

Quantisations quantisations_of(const Graph& graph, const Ranges& ranges) {
  Quantisations out;
  for (const auto& [name, range] : ranges) {
    const ValueId value = graph.find(name);
    if (value == kNoValue || value == graph.logits || clips_alone(graph, value) || is_rounded(graph, value))
      continue;
    const NodeId from = graph.producer(value);
    if (from < 0 || !only_moves(graph.node(from))) out[name] = quantisation_of(range);
  }
  return out;
}

Result<int64_t> insert_fake_quantise(Network& network, const Quantisations& quantisations) {
  Graph graph = network.graph;
  for (const auto& [name, quantisation] : quantisations) TRY(insert(graph, name, quantisation));
  TRY(rebuild(network, graph));
  return static_cast<int64_t>(quantisations.size());
}

}  // namespace coppice
