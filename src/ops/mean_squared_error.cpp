// SPDX-License-Identifier: Apache-2.0
// mean_squared_error: outputs, target -> loss per sample, the mean over its outputs.
#include <cmath>

#include "ops/build.h"
#include "ops/support/losses.h"

namespace coppice {
namespace {

Status grad(GradBuilder& builder, const Node& node) {
  return builder.contribute(node.inputs[0], op_named("mean_squared_error_grad"), node.inputs);
}
void reference(const ReferenceCall& call) {
  const int64_t outputs = call.in[0]->shape.elements();
  for (int64_t i = 0; i < call.batch * outputs; ++i) {
    const double x = call.in[0]->data[static_cast<size_t>(i)], t = call.in[1]->data[static_cast<size_t>(i)];
    call.out[0]->data[static_cast<size_t>(i / outputs)] +=
        ((x - t) * (x - t)) * call.weight(i / outputs) / static_cast<double>(outputs);
  }
}
Status lower(Lowering& lowering, const Node& node) {
  return lower_loss(lowering, node, lowering.pointwise->mean_squared_error);
}

void reference_grad(const ReferenceCall& call) {
  const int64_t outputs = call.in[0]->shape.elements();
  for (int64_t i = 0; i < call.batch * outputs; ++i) {
    const double x = call.in[0]->data[static_cast<size_t>(i)], t = call.in[1]->data[static_cast<size_t>(i)];
    call.out[0]->data[static_cast<size_t>(i)] =
        (2.0 * (x - t)) * call.loss_scale * call.weight(i / outputs) / static_cast<double>(outputs);
  }
}
Status lower_grad(Lowering& lowering, const Node& node) {
  return lower_loss(lowering, node, lowering.pointwise->mean_squared_error_grad);
}

std::vector<Sample> samples() {
  NetworkBuilder b;
  const ValueId x = b.input({"f", {8}});
  b.dense_target({"f", {5}});
  b.mean_squared_error(b.linear("fc", x, 5));
  std::vector<Sample> out;
  out.push_back({"one linear layer", b.finish().take()});
  return out;
}

}  // namespace

std::vector<OpDef> mean_squared_error_ops() {
  return {
      {.name = "mean_squared_error",
       .summary = "loss of real targets",
       .infer = infer_dense_loss,
       .grad = grad,
       .reference = reference,
       .lower = lower,
       .axes = pin_loss,
       .samples = samples},
      {.name = "mean_squared_error_grad",
       .summary = "gradient of mean_squared_error",
       .infer = infer_loss_grad,
       .reference = reference_grad,
       .lower = lower_grad},
  };
}

}  // namespace coppice
