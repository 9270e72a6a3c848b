// SPDX-License-Identifier: Apache-2.0
// layer_norm (Ba, Kiros and Hinton 2016): y = scale * (x - mean) / sqrt(variance + epsilon) + bias, mean and
// variance over all numbers of a sample, a scale and a bias for each. No sample meets another, in training or
// evaluation.
#include <cmath>

#include "ops/build.h"
#include "ops/support/common.h"

namespace coppice {
namespace {

constexpr double kEpsilon = 1e-5;  // PyTorch's default

double epsilon_of(const Node& node) { return node.real("epsilon", kEpsilon); }

using Args = coppice_layer_norm_args;

// The kernel walks rows of pixels: a flat value is one row.
coppice_extent rows_of(const Lowering& lowering, ValueId x) {
  const coppice_extent e = lowering.extent(x);
  return lowering.graph().value(x).shape.has('h') ? e : coppice_extent{1, 1, e.channels};
}

// ---- layer_norm: x, scale, bias -> y, statistics of each sample {mean, what its rounding lost, 1 /
// deviation}

Result<std::vector<Value>> infer(const Graph& graph, const Node& node) {
  TRY(expect_inputs(node, 3, 3));
  const Shape& x = graph.value(node.inputs[0]).shape;
  if (x.axes != "f" && x.axes != "chw")
    return invalid("needs a flat input, or one with channels, height and width, got " + x.text());
  for (const size_t i : {size_t{1}, size_t{2}})
    if (!(graph.value(node.inputs[i]).shape == x))
      return invalid("'" + graph.value(node.inputs[i]).name + "' is " +
                     graph.value(node.inputs[i]).shape.text() + ", it needs a number for each of " +
                     x.text());
  if (!(epsilon_of(node) > 0.0)) return invalid("epsilon must be above 0");
  std::vector<Value> out = one(tiled_value(x));
  // In tiles as wide as those of x.
  out.push_back(tiled_value(x.has('h') ? Shape{"chw", {3, 1, 1}} : Shape{"f", {3}}));
  return out;
}

Status grad(GradBuilder& builder, const Node& node) {
  const ValueId x = node.inputs[0], scale = node.inputs[1], bias = node.inputs[2];
  const ValueId dy = builder.gradient_of(node.outputs[0]), statistics = node.outputs[1];
  TRY(builder.contribute(x, op_named("layer_norm_dx"), {x, dy, scale, statistics}));
  TRY(builder.contribute(bias, op_named("layer_norm_dw"), {dy, bias}));
  return builder.contribute(scale, op_named("layer_norm_dw"), {dy, scale, x, statistics});
}

void reference(const ReferenceCall& call) {
  const auto elements = static_cast<size_t>(call.in[0]->shape.elements());
  const auto n = static_cast<double>(elements);
  for (size_t sample = 0; sample < static_cast<size_t>(call.batch); ++sample) {
    const double* x = call.in[0]->data.data() + sample * elements;
    double mean = 0.0, variance = 0.0;
    for (size_t i = 0; i < elements; ++i) mean += x[i] / n;
    for (size_t i = 0; i < elements; ++i) variance += (x[i] - mean) * (x[i] - mean) / n;
    const double inverse = 1.0 / std::sqrt(variance + epsilon_of(call.node));
    call.out[1]->data[3 * sample] = mean;
    call.out[1]->data[3 * sample + 2] = inverse;
    for (size_t i = 0; i < elements; ++i)
      call.out[0]->data[sample * elements + i] =
          call.in[1]->data[i] * (x[i] - mean) * inverse + call.in[2]->data[i];
  }
}

Status lower(Lowering& lowering, const Node& node) {
  const ValueId x = node.inputs[0];
  const Param &scale = lowering.param(node.inputs[1]), &bias = lowering.param(node.inputs[2]);
  auto call = lowering.call<Args>(node.name, lowering.pointwise->layer_norm, lowering.width(x));
  call.args().extent = rows_of(lowering, x);
  call.args().epsilon = static_cast<float>(epsilon_of(node));
  call.args().scale = scale.value.data();
  call.args().bias = bias.value.data();
  call.in(&Args::x, x).out(&Args::y, node.outputs[0]).out(&Args::statistics, node.outputs[1]);
  call.uses(scale, 0).uses(bias, 0);
  return {};
}

// Normalised x of the batch.
std::vector<double> normalised(const ReferenceArray& x, const ReferenceArray& statistics) {
  std::vector<double> out = x.data;
  const auto elements = static_cast<size_t>(x.shape.elements());
  for (size_t i = 0; i < out.size(); ++i) {
    const double* of = statistics.data.data() + 3 * (i / elements);
    out[i] = (out[i] - of[0] - of[1]) * of[2];
  }
  return out;
}

void axes(AxisMap& map, const Node& node) {
  for (const ValueId in : node.inputs) map.link_all(in, node.outputs[0]);
  map.mix("counts in the statistics of layer_norm '" + node.name + "'");
  map.pin(node.outputs[1], "is a statistic of a sample");
}

// ---- layer_norm_dx: x, dy, scale, statistics -> dx

Result<std::vector<Value>> infer_dx(const Graph& graph, const Node& node) {
  TRY(expect_inputs(node, 4, 4));
  return one(tiled_value(graph.value(node.inputs[0]).shape));
}
void reference_dx(const ReferenceCall& call) {
  const std::vector<double>&dy = call.in[1]->data, &scale = call.in[2]->data;
  const std::vector<double> x = normalised(*call.in[0], *call.in[3]);
  const size_t elements = scale.size();
  const auto n = static_cast<double>(elements);
  for (size_t first = 0; first < dy.size(); first += elements) {
    double mean = 0.0, product = 0.0;
    for (size_t i = 0; i < elements; ++i) {
      mean += scale[i] * dy[first + i] / n;
      product += scale[i] * dy[first + i] * x[first + i] / n;
    }
    const double inverse = call.in[3]->data[3 * (first / elements) + 2];
    for (size_t i = 0; i < elements; ++i)
      call.out[0]->data[first + i] = inverse * (scale[i] * dy[first + i] - mean - x[first + i] * product);
  }
}
Status lower_dx(Lowering& lowering, const Node& node) {
  const ValueId x = node.inputs[0];
  const Param& scale = lowering.param(node.inputs[2]);
  auto call = lowering.call<Args>(node.name, lowering.pointwise->layer_norm_dx, lowering.width(x));
  call.args().extent = rows_of(lowering, x);
  call.args().scale = scale.value.data();
  call.in(&Args::x, x).in(&Args::y, node.inputs[1]).in(&Args::statistics, node.inputs[3]);
  call.out(&Args::dx, node.outputs[0]).uses(scale, 0);
  return {};
}

// ---- layer_norm_dw: dy, bias (for its shape) -> dbias; or dy, scale (for its shape), x, statistics ->
// dscale

Result<std::vector<Value>> infer_dw(const Graph& graph, const Node& node) {
  if (node.inputs.size() != 2) TRY(expect_inputs(node, 4, 4));
  return one(whole_value(graph.value(node.inputs[1]).shape));
}
void reference_dw(const ReferenceCall& call) {
  const std::vector<double>& dy = call.in[0]->data;
  const std::vector<double> x =
      call.in.size() == 4 ? normalised(*call.in[2], *call.in[3]) : std::vector<double>(dy.size(), 1.0);
  const size_t elements = call.out[0]->data.size();
  for (size_t i = 0; i < dy.size(); ++i) call.out[0]->data[i % elements] += dy[i] * x[i];
}
Status lower_dw(Lowering& lowering, const Node& node) {
  const ValueId dy = node.inputs[0];
  const Param& param = lowering.param(node.inputs[1]);
  const int width = lowering.width(dy);
  const ValueId sums = numbers_of_tiles(lowering, node, param.live(), width);
  {
    auto call = lowering.call<Args>(node.name, lowering.pointwise->layer_norm_sums, width);
    call.args().extent = rows_of(lowering, dy);
    call.in(&Args::y, dy).out(&Args::sums, sums);
    if (node.inputs.size() == 4) call.in(&Args::x, node.inputs[2]).in(&Args::statistics, node.inputs[3]);
  }
  sum_tiles(lowering, node, param, sums, width, node.outputs[0]);
  return {};
}

std::vector<Sample> samples() {
  std::vector<Sample> out;
  NetworkBuilder flat;
  ValueId x = flat.input({"f", {12}});
  flat.class_target();
  x = flat.relu("relu", flat.layer_norm("norm1", flat.linear("fc1", x, 21)));
  flat.softmax_cross_entropy(flat.linear("fc2", flat.layer_norm("norm2", x), 5));
  out.push_back({"of flat values", flat.finish().take()});

  NetworkBuilder image;
  x = image.input({"chw", {2, 4, 5}});
  image.class_target();
  x = image.conv("conv1", image.layer_norm("norm1", x), 3, {});
  x = image.conv("conv2", image.layer_norm("norm2", x), 4, {});
  image.softmax_cross_entropy(image.linear("fc", image.apply("global_pool", "pool", {x}), 3));
  out.push_back({"of the input, and between convolutions", image.finish().take()});
  return out;
}

constexpr AttributeDef kAttributes[] = {{"epsilon", AttributeKind::kReal}};

}  // namespace

std::vector<OpDef> layer_norm_ops() {
  return {{.name = "layer_norm",
           .summary = "normalises each sample",
           .attributes = kAttributes,
           .infer = infer,
           .grad = grad,
           .reference = reference,
           .lower = lower,
           .axes = axes,
           .samples = samples},
          {.name = "layer_norm_dx",
           .summary = "gradient of layer_norm for its input",
           .infer = infer_dx,
           .reference = reference_dx,
           .lower = lower_dx},
          {.name = "layer_norm_dw",
           .summary = "gradient of layer_norm for scale or bias",
           .infer = infer_dw,
           .reference = reference_dw,
           .lower = lower_dw}};
}

}  // namespace coppice
