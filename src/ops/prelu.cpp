// SPDX-License-Identifier: Apache-2.0
// prelu (He et al. 2015): y = x above 0, slope * x below; the slope is trained, one for all channels or one
// for each.
#include "ops/build.h"
#include "ops/support/common.h"

namespace coppice {
namespace {

// ---- prelu: x, slope {c=1 or channels} -> y

// Channels, or the numbers of a flat value.
int64_t channels_of(const Shape& x) { return extent_of(x).channels; }

Result<std::vector<Value>> infer(const Graph& graph, const Node& node) {
  TRY(expect_inputs(node, 2, 2));
  const Shape &x = graph.value(node.inputs[0]).shape, &slope = graph.value(node.inputs[1]).shape;
  if (slope.elements() != 1 && slope.elements() != channels_of(x))
    return invalid("has " + std::to_string(slope.elements()) + " slopes; give it 1, or " +
                   std::to_string(channels_of(x)) + " for an input of " + x.text());
  return one(tiled_value(x));
}

Status grad(GradBuilder& builder, const Node& node) {
  const ValueId x = node.inputs[0], slope = node.inputs[1], dy = builder.gradient_of(node.outputs[0]);
  TRY(builder.contribute(x, op_named("prelu_dx"), {dy, x, slope}));
  return builder.contribute(slope, op_named("prelu_dw"), {dy, x, slope});
}

// Calls f(index of x, index of its slope) for every number of the batch.
template <class F>
void for_each_number(const Shape& x, const Shape& slope, int64_t batch, F f) {
  const int64_t channels = channels_of(x), pixels = x.elements() / channels;
  for (int64_t i = 0; i < batch * x.elements(); ++i)
    f(static_cast<size_t>(i), slope.elements() == 1 ? 0 : static_cast<size_t>(i / pixels % channels));
}

void reference(const ReferenceCall& call) {
  const std::vector<double>&x = call.in[0]->data, &slope = call.in[1]->data;
  for_each_number(call.in[0]->shape, call.in[1]->shape, call.batch,
                  [&](size_t i, size_t c) { call.out[0]->data[i] = x[i] > 0.0 ? x[i] : slope[c] * x[i]; });
}

// Both kernels map their first input; the slopes come last.
Status lower_with(Lowering& lowering, const Node& node, coppice_kernel kernel) {
  Node mapped = node;
  mapped.inputs.pop_back();
  TRY(lower_map(lowering, mapped, kernel));
  const Param& slope = lowering.param(node.inputs.back());
  CallSpec& call = lowering.calls_.back();
  auto& args = *static_cast<coppice_map_args*>(call.args.get());
  args.slopes = slope.value.data();
  args.slope_step = slope.live() > 1 ? 1 : 0;
  call.uses.push_back(&slope);
  return {};
}
Status lower(Lowering& lowering, const Node& node) {
  return lower_with(lowering, node, lowering.pointwise->prelu);
}

void axes(AxisMap& map, const Node& node) {
  const ValueId x = node.inputs[0], slope = node.inputs[1], y = node.outputs[0];
  map.link_all(x, y);
  if (map.graph().value(slope).shape.elements() > 1) map.link_all(slope, y);
}

// ---- prelu_dx: dy, x, slope -> dx

Result<std::vector<Value>> infer_dx(const Graph& graph, const Node& node) {
  TRY(expect_inputs(node, 3, 3));
  return one(tiled_value(graph.value(node.inputs[1]).shape));
}
void reference_dx(const ReferenceCall& call) {
  const std::vector<double>&dy = call.in[0]->data, &x = call.in[1]->data, &slope = call.in[2]->data;
  for_each_number(call.in[1]->shape, call.in[2]->shape, call.batch,
                  [&](size_t i, size_t c) { call.out[0]->data[i] = dy[i] * (x[i] > 0.0 ? 1.0 : slope[c]); });
}
Status lower_dx(Lowering& lowering, const Node& node) {
  return lower_with(lowering, node, lowering.pointwise->prelu_dx);
}

// ---- prelu_dw: dy, x, slope (for its shape) -> dslope

Result<std::vector<Value>> infer_dw(const Graph& graph, const Node& node) {
  TRY(expect_inputs(node, 3, 3));
  return one(whole_value(graph.value(node.inputs[2]).shape));
}
void reference_dw(const ReferenceCall& call) {
  const std::vector<double>&dy = call.in[0]->data, &x = call.in[1]->data;
  for_each_number(call.in[1]->shape, call.in[2]->shape, call.batch,
                  [&](size_t i, size_t c) { call.out[0]->data[c] += x[i] > 0.0 ? 0.0 : dy[i] * x[i]; });
}
Status lower_dw(Lowering& lowering, const Node& node) {
  using Args = coppice_prelu_sums_args;
  const Param& slope = lowering.param(node.inputs[2]);
  const int width = lowering.width(node.inputs[1]);
  const ValueId sums = numbers_of_tiles(lowering, node, slope.live(), width);
  {
    auto call = lowering.call<Args>(node.name, lowering.pointwise->prelu_sums, width);
    call.in(&Args::dy, node.inputs[0]).in(&Args::x, node.inputs[1]).out(&Args::sums, sums);
    call.args().extent = lowering.extent(node.inputs[1]);
    call.args().slopes = static_cast<int32_t>(slope.live());
  }
  sum_tiles(lowering, node, slope, sums, width, node.outputs[0]);
  return {};
}

std::vector<Sample> samples() {
  std::vector<Sample> out;
  for (const bool shared : {true, false}) {
    const std::string name = shared ? "one slope" : "a slope for each channel";
    NetworkBuilder flat;
    ValueId x = flat.input({"f", {12}});
    flat.class_target();
    flat.softmax_cross_entropy(flat.prelu("act", flat.linear("fc", x, 19), shared ? 1 : 19));
    out.push_back({name + " of a flat value", flat.finish().take()});

    NetworkBuilder image;
    x = image.input({"chw", {2, 4, 5}});
    image.class_target();
    x = image.prelu("act", image.conv("conv1", x, 3, {}), shared ? 1 : 3);
    x = image.apply("global_pool", "pool", {image.conv("conv2", x, 4, {})});
    image.softmax_cross_entropy(image.linear("fc", x, 3));
    out.push_back({name + " between convolutions", image.finish().take()});
  }
  NetworkBuilder first;
  const ValueId x = first.input({"f", {5}});
  first.class_target();
  first.softmax_cross_entropy(first.linear("fc", first.prelu("act", x, 5), 3));
  out.push_back({"of the input of the network", first.finish().take()});
  return out;
}

}  // namespace

std::vector<OpDef> prelu_ops() {
  return {{.name = "prelu",
           .summary = "y = x above 0, a trained slope * x below",
           .infer = infer,
           .grad = grad,
           .reference = reference,
           .lower = lower,
           .axes = axes,
           .samples = samples},
          {.name = "prelu_dx",
           .summary = "gradient of prelu for its input",
           .infer = infer_dx,
           .reference = reference_dx,
           .lower = lower_dx},
          {.name = "prelu_dw",
           .summary = "gradient of prelu for its slopes",
           .infer = infer_dw,
           .reference = reference_dw,
           .lower = lower_dw}};
}

}  // namespace coppice
