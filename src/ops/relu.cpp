// SPDX-License-Identifier: Apache-2.0
// relu: y = max(x, 0). Its gradient only needs y, so x need not live on.
#include "ops/build.h"
#include "ops/support/common.h"

namespace coppice {
namespace {

Result<std::vector<Value>> infer(const Graph& graph, const Node& node) {
  TRY(expect_inputs(node, 1, 1));
  return same_shape(graph, node);
}
Status grad(GradBuilder& builder, const Node& node) {
  return builder.contribute(node.inputs[0], op_named("relu_grad"),
                            {builder.gradient_of(node.outputs[0]), node.outputs[0]});
}
void reference(const ReferenceCall& call) {
  for (size_t i = 0; i < call.out[0]->data.size(); ++i)
    call.out[0]->data[i] = std::max(call.in[0]->data[i], 0.0);
}
Status lower(Lowering& lowering, const Node& node) {
  return lower_map(lowering, node, lowering.pointwise->relu);
}

// relu_grad: dy, y -> dx
Result<std::vector<Value>> infer_grad(const Graph& graph, const Node& node) {
  TRY(expect_inputs(node, 2, 2));
  return same_shape(graph, node);
}
void reference_grad(const ReferenceCall& call) {
  for (size_t i = 0; i < call.out[0]->data.size(); ++i)
    call.out[0]->data[i] = call.in[1]->data[i] > 0.0 ? call.in[0]->data[i] : 0.0;
}
Status lower_grad(Lowering& lowering, const Node& node) {
  return lower_map(lowering, node, lowering.pointwise->relu_grad);
}

std::vector<Sample> samples() {
  NetworkBuilder b;
  const ValueId x = b.input({"f", {12}});
  b.class_target();
  b.softmax_cross_entropy(b.relu("relu", b.linear("fc", x, 7)));
  std::vector<Sample> out;
  out.push_back({"relu before the loss", b.finish().take()});
  return out;
}

}  // namespace

std::vector<OpDef> relu_ops() {
  return {
      {.name = "relu",
       .summary = "y = max(x, 0)",
       .infer = infer,
       .grad = grad,
       .reference = reference,
       .lower = lower,
       .samples = samples},
      {.name = "relu_grad",
       .summary = "gradient of relu",
       .infer = infer_grad,
       .reference = reference_grad,
       .lower = lower_grad},
  };
}

}  // namespace coppice
