// SPDX-License-Identifier: Apache-2.0
#include "graph/grad.h"

namespace coppice {

ValueId GradBuilder::gradient_of(ValueId value) const {
  return static_cast<size_t>(value) < gradients_.size() ? gradients_[static_cast<size_t>(value)] : kNoValue;
}

bool GradBuilder::needs_gradient(ValueId value) const { return needed_[static_cast<size_t>(value)]; }

Status GradBuilder::contribute(ValueId target, const OpDef& op, std::vector<ValueId> inputs,
                               Attributes attributes) {
  if (!needs_gradient(target)) return {};
  std::string name = "d " + graph_.value(target).name;
  for (int copy = 1; graph_.find(name) != kNoValue; ++copy)
    name = "d " + graph_.value(target).name + "." + std::to_string(copy);
  TRY_ASSIGN(const std::vector<ValueId> out, graph_.add(op, name, std::move(inputs), std::move(attributes)));
  return pass_on(target, out[0]);
}

Result<std::vector<ValueId>> GradBuilder::append(const std::string& name, const OpDef& op,
                                                 std::vector<ValueId> inputs, Attributes attributes) {
  return graph_.add(op, name, std::move(inputs), std::move(attributes));
}

Status GradBuilder::pass_on(ValueId target, ValueId gradient) {
  if (!needs_gradient(target)) return {};
  ValueId& booked = gradients_[static_cast<size_t>(target)];
  if (booked == kNoValue) {
    booked = gradient;
    return {};
  }
  const std::string& name = graph_.value(target).name;
  if (graph_.value(target).kind == ValueKind::kParam)
    return unsupported("parameter '" + name +
                       "' is used by two nodes; shared weights cannot be trained yet, give each "
                       "node its own");
  if (!graph_.sum)
    return invalid("value '" + name +
                   "' is read twice, and whoever built the graph set no op that adds up gradients");
  std::string sum_name = "d " + name + " sum";
  while (graph_.find(sum_name) != kNoValue) sum_name += "'";
  TRY_ASSIGN(const std::vector<ValueId> sum, graph_.add(*graph_.sum, sum_name, {booked, gradient}));
  booked = sum[0];
  return {};
}

Result<std::vector<ValueId>> build_gradients(Graph& graph) {
  if (graph.loss == kNoValue) return invalid("the network has no loss, so there is nothing to differentiate");
  GradBuilder builder(graph);
  builder.needed_.assign(graph.values().size(), false);
  for (size_t v = 0; v < graph.values().size(); ++v)
    builder.needed_[v] = graph.values()[v].kind == ValueKind::kParam && !graph.values()[v].frozen;
  for (const Node& node : graph.nodes())
    for (const ValueId in : node.inputs)
      if (builder.needed_[static_cast<size_t>(in)])
        for (const ValueId out : node.outputs) builder.needed_[static_cast<size_t>(out)] = true;
  builder.gradients_.assign(graph.values().size(), kNoValue);

  const size_t forward_nodes = graph.nodes().size();
  for (size_t n = forward_nodes; n-- > 0;) {
    const Node node = graph.nodes()[n];  // a copy: appending moves the nodes
    bool reached = false, needed = false;
    for (const ValueId out : node.outputs) {
      reached = reached || out == graph.loss || builder.gradient_of(out) != kNoValue;
      needed = needed || builder.needs_gradient(out);
    }
    if (!reached || !needed) continue;
    if (!node.op->grad)
      return unsupported(std::string(node.op->name) + " '" + node.name + "': this op cannot be trained");
    TRY(node.op->grad(builder, node).within(std::string(node.op->name) + " '" + node.name + "'"));
  }
  builder.gradients_.resize(graph.values().size(), kNoValue);
  return builder.gradients_;
}

}  // namespace coppice
