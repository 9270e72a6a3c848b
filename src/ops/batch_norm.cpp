// SPDX-License-Identifier: Apache-2.0
// batch_norm: y = act(scale * (x - mean) / sqrt(variance + epsilon) + bias) per channel (Ioffe and Szegedy
// 2015), plus a residual value where a pass has fused the sum. Training takes mean and variance from the
// batch and moves the running ones, evaluation takes the running ones.
#include <cmath>

#include "ops/build.h"
#include "ops/support/common.h"

namespace coppice {
namespace {

constexpr double kEpsilon = 1e-5, kMomentum = 0.1;  // PyTorch's defaults

Shape channels_of(const Graph& graph, ValueId x) { return {"c", {graph.value(x).shape.size('c')}}; }

bool relu_after(const Node& node) { return node.text("activation", "") == "relu"; }

// Fills what all calls of a node share.
void fill(Lowering& lowering, const Node& node, ValueId x, coppice_batch_norm_args& args) {
  args.extent = lowering.extent(x);
  args.momentum = static_cast<float>(node.real("momentum", kMomentum));
  args.epsilon = static_cast<float>(node.real("epsilon", kEpsilon));
  args.activation = relu_after(node) ? COPPICE_ACT_RELU : COPPICE_ACT_NONE;
}
using Args = coppice_batch_norm_args;

// ---- batch_norm: x, scale, bias, running mean, running variance, [residual] -> y, mean, inverse deviation

Result<std::vector<Value>> infer(const Graph& graph, const Node& node) {
  TRY(expect_inputs(node, 5, 6));
  const Shape& x = graph.value(node.inputs[0]).shape;
  if (x.axes != "chw") return invalid("needs an input with channels, height and width, got " + x.text());
  for (size_t i = 1; i < 5; ++i)
    if (graph.value(node.inputs[i]).shape.elements() != x.size('c'))
      return invalid("'" + graph.value(node.inputs[i]).name + "' does not have one number for each of " +
                     std::to_string(x.size('c')) + " channels");
  if (node.inputs.size() == 6 && !(graph.value(node.inputs[5]).shape == x))
    return invalid("the residual is " + graph.value(node.inputs[5]).shape.text() + ", the input " + x.text());
  std::vector<Value> out = one(tiled_value(x));
  out.push_back(whole_value(channels_of(graph, node.inputs[0])));
  out.push_back(whole_value(channels_of(graph, node.inputs[0])));
  return out;
}

Status grad(GradBuilder& builder, const Node& node) {
  if (node.inputs.size() == 6)
    return invalid(
        "sums are fused into it after the gradients are built; write the sum as a node of its own");
  const ValueId x = node.inputs[0], scale = node.inputs[1], bias = node.inputs[2];
  const ValueId dy = builder.gradient_of(node.outputs[0]), mean = node.outputs[1], inverse = node.outputs[2];
  TRY_ASSIGN(const std::vector<ValueId> made,
             builder.append("d " + node.name + " totals", op_named("batch_norm_totals"),
                            {x, dy, scale, bias, mean, inverse}, node.attributes));
  const ValueId totals = made[0];
  TRY(builder.contribute(x, op_named("batch_norm_dx"), {x, dy, scale, bias, mean, inverse, totals},
                         node.attributes));
  TRY(builder.contribute(bias, op_named("batch_norm_dw"), {totals, bias}, {{"first", int64_t{0}}}));
  const int64_t channels = builder.graph().value(x).shape.size('c');
  return builder.contribute(scale, op_named("batch_norm_dw"), {totals, scale}, {{"first", channels}});
}

Status check_samples(const Graph& graph, const Node& node, int samples) {
  const Shape& x = graph.value(node.inputs[0]).shape;
  if (samples * x.size('h') * x.size('w') > 1) return {};
  return invalid(
      "1 sample of 1 x 1 pixels is one value per channel, which has no variance; train on batches of 2 "
      "samples "
      "or more");
}

// Calls f(index of x, channel) for every pixel of the batch.
template <class F>
void for_each_pixel(const Shape& x, int64_t batch, F f) {
  const int64_t channels = x.size('c'), pixels = x.size('h') * x.size('w');
  for (int64_t i = 0; i < batch * channels * pixels; ++i)
    f(static_cast<size_t>(i), static_cast<size_t>(i / pixels % channels));
}
double count_of(const Shape& x, int64_t batch) {
  return static_cast<double>(batch * x.size('h') * x.size('w'));
}

void reference(const ReferenceCall& call) {
  const ReferenceArray& x = *call.in[0];
  std::vector<double> mean = call.in[3]->data, variance = call.in[4]->data;
  if (call.training) {
    const double n = count_of(x.shape, call.batch);
    std::fill(mean.begin(), mean.end(), 0.0);
    std::fill(variance.begin(), variance.end(), 0.0);
    for_each_pixel(x.shape, call.batch, [&](size_t i, size_t c) { mean[c] += x.data[i] / n; });
    for_each_pixel(x.shape, call.batch, [&](size_t i, size_t c) {
      variance[c] += (x.data[i] - mean[c]) * (x.data[i] - mean[c]) / n;
    });
  }
  call.out[1]->data = mean;
  for (size_t c = 0; c < mean.size(); ++c)
    call.out[2]->data[c] = 1.0 / std::sqrt(variance[c] + call.node.real("epsilon", kEpsilon));
  for_each_pixel(x.shape, call.batch, [&](size_t i, size_t c) {
    double y = call.in[1]->data[c] * (x.data[i] - mean[c]) * call.out[2]->data[c] + call.in[2]->data[c];
    if (call.in.size() == 6) y += call.in[5]->data[i];
    call.out[0]->data[i] = relu_after(call.node) ? std::max(y, 0.0) : y;
  });
}

struct Running {
  float *mean = nullptr, *variance = nullptr;
};

// The pass over the values: with mean and deviation once they are there, or with running statistics.
void lower_apply(Lowering& lowering, const Node& node, ValueId mean, ValueId inverse, const Running& running,
                 ValueId residual) {
  const Param &scale = lowering.param(node.inputs[1]), &bias = lowering.param(node.inputs[2]);
  auto call = lowering.call<Args>(node.name, lowering.pointwise->batch_norm, lowering.width(node.inputs[0]));
  fill(lowering, node, node.inputs[0], call.args());
  call.args().scale = scale.value.data();
  call.args().bias = bias.value.data();
  call.args().running_mean = running.mean;
  call.args().running_variance = running.variance;
  call.in(&Args::x, node.inputs[0]).out(&Args::y, node.outputs[0]);
  if (mean != kNoValue) call.whole_in(&Args::mean, mean).whole_in(&Args::inverse_deviation, inverse);
  call.uses(scale, 0).uses(bias, 0);
  if (residual != kNoValue) call.in(&Args::residual, residual);
}

Status lower(Lowering& lowering, const Node& node) {
  const ValueId x = node.inputs[0], mean = node.outputs[1], inverse = node.outputs[2];
  const ValueId residual = node.inputs.size() == 6 ? node.inputs[5] : kNoValue;
  const int width = lowering.width(x);
  const Running running = {lowering.param(node.inputs[3]).value.data(),
                           lowering.param(node.inputs[4]).value.data()};
  // No sample meets another in an evaluation: a tile goes on without waiting for the rest.
  if (!lowering.training) {
    lower_apply(lowering, node, kNoValue, kNoValue, running, residual);
    return {};
  }
  // [tiles][2C]: as many rows of `width` floats as hold them.
  const ValueId sums =
      lowering.temporary(node.name + " sums", (2 * lowering.extent(x).channels + width - 1) / width, width);
  {
    auto call = lowering.call<Args>(node.name + " sums", lowering.pointwise->batch_norm_sums, width);
    fill(lowering, node, x, call.args());
    call.in(&Args::x, x).out(&Args::sums, sums);
  }
  {
    auto call = lowering.call<Args>(node.name + " statistics", lowering.pointwise->batch_norm_finish, width);
    fill(lowering, node, x, call.args());
    call.args().running_mean = running.mean;
    call.args().running_variance = running.variance;
    call.in(&Args::sums, sums)
        .whole_out(&Args::mean, mean)
        .whole_out(&Args::inverse_deviation, inverse)
        .reduces();
  }
  lower_apply(lowering, node, mean, inverse, {}, residual);
  return {};
}

void axes(AxisMap& map, const Node& node) {
  for (const ValueId in : node.inputs)
    for (const ValueId out : node.outputs) map.link_all(in, out);
}

// ---- batch_norm_again: x, scale, bias, mean, inverse deviation, after -> y. What batch_norm gave, computed
// anew for the gradients instead of kept for them (passes/recompute.h), once the value `after` is there

Node again(const Node& node, ValueId after) {
  Node out;
  // With a residual it would need what was added, and so on up to the first layer.
  if (node.inputs.size() != 5) return out;
  out.op = &op_named("batch_norm_again");
  out.inputs = {node.inputs[0], node.inputs[1], node.inputs[2], node.outputs[1], node.outputs[2], after};
  out.attributes = node.attributes;
  return out;
}
Result<std::vector<Value>> infer_again(const Graph& graph, const Node& node) {
  TRY(expect_inputs(node, 6, 6));
  return one(tiled_value(graph.value(node.inputs[0]).shape));
}
void reference_again(const ReferenceCall& call) {
  for_each_pixel(call.in[0]->shape, call.batch, [&](size_t i, size_t c) {
    const double normalised = (call.in[0]->data[i] - call.in[3]->data[c]) * call.in[4]->data[c];
    const double y = call.in[1]->data[c] * normalised + call.in[2]->data[c];
    call.out[0]->data[i] = relu_after(call.node) ? std::max(y, 0.0) : y;
  });
}
Status lower_again(Lowering& lowering, const Node& node) {
  lower_apply(lowering, node, node.inputs[3], node.inputs[4], {}, kNoValue);
  lowering.calls_.back().reads.push_back(node.inputs[5]);
  return {};
}

// ---- batch_norm_totals: x, dy, scale, bias, mean, inverse deviation -> {sum dy, sum dy * normalised x}

Result<std::vector<Value>> infer_totals(const Graph& graph, const Node& node) {
  TRY(expect_inputs(node, 6, 6));
  return one(whole_value({"c", {2 * graph.value(node.inputs[0]).shape.size('c')}}));
}

// dy where the activation lets it through, and normalised x.
struct Point {
  double dy, normalised;
};
Point point(const ReferenceCall& call, size_t i, size_t c) {
  const double normalised = (call.in[0]->data[i] - call.in[4]->data[c]) * call.in[5]->data[c];
  const double y = call.in[2]->data[c] * normalised + call.in[3]->data[c];
  return {relu_after(call.node) && !(y > 0.0) ? 0.0 : call.in[1]->data[i], normalised};
}

void reference_totals(const ReferenceCall& call) {
  const auto channels = static_cast<size_t>(call.in[0]->shape.size('c'));
  for_each_pixel(call.in[0]->shape, call.batch, [&](size_t i, size_t c) {
    const Point p = point(call, i, c);
    call.out[0]->data[c] += p.dy;
    call.out[0]->data[channels + c] += p.dy * p.normalised;
  });
}

// Operands that totals and dx share.
void gradient_operands(Lowering& lowering, const Node& node, CallBuilder<Args>& call) {
  fill(lowering, node, node.inputs[0], call.args());
  const Param &scale = lowering.param(node.inputs[2]), &bias = lowering.param(node.inputs[3]);
  call.args().scale = scale.value.data();
  call.args().bias = bias.value.data();
  call.in(&Args::x, node.inputs[0]).in(&Args::y, node.inputs[1]);
  call.whole_in(&Args::mean, node.inputs[4]).whole_in(&Args::inverse_deviation, node.inputs[5]);
  call.uses(scale, 0).uses(bias, 0);
}

Status lower_totals(Lowering& lowering, const Node& node) {
  const int width = lowering.width(node.inputs[0]);
  const ValueId sums = lowering.temporary(
      node.name + " sums", (2 * lowering.extent(node.inputs[0]).channels + width - 1) / width, width);
  {
    auto call = lowering.call<Args>(node.name + " sums", lowering.pointwise->batch_norm_grad_sums, width);
    gradient_operands(lowering, node, call);
    call.out(&Args::sums, sums);
  }
  auto call = lowering.call<Args>(node.name, lowering.pointwise->batch_norm_totals, width);
  fill(lowering, node, node.inputs[0], call.args());
  call.in(&Args::sums, sums).whole_out(&Args::totals, node.outputs[0]).reduces();
  return {};
}

// ---- batch_norm_dx: x, dy, scale, bias, mean, inverse deviation, totals -> dx

Result<std::vector<Value>> infer_dx(const Graph& graph, const Node& node) {
  TRY(expect_inputs(node, 7, 7));
  return one(tiled_value(graph.value(node.inputs[0]).shape));
}
void reference_dx(const ReferenceCall& call) {
  const auto channels = static_cast<size_t>(call.in[0]->shape.size('c'));
  const double n = count_of(call.in[0]->shape, call.batch);
  for_each_pixel(call.in[0]->shape, call.batch, [&](size_t i, size_t c) {
    const Point p = point(call, i, c);
    const double mean_dy = call.in[6]->data[c] / n, mean_product = call.in[6]->data[channels + c] / n;
    call.out[0]->data[i] =
        call.in[2]->data[c] * call.in[5]->data[c] * (p.dy - mean_dy - p.normalised * mean_product);
  });
}
Status lower_dx(Lowering& lowering, const Node& node) {
  auto call =
      lowering.call<Args>(node.name, lowering.pointwise->batch_norm_dx, lowering.width(node.inputs[0]));
  gradient_operands(lowering, node, call);
  call.whole_in(&Args::totals, node.inputs[6]).out(&Args::dx, node.outputs[0]);
  return {};
}

// ---- batch_norm_dw: totals, parameter (for its shape) -> its gradient, from total `first` on

Result<std::vector<Value>> infer_dw(const Graph& graph, const Node& node) {
  TRY(expect_inputs(node, 2, 2));
  return one(whole_value(graph.value(node.inputs[1]).shape));
}
void reference_dw(const ReferenceCall& call) {
  const auto first = static_cast<size_t>(call.node.integer("first", 0));
  for (size_t c = 0; c < call.out[0]->data.size(); ++c) call.out[0]->data[c] = call.in[0]->data[first + c];
}
Status lower_dw(Lowering& lowering, const Node& node) {
  const Param& param = lowering.param(node.inputs[1]);
  auto call = lowering.call<coppice_vector_gradient_args>(node.name, lowering.pointwise->batch_norm_dw, 16);
  call.args().first = static_cast<int32_t>(node.integer("first", 0));
  call.args().length = static_cast<int32_t>(param.live());
  call.args().part_length = param.part_start()[1] - param.part_start()[0];
  call.whole_in(&coppice_vector_gradient_args::totals, node.inputs[0]);
  gradient_parts(call, param, &coppice_vector_gradient_args::gradient, node.outputs[0]);
  return {};
}

std::vector<Sample> samples() {
  NetworkBuilder b;
  ValueId x = b.input({"chw", {2, 4, 3}});
  b.class_target();
  x = b.relu("relu", b.batch_norm("bn1", b.conv("conv1", x, 4, {})));
  x = b.batch_norm("bn2", b.conv("conv2", x, 4, {}));
  b.softmax_cross_entropy(b.linear("fc", b.apply("global_pool", "pool", {x}), 3));
  std::vector<Sample> out;
  out.push_back({"with and without relu", b.finish().take()});

  NetworkBuilder two;
  x = two.input({"chw", {2, 4, 3}});
  two.class_target();
  const ValueId left = two.batch_norm("bn1", two.conv("conv1", x, 4, {}));
  const ValueId right = two.batch_norm("bn2", two.conv("conv2", x, 4, {}));
  x = two.relu("relu", two.apply("add", "sum", {left, right}));
  two.softmax_cross_entropy(two.linear("fc", two.apply("global_pool", "pool", {x}), 3));
  out.push_back({"two joined before a relu", two.finish().take()});
  return out;
}

constexpr AttributeDef kAttributes[] = {{"momentum", AttributeKind::kReal},
                                        {"epsilon", AttributeKind::kReal}};

}  // namespace

std::vector<OpDef> batch_norm_ops() {
  return {{.name = "batch_norm",
           .summary = "normalises each channel over the batch",
           .attributes = kAttributes,
           .infer = infer,
           .grad = grad,
           .check_samples = check_samples,
           .reference = reference,
           .lower = lower,
           .again = again,
           .axes = axes,
           .samples = samples},
          {.name = "batch_norm_again",
           .summary = "batch_norm with the statistics that it has found before",
           .infer = infer_again,
           .reference = reference_again,
           .lower = lower_again},
          {.name = "batch_norm_totals",
           .summary = "sums that the gradients of batch_norm need",
           .infer = infer_totals,
           .reference = reference_totals,
           .lower = lower_totals},
          {.name = "batch_norm_dx",
           .summary = "gradient of batch_norm for its input",
           .infer = infer_dx,
           .reference = reference_dx,
           .lower = lower_dx},
          {.name = "batch_norm_dw",
           .summary = "gradient of batch_norm for scale or bias",
           .infer = infer_dw,
           .reference = reference_dw,
           .lower = lower_dw}};
}

}  // namespace coppice
