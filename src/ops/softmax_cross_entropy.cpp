// SPDX-License-Identifier: Apache-2.0
// softmax_cross_entropy: logits {f=classes}, target (class labels) -> loss per sample. Label smoothing e
// spreads e of the target evenly over all classes (Szegedy et al. 2016), as PyTorch does.
#include <cmath>

#include "ops/build.h"
#include "ops/support/losses.h"

namespace coppice {
namespace {

Result<std::vector<Value>> infer(const Graph& graph, const Node& node) {
  TRY(expect_inputs(node, 2, 2));
  const Value &logits = graph.value(node.inputs[0]), &target = graph.value(node.inputs[1]);
  if (logits.shape.axes != "f") return invalid("needs flat logits, got " + logits.shape.text());
  if (!target.integer) return invalid("needs class labels as target, the data has " + target.shape.text());
  const double smoothing = node.real("smoothing", 0.0);
  if (!(smoothing >= 0.0 && smoothing < 1.0)) return invalid("smoothing must be at least 0 and below 1");
  return one(tiled_value({"", {}}));
}
Status grad(GradBuilder& builder, const Node& node) {
  return builder.contribute(node.inputs[0], op_named("softmax_cross_entropy_grad"), node.inputs,
                            {{"smoothing", node.real("smoothing", 0.0)}});
}

double log_sum_exp(const double* logits, int64_t classes) {
  const double max = *std::max_element(logits, logits + classes);
  double sum = 0.0;
  for (int64_t c = 0; c < classes; ++c) sum += std::exp(logits[c] - max);
  return max + std::log(sum);
}
double wanted(int64_t c, int64_t label, int64_t classes, double smoothing) {
  return (c == label ? 1.0 - smoothing : 0.0) + smoothing / static_cast<double>(classes);
}

void reference(const ReferenceCall& call) {
  const int64_t classes = call.in[0]->shape.size('f');
  const double smoothing = call.node.real("smoothing", 0.0);
  for (int64_t n = 0; n < call.batch; ++n) {
    const double* logits = call.in[0]->data.data() + n * classes;
    const double total = log_sum_exp(logits, classes);
    const auto label = static_cast<int64_t>(call.in[1]->data[static_cast<size_t>(n)]);
    for (int64_t c = 0; c < classes; ++c)
      call.out[0]->data[static_cast<size_t>(n)] +=
          wanted(c, label, classes, smoothing) * (total - logits[c]) * call.weight(n);
  }
}
Status lower(Lowering& lowering, const Node& node) {
  return lower_loss(lowering, node, lowering.pointwise->softmax_cross_entropy);
}

void reference_grad(const ReferenceCall& call) {
  const int64_t classes = call.in[0]->shape.size('f');
  const double smoothing = call.node.real("smoothing", 0.0);
  for (int64_t n = 0; n < call.batch; ++n) {
    const double* logits = call.in[0]->data.data() + n * classes;
    const double total = log_sum_exp(logits, classes);
    const auto label = static_cast<int64_t>(call.in[1]->data[static_cast<size_t>(n)]);
    for (int64_t c = 0; c < classes; ++c)
      call.out[0]->data[static_cast<size_t>(n * classes + c)] =
          (std::exp(logits[c] - total) - wanted(c, label, classes, smoothing)) * call.loss_scale *
          call.weight(n);
  }
}
Status lower_grad(Lowering& lowering, const Node& node) {
  return lower_loss(lowering, node, lowering.pointwise->softmax_cross_entropy_grad);
}

std::vector<Sample> samples() {
  std::vector<Sample> out;
  for (const double smoothing : {0.0, 0.1}) {
    NetworkBuilder b;
    const ValueId x = b.input({"f", {8}});
    b.class_target();
    b.softmax_cross_entropy(b.linear("fc", x, 5), smoothing);
    out.push_back({smoothing > 0 ? "smoothed labels" : "plain labels", b.finish().take()});
  }
  return out;
}

constexpr AttributeDef kAttributes[] = {{"smoothing", AttributeKind::kReal}};

}  // namespace

std::vector<OpDef> softmax_cross_entropy_ops() {
  return {
      {.name = "softmax_cross_entropy",
       .summary = "loss of class labels, on logits",
       .attributes = kAttributes,
       .infer = infer,
       .grad = grad,
       .reference = reference,
       .lower = lower,
       .axes = pin_loss,
       .samples = samples},
      {.name = "softmax_cross_entropy_grad",
       .summary = "gradient of softmax_cross_entropy",
       .infer = infer_loss_grad,
       .reference = reference_grad,
       .lower = lower_grad},
  };
}

}  // namespace coppice
