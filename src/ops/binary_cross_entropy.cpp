// SPDX-License-Identifier: Apache-2.0
// binary_cross_entropy: logits, target in [0, 1] -> loss per sample, the mean over its outputs. On logits, as
// that is exact where a sigmoid followed by a logarithm is not.
#include <cmath>

#include "ops/build.h"
#include "ops/support/losses.h"

namespace coppice {
namespace {

Status grad(GradBuilder& builder, const Node& node) {
  return builder.contribute(node.inputs[0], op_named("binary_cross_entropy_grad"), node.inputs);
}
void reference(const ReferenceCall& call) {
  const int64_t outputs = call.in[0]->shape.elements();
  for (int64_t i = 0; i < call.batch * outputs; ++i) {
    const double x = call.in[0]->data[static_cast<size_t>(i)], t = call.in[1]->data[static_cast<size_t>(i)];
    call.out[0]->data[static_cast<size_t>(i / outputs)] +=
        (std::max(x, 0.0) - x * t + std::log1p(std::exp(-std::abs(x)))) * call.weight(i / outputs) /
        static_cast<double>(outputs);
  }
}
Status lower(Lowering& lowering, const Node& node) {
  return lower_loss(lowering, node, lowering.pointwise->binary_cross_entropy);
}

void reference_grad(const ReferenceCall& call) {
  const int64_t outputs = call.in[0]->shape.elements();
  for (int64_t i = 0; i < call.batch * outputs; ++i) {
    const double x = call.in[0]->data[static_cast<size_t>(i)], t = call.in[1]->data[static_cast<size_t>(i)];
    call.out[0]->data[static_cast<size_t>(i)] = (1.0 / (1.0 + std::exp(-x)) - t) * call.loss_scale *
                                                call.weight(i / outputs) / static_cast<double>(outputs);
  }
}
Status lower_grad(Lowering& lowering, const Node& node) {
  return lower_loss(lowering, node, lowering.pointwise->binary_cross_entropy_grad);
}

std::vector<Sample> samples() {
  NetworkBuilder b;
  const ValueId x = b.input({"f", {8}});
  b.dense_target({"f", {5}});
  b.binary_cross_entropy(b.linear("fc", x, 5));
  std::vector<Sample> out;
  out.push_back({"one linear layer", b.finish().take()});
  return out;
}

}  // namespace

std::vector<OpDef> binary_cross_entropy_ops() {
  return {
      {.name = "binary_cross_entropy",
       .summary = "loss of yes/no targets, on logits",
       .infer = infer_dense_loss,
       .grad = grad,
       .reference = reference,
       .lower = lower,
       .axes = pin_loss,
       .samples = samples},
      {.name = "binary_cross_entropy_grad",
       .summary = "gradient of binary_cross_entropy",
       .infer = infer_loss_grad,
       .reference = reference_grad,
       .lower = lower_grad},
  };
}

}  // namespace coppice
