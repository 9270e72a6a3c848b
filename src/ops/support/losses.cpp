// SPDX-License-Identifier: Apache-2.0
// Common to the losses.
#include "ops/support/losses.h"

namespace coppice {

void pin_loss(AxisMap& map, const Node& node) {
  const std::string why = std::string("is judged by ") + node.op->name + " '" + node.name + "'";
  map.mix(why);
  for (const ValueId in : node.inputs) map.pin(in, why);
}

Status lower_loss(Lowering& lowering, const Node& node, coppice_kernel kernel) {
  const int width = lowering.width(node.inputs[0]);
  for (const ValueId in : node.inputs) {
    if (lowering.width(in) != width)
      return invalid("loss '" + node.name + "': outputs and target are tiled differently");
    if (lowering.value(in).halo > 0)
      return unsupported("loss '" + node.name +
                         "': its input also feeds a convolution; give the loss a copy of its own");
  }
  auto call = lowering.call<coppice_loss_args>(node.name, kernel, width);
  call.in(&coppice_loss_args::logits, node.inputs[0])
      .in(&coppice_loss_args::target, node.inputs[1])
      .out(&coppice_loss_args::out, node.outputs[0]);
  call.args().rows = static_cast<int32_t>(lowering.value(node.inputs[0]).elements);
  call.args().smoothing = static_cast<float>(node.real("smoothing", 0.0));
  if (node.inputs.size() < 3) return {};
  call.in(&coppice_loss_args::teacher, node.inputs[2]);
  call.args().teacher_share = static_cast<float>(node.real("teacher_share", 0.0));
  call.args().temperature = static_cast<float>(node.real("temperature", 1.0));
  return {};
}

Result<std::vector<Value>> infer_loss_grad(const Graph& graph, const Node& node) {
  TRY(expect_inputs(node, 2, 3));
  return one(tiled_value(graph.value(node.inputs[0]).shape));
}

Result<std::vector<Value>> infer_dense_loss(const Graph& graph, const Node& node) {
  TRY(expect_inputs(node, 2, 2));
  const Value &outputs = graph.value(node.inputs[0]), &target = graph.value(node.inputs[1]);
  if (target.integer) return invalid("needs one number per output as target, the data has class labels");
  if (outputs.shape.elements() != target.shape.elements())
    return invalid("the network has " + outputs.shape.text() + " outputs, the target is " +
                   target.shape.text());
  return one(tiled_value({"", {}}));
}

}  // namespace coppice
