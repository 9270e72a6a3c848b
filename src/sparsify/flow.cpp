// SPDX-License-Identifier: Apache-2.0
#include "sparsify/flow.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/text.h"
#include "exec/oracle.h"
#include "graph/grad.h"
#include "graph/op.h"

namespace coppice {
namespace {

bool is_op(const Node& node, const char* name) { return std::string(node.op->name) == name; }

// Evaluation knows no dropout, and its random numbers have no reference.
void remove_dropout(Graph& graph) {
  std::map<ValueId, ValueId> instead;
  for (Node& node : graph.nodes_for_pass()) {
    for (ValueId& in : node.inputs)
      if (const auto found = instead.find(in); found != instead.end()) in = found->second;
    if (is_op(node, "dropout")) instead[node.outputs[0]] = node.inputs[0];
  }
  std::erase_if(graph.nodes_for_pass(), [](const Node& node) { return is_op(node, "dropout"); });
}

}  // namespace

Result<std::map<std::string, std::vector<double>>> flow_gradients(
    Network& network, std::map<std::string, std::vector<double>> weights) {
  Graph graph = network.graph;
  remove_dropout(graph);
  TRY_ASSIGN(const std::vector<ValueId> gradient_of, build_gradients(graph));
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
    if (is_op(node, "batch_norm_totals"))
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
    if (!param.is_weight() || gradient == kNoValue) continue;
    std::vector<double> over_flow = values[static_cast<size_t>(gradient)].data;
    for (double& g : over_flow) g /= flow;
    gradients[param.name()] = std::move(over_flow);
  }
  return gradients;
}

}  // namespace coppice
