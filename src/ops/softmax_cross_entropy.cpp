// SPDX-License-Identifier: Apache-2.0
// softmax_cross_entropy: logits {f=classes}, target (class labels) -> loss per sample. Label smoothing e
// spreads e of the target evenly over all classes (Szegedy et al. 2016), as PyTorch does.
// A third input holds the logits of a teacher, which are constants to the gradient: with its share a and
// temperature T the loss is (1 - a) times the above + a T^2 KL(softmax(teacher / T) || softmax(logits / T))
// (Hinton et al. 2015).
#include <cmath>

#include "ops/build.h"
#include "ops/support/losses.h"

namespace coppice {
namespace {

struct Teacher {
  double share, temperature;
};
Teacher teacher_of(const Node& node) {
  return {node.inputs.size() < 3 ? 0.0 : node.real("teacher_share", 0.0), node.real("temperature", 1.0)};
}

Result<std::vector<Value>> infer(const Graph& graph, const Node& node) {
  TRY(expect_inputs(node, 2, 3));
  const Value &logits = graph.value(node.inputs[0]), &target = graph.value(node.inputs[1]);
  if (logits.shape.axes != "f") return invalid("needs flat logits, got " + logits.shape.text());
  if (!target.integer) return invalid("needs class labels as target, the data has " + target.shape.text());
  const double smoothing = node.real("smoothing", 0.0);
  if (!(smoothing >= 0.0 && smoothing < 1.0)) return invalid("smoothing must be at least 0 and below 1");
  if (node.inputs.size() < 3) return one(tiled_value({"", {}}));
  const Teacher teacher = teacher_of(node);
  if (!(graph.value(node.inputs[2]).shape == logits.shape))
    return invalid("its teacher says " + graph.value(node.inputs[2]).shape.text() + ", the network " +
                   logits.shape.text());
  if (!(teacher.share >= 0.0 && teacher.share <= 1.0))
    return invalid("teacher_share must be at least 0 and at most 1");
  if (!(teacher.temperature > 0.0 && teacher.temperature <= 1e6))
    return invalid("temperature must be above 0 and at most 1e6");
  return one(tiled_value({"", {}}));
}
Status grad(GradBuilder& builder, const Node& node) {
  return builder.contribute(node.inputs[0], op_named("softmax_cross_entropy_grad"), node.inputs,
                            node.attributes);
}

// Of logits / temperature.
double log_sum_exp(const double* logits, int64_t classes, double temperature = 1.0) {
  const double max = *std::max_element(logits, logits + classes);
  double sum = 0.0;
  for (int64_t c = 0; c < classes; ++c) sum += std::exp((logits[c] - max) / temperature);
  return max / temperature + std::log(sum);
}
double wanted(int64_t c, int64_t label, int64_t classes, double smoothing) {
  return (c == label ? 1.0 - smoothing : 0.0) + smoothing / static_cast<double>(classes);
}

void reference(const ReferenceCall& call) {
  const int64_t classes = call.in[0]->shape.size('f');
  const double smoothing = call.node.real("smoothing", 0.0);
  const Teacher teacher = teacher_of(call.node);
  const double t = teacher.temperature;
  for (int64_t n = 0; n < call.batch; ++n) {
    const double* logits = call.in[0]->data.data() + n * classes;
    const double total = log_sum_exp(logits, classes);
    const auto label = static_cast<int64_t>(call.in[1]->data[static_cast<size_t>(n)]);
    double loss = 0;
    for (int64_t c = 0; c < classes; ++c)
      loss += (1.0 - teacher.share) * wanted(c, label, classes, smoothing) * (total - logits[c]);
    if (teacher.share > 0) {
      const double* said = call.in[2]->data.data() + n * classes;
      const double all = log_sum_exp(said, classes, t), own = log_sum_exp(logits, classes, t);
      for (int64_t c = 0; c < classes; ++c)
        loss += teacher.share * t * t * std::exp(said[c] / t - all) *
                ((said[c] / t - all) - (logits[c] / t - own));
    }
    call.out[0]->data[static_cast<size_t>(n)] = loss * call.weight(n);
  }
}
Status lower(Lowering& lowering, const Node& node) {
  return lower_loss(lowering, node, lowering.pointwise->softmax_cross_entropy);
}

void reference_grad(const ReferenceCall& call) {
  const int64_t classes = call.in[0]->shape.size('f');
  const double smoothing = call.node.real("smoothing", 0.0);
  const Teacher teacher = teacher_of(call.node);
  const double t = teacher.temperature;
  for (int64_t n = 0; n < call.batch; ++n) {
    const double* logits = call.in[0]->data.data() + n * classes;
    const double total = log_sum_exp(logits, classes), own = log_sum_exp(logits, classes, t);
    const auto label = static_cast<int64_t>(call.in[1]->data[static_cast<size_t>(n)]);
    for (int64_t c = 0; c < classes; ++c) {
      double gradient =
          (1.0 - teacher.share) * (std::exp(logits[c] - total) - wanted(c, label, classes, smoothing));
      if (teacher.share > 0) {
        const double* said = call.in[2]->data.data() + n * classes;
        gradient += teacher.share * t *
                    (std::exp(logits[c] / t - own) - std::exp(said[c] / t - log_sum_exp(said, classes, t)));
      }
      call.out[0]->data[static_cast<size_t>(n * classes + c)] = gradient * call.loss_scale * call.weight(n);
    }
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
  for (const double share : {0.7, 1.0}) {
    NetworkBuilder b;
    const ValueId x = b.input({"f", {8}});
    b.class_target();
    b.softmax_cross_entropy(b.linear("fc", x, 8), 0.1);
    Graph graph = b.finish().take();
    Node& loss = graph.nodes_for_pass().back();
    loss.inputs.push_back(x);
    loss.attributes["teacher_share"] = share;
    loss.attributes["temperature"] = 3.0;
    out.push_back({share < 1 ? "labels and a teacher" : "a teacher alone", std::move(graph)});
  }
  return out;
}

constexpr AttributeDef kAttributes[] = {{"smoothing", AttributeKind::kReal},
                                        {"teacher_share", AttributeKind::kReal},
                                        {"temperature", AttributeKind::kReal}};

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
