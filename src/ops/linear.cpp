// SPDX-License-Identifier: Apache-2.0
// linear: y = act(W x + bias), and its gradients. W is (o, i), sparse or dense.
#include "formats/formats.h"
#include "kernels/train_kernels.h"
#include "ops/build.h"
#include "ops/support/common.h"

namespace coppice {
namespace {

bool relu_after(const Node& node) { return node.text("activation", "") == "relu"; }

// ---- linear: x {f=I}, weight {o,i}, [bias {o}] -> y {f=O}

Result<std::vector<Value>> infer(const Graph& graph, const Node& node) {
  TRY(expect_inputs(node, 2, 3));
  const Shape& x = graph.value(node.inputs[0]).shape;
  const Shape& w = graph.value(node.inputs[1]).shape;
  if (x.axes != "f") return invalid("needs a flat input, got " + x.text() + "; put a flatten before it");
  if (w.axes != "oi" || w.size('i') != x.size('f'))
    return invalid("weight " + w.text() + " does not take an input of " + x.text());
  if (node.inputs.size() == 3 && graph.value(node.inputs[2]).shape.elements() != w.size('o'))
    return invalid("bias has " + graph.value(node.inputs[2]).shape.text() + ", the weight " +
                   std::to_string(w.size('o')) + " outputs");
  return one(tiled_value({"f", {w.size('o')}}));
}

Status grad(GradBuilder& builder, const Node& node) {
  ValueId dy = builder.gradient_of(node.outputs[0]);
  TRY(builder.contribute(node.inputs[0], op_named("linear_dx"), {dy, node.inputs[1]}));
  TRY(builder.contribute(node.inputs[1], op_named("linear_dw"), {node.inputs[0], dy, node.inputs[1]}));
  if (node.inputs.size() == 3)
    TRY(builder.contribute(node.inputs[2], op_named("channel_sum"), {dy, node.inputs[2]}));
  return {};
}

Cost cost(const Graph&, const Node& node, const WeightCounts& weights) { return weights(node.inputs[1]) * 2; }

void reference(const ReferenceCall& call) {
  const ReferenceArray &x = *call.in[0], &w = *call.in[1];
  const int64_t outputs = w.shape.size('o'), inputs = w.shape.size('i');
  for (int64_t n = 0; n < call.batch; ++n)
    for (int64_t o = 0; o < outputs; ++o) {
      double sum = call.in.size() == 3 ? call.in[2]->data[static_cast<size_t>(o)] : 0.0;
      for (int64_t i = 0; i < inputs; ++i)
        sum += w.data[static_cast<size_t>(o * inputs + i)] * x.data[static_cast<size_t>(n * inputs + i)];
      call.out[0]->data[static_cast<size_t>(n * outputs + o)] =
          relu_after(call.node) ? std::max(sum, 0.0) : sum;
    }
}

Status lower(Lowering& lowering, const Node& node) {
  Param& weight = lowering.param(node.inputs[1]);
  const bool segments = weight.format() == &kSegments;
  auto call = lowering.call<coppice_linear_args>(
      node.name, segments ? lowering.rt->linear_segments : lowering.rt->linear_blocks,
      lowering.width(node.outputs[0]));
  call.args().weights = weight.view();
  call.args().activation = relu_after(node) ? COPPICE_ACT_RELU : COPPICE_ACT_NONE;
  call.in(&coppice_linear_args::x, node.inputs[0]).out(&coppice_linear_args::y, node.outputs[0]);
  call.uses(weight, weight.encoding().size() * 4 + weight.encoding().bytes())
      .parts(weight.encoding().forward_parts());
  if (node.inputs.size() == 3) {
    const Param& bias = lowering.param(node.inputs[2]);
    call.args().bias = bias.value.data();
    call.uses(bias, 0);
  }
  return {};
}

void axes(AxisMap& map, const Node& node) {
  map.product({.x = node.inputs[0],
               .weight = node.inputs[1],
               .bias = node.inputs.size() == 3 ? node.inputs[2] : kNoValue,
               .y = node.outputs[0]});
}

// ---- linear_dx: dy {f=O}, weight {o,i}, [mask {f=I}] -> dx {f=I}; with a mask, dx counts where mask > 0

Result<std::vector<Value>> infer_dx(const Graph& graph, const Node& node) {
  TRY(expect_inputs(node, 2, 3));
  return one(tiled_value({"f", {graph.value(node.inputs[1]).shape.size('i')}}));
}

void reference_dx(const ReferenceCall& call) {
  const ReferenceArray &dy = *call.in[0], &w = *call.in[1];
  const int64_t outputs = w.shape.size('o'), inputs = w.shape.size('i');
  for (int64_t n = 0; n < call.batch; ++n)
    for (int64_t i = 0; i < inputs; ++i) {
      const auto at = static_cast<size_t>(n * inputs + i);
      if (call.in.size() == 3 && !(call.in[2]->data[at] > 0.0)) continue;
      for (int64_t o = 0; o < outputs; ++o)
        call.out[0]->data[at] +=
            w.data[static_cast<size_t>(o * inputs + i)] * dy.data[static_cast<size_t>(n * outputs + o)];
    }
}

Cost cost_dx(const Graph&, const Node& node, const WeightCounts& weights) {
  return weights(node.inputs[1]) * 2;
}

Status lower_dx(Lowering& lowering, const Node& node) {
  Param& weight = lowering.param(node.inputs[1]);
  const int width = lowering.width(node.outputs[0]);
  if (const Param::Copy* across = weight.copy()) {
    auto call = lowering.call<coppice_linear_args>(node.name, lowering.rt->linear_segments, width);
    call.args().weights = across->view;
    call.in(&coppice_linear_args::x, node.inputs[0]).out(&coppice_linear_args::y, node.outputs[0]);
    if (node.inputs.size() == 3) call.in(&coppice_linear_args::mask, node.inputs[2]);
    call.uses(weight, across->encoding->size() * 4 + across->encoding->bytes())
        .parts(across->encoding->forward_parts());
    return {};
  }
  auto call = lowering.call<coppice_linear_dx_args>(node.name, lowering.train->linear_blocks_dx, width);
  call.args().weights = static_cast<const coppice_blocks*>(weight.view());
  call.in(&coppice_linear_dx_args::dy, node.inputs[0]).out(&coppice_linear_dx_args::dx, node.outputs[0]);
  if (node.inputs.size() == 3) call.in(&coppice_linear_dx_args::mask, node.inputs[2]);
  call.uses(weight, weight.encoding().size() * 4 + weight.encoding().bytes())
      .parts(weight.encoding().dx_parts());
  return {};
}

// ---- linear_dw: x {f=I}, dy {f=O}, weight (for its pattern) -> dweight {o,i}

Result<std::vector<Value>> infer_dw(const Graph& graph, const Node& node) {
  TRY(expect_inputs(node, 3, 3));
  return one(whole_value(graph.value(node.inputs[2]).shape));
}

void reference_dw(const ReferenceCall& call) {
  const ReferenceArray &x = *call.in[0], &dy = *call.in[1];
  const int64_t outputs = dy.shape.size('f'), inputs = x.shape.size('f');
  for (int64_t n = 0; n < call.batch; ++n)
    for (int64_t o = 0; o < outputs; ++o)
      for (int64_t i = 0; i < inputs; ++i)
        call.out[0]->data[static_cast<size_t>(o * inputs + i)] +=
            dy.data[static_cast<size_t>(n * outputs + o)] * x.data[static_cast<size_t>(n * inputs + i)];
}

Cost cost_dw(const Graph&, const Node& node, const WeightCounts& weights) {
  return weights(node.inputs[2]) * 2;
}

Status lower_dw(Lowering& lowering, const Node& node) {
  Param& weight = lowering.param(node.inputs[2]);
  const Encoding& encoding = weight.encoding();
  ValueId dy = node.inputs[1];
  const int width = lowering.width(dy);
  const auto rows = static_cast<int32_t>(lowering.value(dy).elements);
  if (encoding.interleave() > 1) {
    const int r = encoding.interleave();
    const ValueId interleaved =
        lowering.temporary(node.name + " interleaved", (rows + r - 1) / r * int64_t{r}, width);
    auto call =
        lowering.call<coppice_interleave_args>(node.name + " interleave", lowering.train->interleave, width);
    call.args().rows = rows;
    call.args().r = r;
    call.in(&coppice_interleave_args::dy, dy).out(&coppice_interleave_args::out, interleaved);
    dy = interleaved;
  }
  const bool segments = weight.format() == &kSegments;
  auto call = lowering.call<coppice_linear_dw_args>(
      node.name, segments ? lowering.train->linear_segments_dw : lowering.train->linear_blocks_dw, width);
  call.args().weights = weight.view();
  call.in(&coppice_linear_dw_args::x, node.inputs[0]).in(&coppice_linear_dw_args::dy, dy);
  gradient_parts(call, weight, &coppice_linear_dw_args::gradient, node.outputs[0]);
  return {};
}

std::vector<Sample> samples() {
  std::vector<Sample> out;
  for (const bool bias : {true, false}) {
    NetworkBuilder b;
    ValueId x = b.input({"f", {24}});
    b.class_target();
    x = b.relu("relu1", b.linear("fc1", x, 32, bias));
    b.softmax_cross_entropy(b.linear("fc2", x, 16, bias));
    out.push_back({bias ? "two layers" : "without bias", b.finish().take()});
  }
  // Layers of several panels and column blocks, as kernels cut them.
  NetworkBuilder b;
  ValueId x = b.input({"f", {200}});
  b.class_target();
  x = b.relu("relu1", b.linear("fc1", x, 530));
  b.softmax_cross_entropy(b.linear("fc2", x, 40));
  out.push_back({"several panels", b.finish().take()});
  return out;
}

// As a convolution of 1x1 on one pixel.
Status lower_dense_dw(Lowering& lowering, const Node& node) {
  const Shape& weight = lowering.graph().value(node.inputs[2]).shape;
  const auto outputs = static_cast<int32_t>(weight.size('o')),
             inputs = static_cast<int32_t>(weight.size('i'));
  lower_dense_dw_as(lowering, node, {inputs, 1, 1, outputs, 1, 1, 1, 1, 1, 1, 0, 0, 1, 1, 1, 0});
  return {};
}

}  // namespace

std::vector<OpDef> linear_ops() {
  return {
      {.name = "linear",
       .summary = "y = act(W x + bias), W sparse or dense",
       .infer = infer,
       .grad = grad,
       .cost = cost,
       .reference = reference,
       .lower = lower,
       .axes = axes,
       .samples = samples},
      {.name = "linear_dx",
       .summary = "gradient of linear for its input",
       .infer = infer_dx,
       .cost = cost_dx,
       .reference = reference_dx,
       .lower = lower_dx},
      {.name = "linear_dw",
       .summary = "gradient of linear for its live weights",
       .infer = infer_dw,
       .cost = cost_dw,
       .reference = reference_dw,
       .lower = lower_dw,
       .lower_dense_dw = lower_dense_dw},
  };
}

}  // namespace coppice
