// SPDX-License-Identifier: Apache-2.0
// conv2d: y = act(W * x + bias), and its gradients. W is (o, i / groups, h, w), sparse or dense; any kernel,
// stride, padding, dilation and groups; padding is zero or wraps around.
#include "formats/conv_blocks.h"
#include "formats/csr.h"
#include "formats/gather.h"
#include "kernels/train_kernels.h"
#include "ops/build.h"
#include "ops/support/common.h"

namespace coppice {
namespace {

struct Geometry {
  int64_t channels, height, width, outputs, out_height, out_width, kernel_h, kernel_w, stride, padding,
      dilation, groups;
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
    return invalid(std::to_string(g.groups) + " groups do not divide " + std::to_string(g.channels) +
                   " inputs and " + std::to_string(g.outputs) + " outputs");
  if (w.axes != "oihw" || w.size('i') * g.groups != g.channels)
    return invalid("weight " + w.text() + " in " + std::to_string(g.groups) +
                   " groups does not take an input of " + x.text());
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
  return {i(g.channels), i(g.height),   i(g.width),  i(g.outputs), i(g.out_height), i(g.out_width),
          i(g.kernel_h), i(g.kernel_w), i(g.stride), i(g.stride),  i(g.padding),    i(g.padding),
          i(g.dilation), i(g.dilation), i(g.groups), g.wrap};
}

// ---- conv2d: x {c,h,w}, weight {o,i,h,w}, [bias {o}] -> y {c=O,h,w}

Result<std::vector<Value>> infer(const Graph& graph, const Node& node) {
  TRY(expect_inputs(node, 2, 3));
  TRY_ASSIGN(const Geometry g,
             geometry(graph.value(node.inputs[0]).shape, graph.value(node.inputs[1]).shape, node));
  if (node.inputs.size() == 3 && graph.value(node.inputs[2]).shape.elements() != g.outputs)
    return invalid("bias has " + graph.value(node.inputs[2]).shape.text() + ", the weight " +
                   std::to_string(g.outputs) + " outputs");
  return one(tiled_value({"chw", {g.outputs, g.out_height, g.out_width}}));
}

Status grad(GradBuilder& builder, const Node& node) {
  const ValueId dy = builder.gradient_of(node.outputs[0]);
  const ValueId x = node.inputs[0], weight = node.inputs[1];
  if (builder.needs_gradient(x)) {
    Attributes attributes = node.attributes;
    const bool trained = builder.needs_gradient(weight);
    if (!trained) attributes["dw"] = int64_t{0};
    TRY_ASSIGN(const std::vector<ValueId> both,
               builder.append("d " + node.name + " both", op_named("conv2d_grad"), {x, dy, weight},
                              std::move(attributes)));
    TRY(builder.pass_on(x, both[0]));
    if (trained) TRY(builder.pass_on(weight, both[1]));
  } else {
    TRY(builder.contribute(weight, op_named("conv2d_dw"), {x, dy, weight}, node.attributes));
  }
  if (node.inputs.size() == 3)
    TRY(builder.contribute(node.inputs[2], op_named("channel_sum"), {dy, node.inputs[2]}));
  return {};
}

Cost product_cost(const Graph& graph, ValueId weight, ValueId y, const WeightCounts& weights) {
  const Shape& out = graph.value(y).shape;
  return weights(weight) * (2 * out.size('h') * out.size('w'));
}
Cost cost(const Graph& graph, const Node& node, const WeightCounts& weights) {
  return product_cost(graph, node.inputs[1], node.outputs[0], weights);
}

// Calls f(index of y, index of x, index of w) for every product of one sample; taps in zero padding have
// none.
template <class F>
void for_each_product(const Geometry& g, F f) {
  const int64_t per_group = g.channels / g.groups, outputs_per_group = g.outputs / g.groups;
  for (int64_t o = 0; o < g.outputs; ++o)
    for (int64_t i = 0; i < per_group; ++i)
      for (int64_t ky = 0; ky < g.kernel_h; ++ky)
        for (int64_t kx = 0; kx < g.kernel_w; ++kx)
          for (int64_t p = 0; p < g.out_height; ++p)
            for (int64_t q = 0; q < g.out_width; ++q) {
              int64_t row = p * g.stride + ky * g.dilation - g.padding,
                      column = q * g.stride + kx * g.dilation - g.padding;
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
    for_each_product(
        g, [&](size_t yi, size_t xi, size_t wi) { y[n * out + yi] += w.data[wi] * x.data[n * in + xi]; });
  }
  if (call.node.text("activation", "") == "relu")
    for (double& value : y) value = std::max(value, 0.0);
}

// The general kernels, for convolutions that no gather can express.
void fill_general(coppice_general_conv_args& args, const Geometry& g, const Param& weight) {
  args.shape = c_shape(g);
  args.weights = static_cast<const coppice_csr*>(weight.view());
  args.part_start = weight.part_start().data();
}

Status lower(Lowering& lowering, const Node& node) {
  const Graph& graph = lowering.graph();
  TRY_ASSIGN(const Geometry g,
             geometry(graph.value(node.inputs[0]).shape, graph.value(node.inputs[1]).shape, node));
  Param& weight = lowering.param(node.inputs[1]);
  const Param* bias = node.inputs.size() == 3 ? &lowering.param(node.inputs[2]) : nullptr;
  const int32_t activation = node.text("activation", "") == "relu" ? COPPICE_ACT_RELU : COPPICE_ACT_NONE;
  const int width = lowering.width(node.outputs[0]);
  const auto complete = [&](auto& call) {
    call.args().activation = activation;
    call.args().bias = bias ? bias->value.data() : nullptr;
    if (bias) call.uses(*bias, 0);
  };
  if (weight.format() != &kCsr) {
    const Encoding& forward = weight.copy() ? *weight.copy()->encoding : weight.encoding();
    const ConvGeometry& conv = weight.tiling().conv;
    const ValueId x = with_halo(lowering, node.inputs[0], conv.x_halo, conv.wrap);
    auto call = lowering.call<coppice_conv_args>(
        node.name, weight.format() == &kGather ? lowering.rt->conv : lowering.rt->conv_blocks, width);
    call.args().weights = weight.copy() ? weight.copy()->view : weight.view();
    call.in(&coppice_conv_args::x, x).out(&coppice_conv_args::y, node.outputs[0]);
    call.uses(weight, forward.size() * 4 + forward.bytes()).parts(forward.forward_parts());
    complete(call);
    return {};
  }
  auto call = lowering.call<coppice_general_conv_args>(node.name, lowering.pointwise->general_conv, width);
  fill_general(call.args(), g, weight);
  call.in(&coppice_general_conv_args::x, node.inputs[0]).out(&coppice_general_conv_args::y, node.outputs[0]);
  call.uses(weight, 0);
  complete(call);
  return {};
}

void axes(AxisMap& map, const Node& node) {
  map.product({.x = node.inputs[0],
               .weight = node.inputs[1],
               .bias = node.inputs.size() == 3 ? node.inputs[2] : kNoValue,
               .y = node.outputs[0],
               .groups = node.integer("groups", 1),
               .even = node.integer("padding", 0) == 0 || node.integer("wrap", 0) != 0});
}
// Groups of one input go with it; all others are left with fewer inputs each.
Attributes cut(const Node& node, const KeptUnits& kept) {
  Attributes attributes = node.attributes;
  if (node.integer("groups", 1) > 1 && kept(node.inputs[1], 'i').size() == 1)
    attributes["groups"] = static_cast<int64_t>(kept(node.inputs[0], 'c').size());
  return attributes;
}

// ---- conv2d_dw: x, dy, weight (for its pattern) -> dweight. For a first layer, which computes no dx

Result<std::vector<Value>> infer_dw(const Graph& graph, const Node& node) {
  TRY(expect_inputs(node, 3, 3));
  return one(whole_value(graph.value(node.inputs[2]).shape));
}
Cost cost_dw(const Graph& graph, const Node& node, const WeightCounts& weights) {
  return product_cost(graph, node.inputs[2], node.inputs[1], weights);
}
void add_dw(const ReferenceCall& call, std::vector<double>& dw) {
  const ReferenceArray &x = *call.in[0], &dy = *call.in[1];
  const Geometry g = geometry(x.shape, call.in[2]->shape, call.node).take();
  const size_t in = x.data.size() / static_cast<size_t>(call.batch),
               out = dy.data.size() / static_cast<size_t>(call.batch);
  for (size_t n = 0; n < static_cast<size_t>(call.batch); ++n)
    for_each_product(
        g, [&](size_t yi, size_t xi, size_t wi) { dw[wi] += dy.data[n * out + yi] * x.data[n * in + xi]; });
}
void reference_dw(const ReferenceCall& call) { add_dw(call, call.out[0]->data); }

// What a pass has fused into a conv2d_grad, as indices of its inputs; 0: nothing.
struct Fused {
  size_t addend = 0, mask = 0;
};
Fused fused_into(const Node& node) {
  const size_t addends = node.integer("addend", 0) != 0 ? 1 : 0;
  return {addends == 1 ? 3u : 0u, node.inputs.size() == 4 + addends ? 3 + addends : 0};
}
ValueId input_at(const Node& node, size_t index) { return index == 0 ? kNoValue : node.inputs[index]; }

bool gathers_backward(const Param& weight) {
  return weight.format() == &kGather || weight.format() == &kForwardBlocks;
}

// A value for the gradients of single tiles, to be added up by sum_tiles(); kNoValue where the kernel adds
// them up itself, as an image has too few pixels.
ValueId tile_gradients(Lowering& lowering, const Node& node, const Param& weight, int width) {
  if (!conv_bwd_by_tiles(weight.tiling().conv)) return kNoValue;
  return numbers_of_tiles(lowering, node, weight.encoding().size(), width);
}

// The operands of a gradient; kNoValue where there is none. Without dw the one pass computes it all the same,
// into scratch.
struct Gradient {
  ValueId dx, addend, mask, dw;
};

// One pass over the live weights for dx and dw.
void lower_gather_bwd(Lowering& lowering, const Node& node, const Param& weight, const Gradient& out) {
  const ConvGeometry& conv = weight.tiling().conv;
  const Encoding& encoding = weight.encoding();
  const ValueId x = node.inputs[0], dy = with_halo(lowering, node.inputs[1], conv.dy_halo, conv.wrap);
  const int width = lowering.width(x);
  const ValueId tiles = out.dw == kNoValue ? kNoValue : tile_gradients(lowering, node, weight, width);
  {
    auto call = lowering.call<coppice_conv_bwd_args>(node.name, lowering.train->conv_bwd, width);
    call.args().weights = static_cast<const coppice_conv_weights*>(weight.view());
    call.args().part_start = weight.part_start().data();
    call.in(&coppice_conv_bwd_args::x, x).in(&coppice_conv_bwd_args::dy, dy);
    if (out.dx != kNoValue) call.out(&coppice_conv_bwd_args::dx, out.dx);
    if (out.addend != kNoValue) call.in(&coppice_conv_bwd_args::addend, out.addend);
    if (out.mask != kNoValue) call.in(&coppice_conv_bwd_args::mask, out.mask);
    if (tiles == kNoValue)
      gradient_parts(call, weight, &coppice_conv_bwd_args::gradient, out.dw);
    else
      call.out(&coppice_conv_bwd_args::tile_gradients, tiles)
          .parts(encoding.dx_parts())
          .uses(weight, encoding.size() * 4 + encoding.bytes());
    call.spec().scratch = std::max(call.spec().scratch, conv_bwd_scratch(encoding));
  }
  if (tiles != kNoValue) sum_tiles(lowering, node, weight, tiles, width, out.dw);
}

// In blocks: two calls on one layout.
void lower_blocks_bwd(Lowering& lowering, const Node& node, const Param& weight, const Gradient& out) {
  const ConvGeometry& conv = weight.tiling().conv;
  const Encoding& encoding = weight.encoding();
  const auto* view = static_cast<const coppice_conv_blocks*>(weight.view());
  const int64_t bytes = encoding.size() * 4 + encoding.bytes();
  const ValueId dy = with_halo(lowering, node.inputs[1], conv.dy_halo, conv.wrap);
  const int width = lowering.width(node.inputs[0]);
  if (out.dx != kNoValue) {
    auto call = lowering.call<coppice_conv_blocks_dx_args>(node.name, lowering.train->conv_blocks_dx, width);
    call.args().weights = view;
    call.in(&coppice_conv_blocks_dx_args::dy, dy).out(&coppice_conv_blocks_dx_args::dx, out.dx);
    if (out.addend != kNoValue) call.in(&coppice_conv_blocks_dx_args::addend, out.addend);
    if (out.mask != kNoValue) call.in(&coppice_conv_blocks_dx_args::mask, out.mask);
    call.uses(weight, bytes).parts(encoding.dx_parts());
  }
  if (out.dw == kNoValue) return;
  const ValueId x = with_halo(lowering, node.inputs[0], conv.x_halo, conv.wrap);
  const ValueId tiles = tile_gradients(lowering, node, weight, width);
  {
    auto call =
        lowering.call<coppice_conv_blocks_dw_args>(node.name + " dw", lowering.train->conv_blocks_dw, width);
    call.args().weights = view;
    call.in(&coppice_conv_blocks_dw_args::x, x).in(&coppice_conv_blocks_dw_args::dy, dy);
    if (tiles == kNoValue)
      gradient_parts(call, weight, &coppice_conv_blocks_dw_args::gradient, out.dw);
    else
      call.out(&coppice_conv_blocks_dw_args::tile_gradients, tiles).parts(view->panels);
    call.spec().scratch = std::max(call.spec().scratch, conv_blocks_dw_scratch(encoding));
  }
  if (tiles != kNoValue) sum_tiles(lowering, node, weight, tiles, width, out.dw);
}

void lower_general_dw(Lowering& lowering, const Node& node, const Geometry& g, const Param& weight,
                      ValueId dw) {
  auto call = lowering.call<coppice_general_conv_args>(node.name, lowering.pointwise->general_conv_dw,
                                                       lowering.width(node.inputs[1]));
  fill_general(call.args(), g, weight);
  call.in(&coppice_general_conv_args::x, node.inputs[0]).in(&coppice_general_conv_args::y, node.inputs[1]);
  gradient_parts(call, weight, &coppice_general_conv_args::gradient, dw);
}

Status lower_dw(Lowering& lowering, const Node& node) {
  const Graph& graph = lowering.graph();
  TRY_ASSIGN(const Geometry g,
             geometry(graph.value(node.inputs[0]).shape, graph.value(node.inputs[2]).shape, node));
  const Param& weight = lowering.param(node.inputs[2]);
  const Gradient out = {kNoValue, kNoValue, kNoValue, node.outputs[0]};
  if (gathers_backward(weight))
    lower_gather_bwd(lowering, node, weight, out);
  else if (weight.format() == &kConvBlocks)
    lower_blocks_bwd(lowering, node, weight, out);
  else
    lower_general_dw(lowering, node, g, weight, node.outputs[0]);
  return {};
}

// ---- conv2d_grad: x, dy, weight, [addend], [mask] -> dx, [dweight]. With the attribute "addend" dx is added
// to that input; with a mask, it then counts where mask > 0. With "dw" 0 there is no dweight

bool computes_dw(const Node& node) { return node.integer("dw", 1) != 0; }

Result<std::vector<Value>> infer_grad(const Graph& graph, const Node& node) {
  const size_t least = node.integer("addend", 0) != 0 ? 4 : 3;
  TRY(expect_inputs(node, least, least + 1));
  std::vector<Value> out = one(tiled_value(graph.value(node.inputs[0]).shape));
  if (!computes_dw(node)) return out;
  out.push_back(whole_value(graph.value(node.inputs[2]).shape));
  out[1].name = "d " + graph.value(node.inputs[2]).name;
  return out;
}
Cost cost_grad(const Graph& graph, const Node& node, const WeightCounts& weights) {
  return product_cost(graph, node.inputs[2], node.inputs[1], weights) * (computes_dw(node) ? 2 : 1);
}
void reference_grad(const ReferenceCall& call) {
  const ReferenceArray &dy = *call.in[1], &w = *call.in[2];
  std::vector<double>& dx = call.out[0]->data;
  const Geometry g = geometry(call.in[0]->shape, w.shape, call.node).take();
  const size_t in = dx.size() / static_cast<size_t>(call.batch),
               out = dy.data.size() / static_cast<size_t>(call.batch);
  for (size_t n = 0; n < static_cast<size_t>(call.batch); ++n)
    for_each_product(
        g, [&](size_t yi, size_t xi, size_t wi) { dx[n * in + xi] += w.data[wi] * dy.data[n * out + yi]; });
  const Fused fused = fused_into(call.node);
  for (size_t i = 0; i < dx.size(); ++i) {
    if (fused.addend) dx[i] += call.in[fused.addend]->data[i];
    if (fused.mask && !(call.in[fused.mask]->data[i] > 0.0)) dx[i] = 0.0;
  }
  if (computes_dw(call.node)) add_dw(call, call.out[1]->data);
}
Status lower_grad(Lowering& lowering, const Node& node) {
  const Graph& graph = lowering.graph();
  TRY_ASSIGN(const Geometry g,
             geometry(graph.value(node.inputs[0]).shape, graph.value(node.inputs[2]).shape, node));
  Param& weight = lowering.param(node.inputs[2]);
  const Gradient out = {node.outputs[0], input_at(node, fused_into(node).addend),
                        input_at(node, fused_into(node).mask),
                        computes_dw(node) ? node.outputs[1] : kNoValue};
  if (gathers_backward(weight)) {
    lower_gather_bwd(lowering, node, weight, out);
    return {};
  }
  if (weight.format() == &kConvBlocks) {
    lower_blocks_bwd(lowering, node, weight, out);
    return {};
  }
  // The product alone, then an element-wise call for each thing that was fused into it.
  const bool more = out.addend != kNoValue || out.mask != kNoValue;
  ValueId dx = more ? lowering.like(node.name + " alone", out.dx) : out.dx;
  {
    auto call = lowering.call<coppice_general_conv_args>(node.name, lowering.pointwise->general_conv_dx,
                                                         lowering.width(dx));
    fill_general(call.args(), g, weight);
    call.in(&coppice_general_conv_args::y, node.inputs[1]).out(&coppice_general_conv_args::x, dx);
    call.uses(weight, 0);
  }
  const auto then = [&](const char* what, coppice_kernel kernel, ValueId with, bool last) {
    const ValueId to = last ? out.dx : lowering.like(node.name + " so far", out.dx);
    auto call = lowering.call<coppice_map_args>(node.name + what, kernel, lowering.width(dx));
    call.in(&coppice_map_args::a, dx).in(&coppice_map_args::b, with).out(&coppice_map_args::out, to);
    call.args().extent = lowering.extent(dx);
    dx = to;
  };
  if (out.addend != kNoValue) then(" sum", lowering.pointwise->add, out.addend, out.mask == kNoValue);
  if (out.mask != kNoValue) then(" mask", lowering.pointwise->relu_grad, out.mask, true);
  if (out.dw != kNoValue) lower_general_dw(lowering, node, g, weight, out.dw);
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
  out.push_back(sample("several panels", {"chw", {20, 4, 5}}, 36, {}));
  out.push_back(sample("strided panels", {"chw", {4, 6, 5}}, 32, with([](ConvOptions& o) { o.stride = 2; })));
  out.push_back(sample("stride 2", {"chw", {2, 5, 6}}, 4, with([](ConvOptions& o) { o.stride = 2; })));
  out.push_back(sample("wraps", {"chw", {1, 4, 4}}, 4, with([](ConvOptions& o) { o.wrap = true; })));
  out.push_back(
      sample("dilated", {"chw", {2, 6, 6}}, 4, with([](ConvOptions& o) { o.dilation = o.padding = 2; })));
  out.push_back(sample("two groups", {"chw", {4, 4, 4}}, 8, with([](ConvOptions& o) { o.groups = 2; })));
  out.push_back(sample("depthwise", {"chw", {4, 4, 4}}, 4, with([](ConvOptions& o) { o.groups = 4; })));
  out.push_back(sample("5x5 without bias", {"chw", {2, 5, 5}}, 4, with([](ConvOptions& o) {
                         o.kernel = 5;
                         o.padding = 2;
                         o.bias = false;
                       })));
  return out;
}

constexpr AttributeDef kAttributes[] = {{"stride", AttributeKind::kInteger},
                                        {"padding", AttributeKind::kInteger},
                                        {"dilation", AttributeKind::kInteger},
                                        {"groups", AttributeKind::kInteger},
                                        {"wrap", AttributeKind::kInteger}};

Status lower_dense_dw(Lowering& lowering, const Node& node) {
  const Graph& graph = lowering.graph();
  TRY_ASSIGN(const Geometry g,
             geometry(graph.value(node.inputs[0]).shape, graph.value(node.inputs[2]).shape, node));
  lower_dense_dw_as(lowering, node, c_shape(g));
  return {};
}

}  // namespace

std::vector<OpDef> conv2d_ops() {
  return {
      {.name = "conv2d",
       .summary = "y = act(W * x + bias), W sparse or dense",
       .attributes = kAttributes,
       .infer = infer,
       .grad = grad,
       .cost = cost,
       .reference = reference,
       .lower = lower,
       .axes = axes,
       .cut = cut,
       .samples = samples},
      {.name = "conv2d_grad",
       .summary = "gradients of conv2d for its input and its live weights",
       .infer = infer_grad,
       .cost = cost_grad,
       .reference = reference_grad,
       .lower = lower_grad,
       .lower_dense_dw = lower_dense_dw},
      {.name = "conv2d_dw",
       .summary = "gradient of conv2d for its live weights",
       .infer = infer_dw,
       .cost = cost_dw,
       .reference = reference_dw,
       .lower = lower_dw,
       .lower_dense_dw = lower_dense_dw},
  };
}

}  // namespace coppice
