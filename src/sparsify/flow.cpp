// SPDX-License-Identifier: Apache-2.0
#include "sparsify/flow.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/text.h"
#include "exec/oracle.h"
#include "graph/grad.h"
#include "graph/op.h"
#include "passes/nodes.h"

namespace coppice {
namespace {

// Evaluation knows no dropout, and its random numbers have no reference.
void remove_dropout(Graph& graph) {
  std::map<ValueId, ValueId> instead;
  for (Node& node : graph.nodes_for_pass()) {
    for (ValueId& in : node.inputs)
      if (const auto found = instead.find(in); found != instead.end()) in = found->second;
    if (is(node, "dropout")) instead[node.outputs[0]] = node.inputs[0];
  }
  if (const auto found = instead.find(graph.logits); found != instead.end()) graph.logits = found->second;
  std::erase_if(graph.nodes_for_pass(), [](const Node& node) { return is(node, "dropout"); });
}

}  // namespace

Result<std::map<std::string, std::vector<double>>> flow_gradients(
    Network& network, std::map<std::string, std::vector<double>> weights) {
  Graph graph = network.graph;
  remove_dropout(graph);
  TRY_ASSIGN(const std::vector<ValueId> gradient_of, build_gradients(graph));
  if (gradient_of[static_cast<size_t>(graph.logits)] == kNoValue)
    return unsupported(
        "the synaptic flow goes through the outputs that the loss reads, and this network says "
        "others; choose another method, such as snip");
  const auto elements = [&graph](ValueId id) {
    return static_cast<size_t>(graph.value(id).shape.elements());
  };

  OracleRun run;
  run.training = false;
  run.input.assign(elements(graph.input), 1.0);
  run.target.assign(elements(graph.target), 0.0);
  run.replace = std::move(weights);
  for (std::vector<Param>* list : {&network.params, &network.states})
    for (Param& param : *list) {
      auto& values = run.replace.try_emplace(param.name(), dense_values(param, param.value)).first->second;
      for (double& value : values) value = std::abs(value);
    }
  // The outputs themselves are added up, whatever the loss makes of them.
  const std::string outputs = graph.value(gradient_of[static_cast<size_t>(graph.logits)]).name;
  run.replace[outputs].assign(elements(graph.logits), 1.0);
  // In evaluation the statistics of batch norm are numbers that no gradient passes through.
  for (const Node& node : graph.nodes())
    if (is(node, "batch_norm_totals"))
      run.replace[graph.value(node.outputs[0]).name].assign(elements(node.outputs[0]), 0.0);

  TRY_ASSIGN(const std::vector<ReferenceArray> values, run_oracle(graph, network, run));
  const std::vector<double>& y = values[static_cast<size_t>(graph.logits)].data;
  const double flow = std::accumulate(y.begin(), y.end(), 0.0);
  if (!std::isfinite(flow) || flow <= 0)
    return unsupported("the synaptic flow through this network is " + shortest(flow) +
                       ", which ranks no weight; choose another method, such as snip");
  std::map<std::string, std::vector<double>> gradients;
  for (const Param& param : network.params) {
    const ValueId gradient = gradient_of[static_cast<size_t>(graph.find(param.name()))];
    if (!param.is_weight()) continue;
    // Nothing flows through what the outputs do not depend on.
    std::vector<double> over_flow = gradient == kNoValue
                                        ? std::vector<double>(static_cast<size_t>(param.total()))
                                        : values[static_cast<size_t>(gradient)].data;
    for (double& g : over_flow) g /= flow;
    gradients[param.name()] = std::move(over_flow);
  }
  return gradients;
}

}  // namespace coppice
