// SPDX-License-Identifier: Apache-2.0
// flatten: (c, h, w) -> f. Rows keep their order; the tile width may change (16 samples with spatial axes, up
// to 64 without), which is what the copy is for.
#include "ops/build.h"
#include "ops/support/common.h"

namespace coppice {
namespace {

Result<std::vector<Value>> infer(const Graph& graph, const Node& node) {
  TRY(expect_inputs(node, 1, 1));
  return one(tiled_value({"f", {graph.value(node.inputs[0]).shape.elements()}}));
}
Status grad(GradBuilder& builder, const Node& node) {
  return builder.contribute(node.inputs[0], op_named("unflatten"),
                            {builder.gradient_of(node.outputs[0]), node.inputs[0]});
}
void reference(const ReferenceCall& call) { call.out[0]->data = call.in[0]->data; }

Status lower(Lowering& lowering, const Node& node) {
  auto call = lowering.call<coppice_retile_args>(node.name, lowering.pointwise->retile,
                                                 lowering.width(node.outputs[0]));
  call.in(&coppice_retile_args::in, node.inputs[0]).out(&coppice_retile_args::out, node.outputs[0]);
  call.args().in_extent = lowering.extent(node.inputs[0]);
  call.args().out_extent = lowering.extent(node.outputs[0]);
  return {};
}

void axes(AxisMap& map, const Node& node) {
  const ValueId x = node.inputs[0], y = node.outputs[0];
  const Shape& shape = map.graph().value(x).shape;
  const int64_t pixels = shape.elements() / shape.sizes[0];
  for (int64_t i = 0; i < shape.elements(); ++i) map.link(x, i / pixels, y, i);
}

// unflatten: dy, x (for its shape) -> dx
Result<std::vector<Value>> infer_back(const Graph& graph, const Node& node) {
  TRY(expect_inputs(node, 2, 2));
  return one(tiled_value(graph.value(node.inputs[1]).shape));
}

std::vector<Sample> samples() {
  NetworkBuilder b;
  const ValueId x = b.input({"chw", {2, 3, 4}});
  b.class_target();
  const ValueId h = b.conv("conv", x, 3, {});
  b.softmax_cross_entropy(b.linear("fc", b.flatten("flatten", h), 5));
  std::vector<Sample> out;
  out.push_back({"between a convolution and a linear layer", b.finish().take()});
  return out;
}

}  // namespace

std::vector<OpDef> flatten_ops() {
  return {
      {.name = "flatten",
       .summary = "(c, h, w) -> f",
       .infer = infer,
       .grad = grad,
       .reference = reference,
       .lower = lower,
       .axes = axes,
       .samples = samples},
      {.name = "unflatten",
       .summary = "gradient of flatten",
       .infer = infer_back,
       .reference = reference,
       .lower = lower},
  };
}

}  // namespace coppice
