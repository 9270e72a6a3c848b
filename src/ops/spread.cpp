// SPDX-License-Identifier: Apache-2.0
// spread: f -> (c, h, w), each number at every place of its channel (attributes height, width): a gate for
// each channel of a picture, as squeeze and excitation has it (Hu, Shen and Sun 2018). The gradient is the
// sum over the places.
#include "ops/build.h"
#include "ops/support/common.h"

namespace coppice {
namespace {

Result<std::vector<Value>> infer(const Graph& graph, const Node& node) {
  TRY(expect_inputs(node, 1, 1));
  const Shape& x = graph.value(node.inputs[0]).shape;
  const int64_t height = node.integer("height", 1), width = node.integer("width", 1);
  if (x.axes != "f") return invalid("needs a list, got " + x.text());
  if (height < 1 || width < 1) return invalid("height and width must be at least 1");
  return one(tiled_value({"chw", {x.sizes[0], height, width}}));
}
Status grad(GradBuilder& builder, const Node& node) {
  return builder.contribute(node.inputs[0], op_named("spread_grad"), {builder.gradient_of(node.outputs[0])});
}
void reference(const ReferenceCall& call) {
  const size_t pixels = call.out[0]->data.size() / call.in[0]->data.size();
  for (size_t i = 0; i < call.out[0]->data.size(); ++i) call.out[0]->data[i] = call.in[0]->data[i / pixels];
}
// The kernels of global_pool, the other way around.
Status lower(Lowering& lowering, const Node& node) {
  auto call = lowering.call<coppice_pool_args>(node.name, lowering.pointwise->global_pool_grad,
                                               lowering.width(node.outputs[0]));
  call.args().x_extent = lowering.extent(node.outputs[0]);
  call.args().y_extent = lowering.extent(node.inputs[0]);
  call.args().sums = 1;
  call.in(&coppice_pool_args::y, node.inputs[0]).out(&coppice_pool_args::dx, node.outputs[0]);
  return {};
}

Result<std::vector<Value>> infer_grad(const Graph& graph, const Node& node) {
  TRY(expect_inputs(node, 1, 1));
  return one(tiled_value({"f", {graph.value(node.inputs[0]).shape.sizes[0]}}));
}
void reference_grad(const ReferenceCall& call) {
  const size_t pixels = call.in[0]->data.size() / call.out[0]->data.size();
  for (size_t i = 0; i < call.in[0]->data.size(); ++i) call.out[0]->data[i / pixels] += call.in[0]->data[i];
}
Status lower_grad(Lowering& lowering, const Node& node) {
  auto call = lowering.call<coppice_pool_args>(node.name, lowering.pointwise->global_pool,
                                               lowering.width(node.outputs[0]));
  call.args().x_extent = lowering.extent(node.inputs[0]);
  call.args().y_extent = lowering.extent(node.outputs[0]);
  call.args().sums = 1;
  call.in(&coppice_pool_args::x, node.inputs[0]).out(&coppice_pool_args::y, node.outputs[0]);
  return {};
}

std::vector<Sample> samples() {
  NetworkBuilder b;
  ValueId x = b.input({"chw", {2, 4, 5}});
  b.class_target();
  x = b.conv("conv1", x, 3, {});
  ValueId gate = b.linear("gate", b.apply("global_pool", "squeeze", {x}), 3);
  gate = b.apply("spread", "spread", {b.apply("sigmoid", "sigmoid", {gate})},
                 {{"height", int64_t{4}}, {"width", int64_t{5}}});
  x = b.conv("conv2", b.apply("mul", "mul", {x, gate}), 4, {});
  b.softmax_cross_entropy(b.linear("fc", b.apply("global_pool", "pool", {x}), 3));
  std::vector<Sample> out;
  out.push_back({"a gate for each channel", b.finish().take()});
  return out;
}

constexpr AttributeDef kAttributes[] = {{"height", AttributeKind::kInteger},
                                        {"width", AttributeKind::kInteger}};

}  // namespace

std::vector<OpDef> spread_ops() {
  return {{.name = "spread",
           .summary = "each number at every place of its channel",
           .attributes = kAttributes,
           .infer = infer,
           .grad = grad,
           .reference = reference,
           .lower = lower,
           .axes = link_alike,
           .samples = samples},
          {.name = "spread_grad",
           .summary = "gradient of spread",
           .infer = infer_grad,
           .reference = reference_grad,
           .lower = lower_grad}};
}

}  // namespace coppice
