// SPDX-License-Identifier: Apache-2.0
// conv2d: y = act(W * x + bias), and its gradients. W is (o, i / groups, h, w), sparse or dense; any kernel, stride, padding,
// dilation and groups; padding is zero or wraps around.
#include "formats/csr.h"
#include "ops/build.h"
#include "ops/support/common.h"

namespace coppice {
namespace {

struct Geometry {
  int64_t channels, height, width, outputs, out_height, out_width, kernel_h, kernel_w, stride, padding, dilation, groups;
  bool wrap;
};

Result<Geometry> geometry(const Shape& x, const Shape& w, const Node& node) {
  Geometry g{x.size('c'),
             x.size('h'),
             x.size('w'),
             w.size('o'),
             0,
             0,
             w.size('h'),
             w.size('w'),
             node.integer("stride", 1),
             node.integer("padding", 0),
             node.integer("dilation", 1),
             node.integer("groups", 1),
             node.integer("wrap", 0) != 0};
  if (x.axes != "chw") return invalid("needs an input with channels, height and width, got " + x.text());
  if (g.stride < 1 || g.dilation < 1 || g.padding < 0 || g.groups < 1)
    return invalid("stride, dilation and groups must be at least 1 and padding at least 0");
  if (g.channels % g.groups != 0 || g.outputs % g.groups != 0)
    return invalid(std::to_string(g.groups) + " groups do not divide " + std::to_string(g.channels) + " inputs and " +
                   std::to_string(g.outputs) + " outputs");
  if (w.axes != "oihw" || w.size('i') * g.groups != g.channels)
    return invalid("weight " + w.text() + " in " + std::to_string(g.groups) + " groups does not take an input of " + x.text());
  const auto extent = [&g](int64_t size, int64_t kernel) {
    return (size + 2 * g.padding - (kernel - 1) * g.dilation - 1) / g.stride + 1;
  };
  if (g.height + 2 * g.padding < (g.kernel_h - 1) * g.dilation + 1 ||
      g.width + 2 * g.padding < (g.kernel_w - 1) * g.dilation + 1)
    return invalid("the kernel is larger than the padded input of " + x.text());
  g.out_height = extent(g.height, g.kernel_h);
  g.out_width = extent(g.width, g.kernel_w);
  return g;
}

coppice_conv_shape c_shape(const Geometry& g) {
  const auto i = [](int64_t v) { return static_cast<int32_t>(v); };
  return {i(g.channels), i(g.height),   i(g.width),   i(g.outputs), i(g.out_height), i(g.out_width),
          i(g.kernel_h), i(g.kernel_w), i(g.stride),  i(g.stride),  i(g.padding),    i(g.padding),
          i(g.dilation), i(g.dilation), i(g.groups),  g.wrap};
}

// ---- conv2d: x {c,h,w}, weight {o,i,h,w}, [bias {o}] -> y {c=O,h,w}

Result<std::vector<Value>> infer(const Graph& graph, const Node& node) {
  TRY(expect_inputs(node, 2, 3));
  TRY_ASSIGN(const Geometry g,
             geometry(graph.value(node.inputs[0]).shape, graph.value(node.inputs[1]).shape, node));
  if (node.inputs.size() == 3 && graph.value(node.inputs[2]).shape.elements() != g.outputs)
    return invalid("bias has " + graph.value(node.inputs[2]).shape.text() + ", the weight " + std::to_string(g.outputs) +
                   " outputs");
  return one(tiled_value({"chw", {g.outputs, g.out_height, g.out_width}}));
}

Status grad(GradBuilder& builder, const Node& node) {
  const ValueId dy = builder.gradient_of(node.outputs[0]);
  const ValueId x = node.inputs[0], weight = node.inputs[1];
  if (builder.needs_gradient(x)) TRY(builder.contribute(x, op_named("conv2d_dx"), {dy, weight, x}, node.attributes));
  TRY(builder.contribute(weight, op_named("conv2d_dw"), {x, dy, weight}, node.attributes));
  if (node.inputs.size() == 3) TRY(builder.contribute(node.inputs[2], op_named("channel_sum"), {dy, node.inputs[2]}));
  return {};
}

Cost product_cost(const Graph& graph, ValueId weight, ValueId y, const std::function<int64_t(ValueId)>& live) {
  const Shape& out = graph.value(y).shape;
  const int64_t positions = out.size('h') * out.size('w');
  return {2 * live(weight) * positions, 2 * graph.value(weight).shape.elements() * positions};
}
Cost cost(const Graph& graph, const Node& node, const std::function<int64_t(ValueId)>& live) {
  return product_cost(graph, node.inputs[1], node.outputs[0], live);
}

// Calls f(index of y, index of x, index of w) for every product of one sample; taps in zero padding have none.
template <class F>
void for_each_product(const Geometry& g, F f) {
  const int64_t per_group = g.channels / g.groups, outputs_per_group = g.outputs / g.groups;
  for (int64_t o = 0; o < g.outputs; ++o)
    for (int64_t i = 0; i < per_group; ++i)
      for (int64_t ky = 0; ky < g.kernel_h; ++ky)
        for (int64_t kx = 0; kx < g.kernel_w; ++kx)
          for (int64_t p = 0; p < g.out_height; ++p)
            for (int64_t q = 0; q < g.out_width; ++q) {
              int64_t row = p * g.stride + ky * g.dilation - g.padding, column = q * g.stride + kx * g.dilation - g.padding;
              if (g.wrap) {
                row = (row % g.height + g.height) % g.height;
                column = (column % g.width + g.width) % g.width;
              }
              if (row < 0 || row >= g.height || column < 0 || column >= g.width) continue;
              const int64_t c = o / outputs_per_group * per_group + i;
              f(static_cast<size_t>((o * g.out_height + p) * g.out_width + q),
                static_cast<size_t>((c * g.height + row) * g.width + column),
                static_cast<size_t>(((o * per_group + i) * g.kernel_h + ky) * g.kernel_w + kx));
            }
}

void reference(const ReferenceCall& call) {
  const ReferenceArray &x = *call.in[0], &w = *call.in[1];
  std::vector<double>& y = call.out[0]->data;
  const Geometry g = geometry(x.shape, w.shape, call.node).take();
  const auto in = static_cast<size_t>(x.shape.elements()), out = y.size() / static_cast<size_t>(call.batch);
  for (size_t n = 0; n < static_cast<size_t>(call.batch); ++n) {
    if (call.in.size() == 3)
      for (size_t i = 0; i < out; ++i)
        y[n * out + i] = call.in[2]->data[i / static_cast<size_t>(g.out_height * g.out_width)];
    for_each_product(g, [&](size_t yi, size_t xi, size_t wi) { y[n * out + yi] += w.data[wi] * x.data[n * in + xi]; });
  }
  if (call.node.text("activation", "") == "relu")
    for (double& value : y) value = std::max(value, 0.0);
}

Status lower(Lowering& lowering, const Node& node) {
  const Graph& graph = lowering.graph();
  TRY_ASSIGN(const Geometry g,
             geometry(graph.value(node.inputs[0]).shape, graph.value(node.inputs[1]).shape, node));
  Param& weight = lowering.param(node.inputs[1]);
  auto call = lowering.call<coppice_general_conv_args>(node.name, lowering.pointwise->general_conv, lowering.width(node.outputs[0]));
  call.args().shape = c_shape(g);
  call.args().weights = static_cast<const coppice_csr*>(weight.view());
  call.args().activation = node.text("activation", "") == "relu" ? 1 : 0;
  call.in(&coppice_general_conv_args::x, node.inputs[0]).out(&coppice_general_conv_args::y, node.outputs[0]);
  call.uses(weight, weight.bytes());
  if (node.inputs.size() == 3) {
    const Param& bias = lowering.param(node.inputs[2]);
    call.args().bias = bias.value.data();
    call.uses(bias, 0);
  }
  return {};
}

// ---- conv2d_dx: dy, weight, x (for its shape) -> dx

Result<std::vector<Value>> infer_dx(const Graph& graph, const Node& node) {
  TRY(expect_inputs(node, 3, 3));
  return one(tiled_value(graph.value(node.inputs[2]).shape));
}
Cost cost_dx(const Graph& graph, const Node& node, const std::function<int64_t(ValueId)>& live) {
  return product_cost(graph, node.inputs[1], node.inputs[0], live);
}
void reference_dx(const ReferenceCall& call) {
  const ReferenceArray &dy = *call.in[0], &w = *call.in[1];
  std::vector<double>& dx = call.out[0]->data;
  const Geometry g = geometry(call.in[2]->shape, w.shape, call.node).take();
  const size_t in = dx.size() / static_cast<size_t>(call.batch), out = dy.data.size() / static_cast<size_t>(call.batch);
  for (size_t n = 0; n < static_cast<size_t>(call.batch); ++n)
    for_each_product(g, [&](size_t yi, size_t xi, size_t wi) { dx[n * in + xi] += w.data[wi] * dy.data[n * out + yi]; });
}
Status lower_dx(Lowering& lowering, const Node& node) {
  const Graph& graph = lowering.graph();
  TRY_ASSIGN(const Geometry g,
             geometry(graph.value(node.inputs[2]).shape, graph.value(node.inputs[1]).shape, node));
  Param& weight = lowering.param(node.inputs[1]);
  auto call = lowering.call<coppice_general_conv_args>(node.name, lowering.pointwise->general_conv_dx, lowering.width(node.outputs[0]));
  call.args().shape = c_shape(g);
  call.args().weights = static_cast<const coppice_csr*>(weight.view());
  call.in(&coppice_general_conv_args::y, node.inputs[0]).out(&coppice_general_conv_args::x, node.outputs[0]);
  call.uses(weight, weight.bytes());
  return {};
}

// ---- conv2d_dw: x, dy, weight (for its pattern) -> dweight

Result<std::vector<Value>> infer_dw(const Graph& graph, const Node& node) {
  TRY(expect_inputs(node, 3, 3));
  return one(whole_value(graph.value(node.inputs[2]).shape));
}
Cost cost_dw(const Graph& graph, const Node& node, const std::function<int64_t(ValueId)>& live) {
  return product_cost(graph, node.inputs[2], node.inputs[1], live);
}
void reference_dw(const ReferenceCall& call) {
  const ReferenceArray &x = *call.in[0], &dy = *call.in[1];
  const Geometry g = geometry(x.shape, call.out[0]->shape, call.node).take();
  const size_t in = x.data.size() / static_cast<size_t>(call.batch), out = dy.data.size() / static_cast<size_t>(call.batch);
  for (size_t n = 0; n < static_cast<size_t>(call.batch); ++n)
    for_each_product(g, [&](size_t yi, size_t xi, size_t wi) {
      call.out[0]->data[wi] += dy.data[n * out + yi] * x.data[n * in + xi];
    });
}
Status lower_dw(Lowering& lowering, const Node& node) {
  const Graph& graph = lowering.graph();
  TRY_ASSIGN(const Geometry g,
             geometry(graph.value(node.inputs[0]).shape, graph.value(node.inputs[2]).shape, node));
  Param& weight = lowering.param(node.inputs[2]);
  auto call = lowering.call<coppice_general_conv_args>(node.name, lowering.pointwise->general_conv_dw, lowering.width(node.inputs[1]));
  call.args().shape = c_shape(g);
  call.args().weights = static_cast<const coppice_csr*>(weight.view());
  call.args().part_start = weight.part_start().data();
  call.in(&coppice_general_conv_args::x, node.inputs[0]).in(&coppice_general_conv_args::y, node.inputs[1]);
  gradient_parts(call, weight, &coppice_general_conv_args::gradient, node.outputs[0]);
  return {};
}

Sample sample(const std::string& name, const Shape& input, int64_t outputs, const ConvOptions& options) {
  NetworkBuilder b;
  ValueId x = b.input(input);
  b.class_target();
  x = b.relu("relu", b.conv("conv1", x, outputs, options));
  ConvOptions pointwise;
  pointwise.kernel = 1;
  pointwise.padding = 0;
  x = b.conv("conv2", x, 4, pointwise);
  b.softmax_cross_entropy(b.linear("fc", b.flatten("flatten", x), 3));
  return {name, b.finish().take()};
}

std::vector<Sample> samples() {
  const auto with = [](auto change) {
    ConvOptions options;
    change(options);
    return options;
  };
  std::vector<Sample> out;
  out.push_back(sample("3x3", {"chw", {2, 4, 5}}, 4, {}));
  out.push_back(sample("stride 2", {"chw", {2, 5, 6}}, 4, with([](ConvOptions& o) { o.stride = 2; })));
  out.push_back(sample("wraps", {"chw", {1, 4, 4}}, 4, with([](ConvOptions& o) { o.wrap = true; })));
  out.push_back(sample("dilated", {"chw", {2, 6, 6}}, 4, with([](ConvOptions& o) { o.dilation = o.padding = 2; })));
  out.push_back(sample("two groups", {"chw", {4, 4, 4}}, 8, with([](ConvOptions& o) { o.groups = 2; })));
  out.push_back(sample("depthwise", {"chw", {4, 4, 4}}, 4, with([](ConvOptions& o) { o.groups = 4; })));
  out.push_back(sample("5x5 without bias", {"chw", {2, 5, 5}}, 4, with([](ConvOptions& o) {
                         o.kernel = 5;
                         o.padding = 2;
                         o.bias = false;
                       })));
  return out;
}

}  // namespace

std::vector<OpDef> conv2d_ops() {
  return {
      {.name = "conv2d",
       .summary = "y = act(W * x + bias), W sparse or dense",
       .infer = infer,
       .grad = grad,
       .cost = cost,
       .reference = reference,
       .lower = lower,
       .samples = samples},
      {.name = "conv2d_dx",
       .summary = "gradient of conv2d for its input",
       .infer = infer_dx,
       .cost = cost_dx,
       .reference = reference_dx,
       .lower = lower_dx},
      {.name = "conv2d_dw",
       .summary = "gradient of conv2d for its live weights",
       .infer = infer_dw,
       .cost = cost_dw,
       .reference = reference_dw,
       .lower = lower_dw},
  };
}

}  // namespace coppice
