// SPDX-License-Identifier: Apache-2.0
#include "exec/oracle.h"

namespace coppice {

std::vector<double> dense_values(const Param& param, const Floats& array) {
  const std::vector<float> live = param.canonical(array);
  if (!param.is_weight()) return {live.begin(), live.end()};
  const Pattern pattern = param.pattern();
  std::vector<double> out(static_cast<size_t>(pattern.total()), 0.0);
  size_t k = 0;
  for (const size_t place : live_places(pattern)) out[place] = static_cast<double>(live[k++]);
  return out;
}

Result<std::vector<ReferenceArray>> run_oracle(const Graph& graph, Network& network, const OracleRun& run) {
  std::vector<ReferenceArray> values(graph.values().size());
  for (size_t v = 0; v < values.size(); ++v) {
    const Value& value = graph.values()[v];
    const auto id = static_cast<ValueId>(v);
    values[v].shape = value.shape;
    if (id == graph.input) values[v].data = run.input;
    if (id == graph.target) values[v].data = run.target;
    if (value.kind != ValueKind::kParam && value.kind != ValueKind::kState) continue;
    const auto replaced = run.replace.find(value.name);
    const Param& param = network.param(id);
    values[v].data = replaced != run.replace.end() ? replaced->second : dense_values(param, param.value);
  }
  for (const Node& node : graph.nodes()) {
    if (!node.op->reference)
      return unsupported(std::string(node.op->name) + " '" + node.name +
                         "': has no double-precision reference");
    ReferenceCall call{
        node, run.batch, run.training,      1.0 / static_cast<double>(run.batch), run.seed, run.step,
        {},   {},        run.sample_weights};
    for (const ValueId in : node.inputs) call.in.push_back(&values[static_cast<size_t>(in)]);
    for (const ValueId out : node.outputs) {
      ReferenceArray& array = values[static_cast<size_t>(out)];
      const int64_t copies = graph.value(out).kind == ValueKind::kTiled ? run.batch : 1;
      array.data.assign(static_cast<size_t>(array.shape.elements() * copies), 0.0);
      call.out.push_back(&array);
    }
    (run.smooth && node.op->smooth ? node.op->smooth : node.op->reference)(call);
    for (const ValueId out : node.outputs)
      if (const auto replaced = run.replace.find(graph.value(out).name); replaced != run.replace.end())
        values[static_cast<size_t>(out)].data = replaced->second;
  }
  return values;
}

double oracle_loss(const Graph& graph, const std::vector<ReferenceArray>& values) {
  const std::vector<double>& loss = values[static_cast<size_t>(graph.loss)].data;
  double sum = 0.0;
  for (const double one : loss) sum += one;
  return sum / static_cast<double>(loss.size());
}

}  // namespace coppice
