// SPDX-License-Identifier: Apache-2.0
// mul: y = a * b of one shape; each input receives dy times the other one.
#include "ops/build.h"
#include "ops/support/common.h"

namespace coppice {
namespace {

Result<std::vector<Value>> infer(const Graph& graph, const Node& node) {
  TRY(expect_inputs(node, 2, 2));
  return same_shape(graph, node);
}
Status grad(GradBuilder& builder, const Node& node) {
  const ValueId dy = builder.gradient_of(node.outputs[0]);
  for (const size_t i : {size_t{0}, size_t{1}})
    TRY(builder.contribute(node.inputs[i], op_named("mul"), {dy, node.inputs[1 - i]}));
  return {};
}
void reference(const ReferenceCall& call) {
  for (size_t i = 0; i < call.out[0]->data.size(); ++i)
    call.out[0]->data[i] = call.in[0]->data[i] * call.in[1]->data[i];
}
Status lower(Lowering& lowering, const Node& node) {
  return lower_map(lowering, node, lowering.pointwise->mul);
}

std::vector<Sample> samples() {
  std::vector<Sample> out;
  NetworkBuilder flat;
  ValueId x = flat.input({"f", {10}});
  flat.class_target();
  const ValueId gate = flat.apply("sigmoid", "gate", {flat.linear("fc1", x, 8)});
  const ValueId gated = flat.apply("mul", "gated", {flat.linear("fc2", x, 8), gate});
  flat.softmax_cross_entropy(flat.apply("mul", "square", {gated, gated}));
  out.push_back({"a gate and a square", flat.finish().take()});

  NetworkBuilder image;
  x = image.input({"chw", {3, 4, 5}});
  image.class_target();
  x = image.apply("mul", "mul", {image.conv("conv1", x, 3, {}), x});
  x = image.apply("global_pool", "pool", {image.conv("conv2", x, 4, {})});
  image.softmax_cross_entropy(image.linear("fc", x, 3));
  out.push_back({"with the input of the network, between convolutions", image.finish().take()});
  return out;
}

}  // namespace

std::vector<OpDef> mul_ops() {
  return {{.name = "mul",
           .summary = "y = a * b",
           .infer = infer,
           .grad = grad,
           .reference = reference,
           .lower = lower,
           .axes = link_alike,
           .samples = samples}};
}

}  // namespace coppice
