// SPDX-License-Identifier: Apache-2.0
// sigmoid: y = 1 / (1 + exp(-x)); its gradient is dy * y * (1 - y).
#include <cmath>

#include "ops/build.h"
#include "ops/support/common.h"

namespace coppice {
namespace {

Result<std::vector<Value>> infer(const Graph& graph, const Node& node) {
  TRY(expect_inputs(node, 1, 1));
  return same_shape(graph, node);
}
Status grad(GradBuilder& builder, const Node& node) {
  return builder.contribute(node.inputs[0], op_named("sigmoid_grad"),
                            {builder.gradient_of(node.outputs[0]), node.outputs[0]});
}
void reference(const ReferenceCall& call) {
  for (size_t i = 0; i < call.out[0]->data.size(); ++i)
    call.out[0]->data[i] = 1.0 / (1.0 + std::exp(-call.in[0]->data[i]));
}
Status lower(Lowering& lowering, const Node& node) {
  return lower_map(lowering, node, lowering.pointwise->sigmoid);
}

// sigmoid_grad: dy, y -> dx
Result<std::vector<Value>> infer_grad(const Graph& graph, const Node& node) {
  TRY(expect_inputs(node, 2, 2));
  return same_shape(graph, node);
}
void reference_grad(const ReferenceCall& call) {
  for (size_t i = 0; i < call.out[0]->data.size(); ++i) {
    const double y = call.in[1]->data[i];
    call.out[0]->data[i] = call.in[0]->data[i] * y * (1.0 - y);
  }
}
Status lower_grad(Lowering& lowering, const Node& node) {
  return lower_map(lowering, node, lowering.pointwise->sigmoid_grad);
}

std::vector<Sample> samples() {
  NetworkBuilder b;
  const ValueId x = b.input({"f", {9}});
  b.dense_target({"f", {6}});
  b.mean_squared_error(b.apply("sigmoid", "sigmoid", {b.linear("fc", x, 6)}));
  std::vector<Sample> out;
  out.push_back({"sigmoid into a squared error", b.finish().take()});
  return out;
}

}  // namespace

std::vector<OpDef> sigmoid_ops() {
  return {
      {.name = "sigmoid",
       .summary = "y = 1 / (1 + exp(-x))",
       .infer = infer,
       .grad = grad,
       .reference = reference,
       .lower = lower,
       .samples = samples},
      {.name = "sigmoid_grad",
       .summary = "gradient of sigmoid",
       .infer = infer_grad,
       .reference = reference_grad,
       .lower = lower_grad},
  };
}

}  // namespace coppice
