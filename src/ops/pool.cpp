// SPDX-License-Identifier: Apache-2.0
// max_pool, avg_pool (attributes kernel, stride, padding: one number, or a list of one for each axis) and
// global_pool (the mean of each channel). A mean is over the whole window, or, where count_padding is 0, over
// the pixels of it that exist.
#include <cmath>

#include "ops/build.h"
#include "ops/support/common.h"

namespace coppice {
namespace {

// Attributes of both axes, y and x; those of padding are top, left, bottom and right.
using List = std::vector<int64_t>;
struct Windows {
  List kernel, stride, padding;
};
// One number for all `count` of them, or a list, which repeats: of [1, 2] padding has 1 above and below.
Result<List> numbers(const Node& node, const char* key, size_t count, const List& otherwise) {
  const auto at = node.attributes.find(key);
  const auto* one = at == node.attributes.end() ? nullptr : std::get_if<int64_t>(&at->second);
  const List list = at == node.attributes.end() ? otherwise : one ? List{*one} : std::get<List>(at->second);
  if (list.empty() || count % list.size() != 0)
    return invalid(std::string(key) + " is one number, or one for each of height and width" +
                   (count == 4 ? ", or for each of top, left, bottom and right" : ""));
  List out;
  for (size_t i = 0; i < count; ++i) out.push_back(list[i % list.size()]);
  return out;
}
Result<Windows> windows_of(const Node& node) {
  Windows w;
  TRY_ASSIGN(w.kernel, numbers(node, "kernel", 2, {2}));
  TRY_ASSIGN(w.stride, numbers(node, "stride", 2, w.kernel));
  TRY_ASSIGN(w.padding, numbers(node, "padding", 4, {0}));
  return w;
}

bool counts_padding(const Node& node) { return node.integer("count_padding", 1) != 0; }

// Along one axis.
struct Axis {
  int64_t size, kernel, stride, before, out;
};
struct Geometry {
  int64_t channels;
  Axis y, x;
};
Result<Axis> axis_of(const Windows& w, size_t i, int64_t size) {
  const int64_t before = w.padding[i], after = w.padding[i + 2], kernel = w.kernel[i];
  // With less padding than that every window has a pixel.
  if (kernel < 1 || w.stride[i] < 1 || before < 0 || after < 0 || before >= kernel || after >= kernel)
    return invalid("kernel and stride must be at least 1, padding at least 0 and less than the kernel");
  const int64_t free = size + before + after - kernel;
  if (free < 0) return invalid("the kernel is larger than the padded input");
  return Axis{size, kernel, w.stride[i], before, free / w.stride[i] + 1};
}
Result<Geometry> geometry(const Shape& x, const Node& node) {
  if (x.axes != "chw") return invalid("needs an input with channels, height and width, got " + x.text());
  TRY_ASSIGN(const Windows w, windows_of(node));
  Geometry g{x.size('c'), {}, {}};
  TRY_ASSIGN(g.y, axis_of(w, 0, x.size('h')));
  TRY_ASSIGN(g.x, axis_of(w, 1, x.size('w')));
  return g;
}

Result<std::vector<Value>> infer(const Graph& graph, const Node& node) {
  TRY(expect_inputs(node, 1, 1));
  TRY_ASSIGN(const Geometry g, geometry(graph.value(node.inputs[0]).shape, node));
  return one(tiled_value({"chw", {g.channels, g.y.out, g.x.out}}));
}
Result<std::vector<Value>> infer_grad(const Graph& graph, const Node& node) {
  if (node.inputs.size() < 2) return invalid("takes dy and x");
  return one(tiled_value(graph.value(node.inputs[1]).shape));
}

// Calls f(output index, input index) for every pixel of every window of the batch that exists.
template <class F>
void for_each_pixel(const Geometry& g, int64_t batch, F f) {
  for (int64_t plane = 0; plane < batch * g.channels; ++plane)
    for (int64_t p = 0; p < g.y.out; ++p)
      for (int64_t q = 0; q < g.x.out; ++q)
        for (int64_t ky = 0; ky < g.y.kernel; ++ky)
          for (int64_t kx = 0; kx < g.x.kernel; ++kx) {
            const int64_t y = p * g.y.stride + ky - g.y.before, x = q * g.x.stride + kx - g.x.before;
            if (y < 0 || y >= g.y.size || x < 0 || x >= g.x.size) continue;
            f(static_cast<size_t>((plane * g.y.out + p) * g.x.out + q),
              static_cast<size_t>((plane * g.y.size + y) * g.x.size + x));
          }
}

Status lower_pool(Lowering& lowering, const Node& node, coppice_kernel kernel, bool gradient) {
  const ValueId dy = node.inputs[0], x = node.inputs[gradient ? 1 : 0];
  const ValueId y = !gradient ? node.outputs[0] : node.inputs.size() == 3 ? node.inputs[2] : dy;
  auto call = lowering.call<coppice_pool_args>(node.name, kernel, lowering.width(node.outputs[0]));
  coppice_pool_args& args = call.args();
  args.x_extent = lowering.extent(x);
  args.y_extent = lowering.extent(y);
  TRY_ASSIGN(const Windows w, windows_of(node));
  for (const size_t i : {size_t{0}, size_t{1}}) {
    args.kernel[i] = static_cast<int32_t>(w.kernel[i]);
    args.stride[i] = static_cast<int32_t>(w.stride[i]);
    args.padding[i] = static_cast<int32_t>(w.padding[i]);
  }
  args.leaves_padding_out = counts_padding(node) ? 0 : 1;
  if (!gradient) {
    call.in(&coppice_pool_args::x, x).out(&coppice_pool_args::y, y);
    return {};
  }
  call.in(&coppice_pool_args::y, y).out(&coppice_pool_args::dx, node.outputs[0]);
  // Only the maximum looks at x and y again.
  if (node.inputs.size() == 3) call.in(&coppice_pool_args::x, x).in(&coppice_pool_args::dy, dy);
  return {};
}

// ---- max_pool

Status max_grad(GradBuilder& builder, const Node& node) {
  return builder.contribute(node.inputs[0], op_named("max_pool_grad"),
                            {builder.gradient_of(node.outputs[0]), node.inputs[0], node.outputs[0]},
                            node.attributes);
}
void max_reference(const ReferenceCall& call) {
  for (double& y : call.out[0]->data) y = -HUGE_VAL;
  for_each_pixel(geometry(call.in[0]->shape, call.node).take(), call.batch, [&](size_t y, size_t x) {
    const double in = call.in[0]->data[x];
    if (in > call.out[0]->data[y] || std::isnan(in)) call.out[0]->data[y] = in;
  });
}
void max_reference_grad(const ReferenceCall& call) {
  std::vector<bool> given(call.in[2]->data.size(), false);
  for_each_pixel(geometry(call.in[1]->shape, call.node).take(), call.batch, [&](size_t y, size_t x) {
    if (given[y] || call.in[1]->data[x] != call.in[2]->data[y]) return;
    call.out[0]->data[x] += call.in[0]->data[y];
    given[y] = true;
  });
}
Status max_lower(Lowering& lowering, const Node& node) {
  return lower_pool(lowering, node, lowering.pointwise->max_pool, false);
}
Status max_lower_grad(Lowering& lowering, const Node& node) {
  return lower_pool(lowering, node, lowering.pointwise->max_pool_grad, true);
}

// ---- avg_pool

Status avg_grad(GradBuilder& builder, const Node& node) {
  return builder.contribute(node.inputs[0], op_named("avg_pool_grad"),
                            {builder.gradient_of(node.outputs[0]), node.inputs[0]}, node.attributes);
}
// How many pixels of each window count.
std::vector<double> counts(const Node& node, const Geometry& g, int64_t batch) {
  const auto windows = static_cast<size_t>(batch * g.channels * g.y.out * g.x.out);
  if (counts_padding(node)) return std::vector<double>(windows, static_cast<double>(g.y.kernel * g.x.kernel));
  std::vector<double> out(windows, 0.0);
  for_each_pixel(g, batch, [&](size_t y, size_t) { out[y] += 1.0; });
  return out;
}
void avg_reference(const ReferenceCall& call) {
  const Geometry g = geometry(call.in[0]->shape, call.node).take();
  const std::vector<double> count = counts(call.node, g, call.batch);
  for_each_pixel(g, call.batch,
                 [&](size_t y, size_t x) { call.out[0]->data[y] += call.in[0]->data[x] / count[y]; });
}
void avg_reference_grad(const ReferenceCall& call) {
  const Geometry g = geometry(call.in[1]->shape, call.node).take();
  const std::vector<double> count = counts(call.node, g, call.batch);
  for_each_pixel(g, call.batch,
                 [&](size_t y, size_t x) { call.out[0]->data[x] += call.in[0]->data[y] / count[y]; });
}
Status avg_lower(Lowering& lowering, const Node& node) {
  return lower_pool(lowering, node, lowering.pointwise->avg_pool, false);
}
Status avg_lower_grad(Lowering& lowering, const Node& node) {
  return lower_pool(lowering, node, lowering.pointwise->avg_pool_grad, true);
}

// ---- global_pool: {c,h,w} -> {f=C}

Result<std::vector<Value>> global_infer(const Graph& graph, const Node& node) {
  TRY(expect_inputs(node, 1, 1));
  const Shape& x = graph.value(node.inputs[0]).shape;
  if (x.axes != "chw") return invalid("needs an input with channels, height and width, got " + x.text());
  return one(tiled_value({"f", {x.size('c')}}));
}
Status global_grad(GradBuilder& builder, const Node& node) {
  return builder.contribute(node.inputs[0], op_named("global_pool_grad"),
                            {builder.gradient_of(node.outputs[0]), node.inputs[0]});
}
void global_reference(const ReferenceCall& call) {
  const size_t pixels = call.in[0]->data.size() / call.out[0]->data.size();
  for (size_t i = 0; i < call.in[0]->data.size(); ++i)
    call.out[0]->data[i / pixels] += call.in[0]->data[i] / static_cast<double>(pixels);
}
void global_reference_grad(const ReferenceCall& call) {
  const size_t pixels = call.out[0]->data.size() / call.in[0]->data.size();
  for (size_t i = 0; i < call.out[0]->data.size(); ++i)
    call.out[0]->data[i] = call.in[0]->data[i / pixels] / static_cast<double>(pixels);
}
Status global_lower(Lowering& lowering, const Node& node) {
  return lower_pool(lowering, node, lowering.pointwise->global_pool, false);
}
Status global_lower_grad(Lowering& lowering, const Node& node) {
  return lower_pool(lowering, node, lowering.pointwise->global_pool_grad, true);
}

Sample sample(const std::string& name, const char* op, Attributes attributes) {
  NetworkBuilder b;
  ValueId x = b.input({"chw", {2, 6, 5}});
  b.class_target();
  x = b.conv("conv", x, 4, {});
  x = b.apply(op, "pool", {x}, std::move(attributes));
  if (std::string(op) != "global_pool") x = b.flatten("flatten", x);
  b.softmax_cross_entropy(b.linear("fc", x, 3));
  return {name, b.finish().take()};
}
// Windows whose axes differ in all that they have.
std::vector<Sample> flat_samples(const char* op) {
  std::vector<Sample> out;
  out.push_back(sample("1x3", op, {{"kernel", List{1, 3}}, {"stride", List{1, 2}}}));
  out.push_back(sample("3x2 with padding on three sides", op,
                       {{"kernel", List{3, 2}}, {"stride", List{2, 1}}, {"padding", List{1, 0, 2, 1}}}));
  return out;
}
std::vector<Sample> max_samples() {
  std::vector<Sample> out;
  out.push_back(sample("2x2", "max_pool", {{"kernel", int64_t{2}}}));
  out.push_back(sample("3x3 overlapping", "max_pool",
                       {{"kernel", int64_t{3}}, {"stride", int64_t{2}}, {"padding", int64_t{1}}}));
  for (Sample& flat : flat_samples("max_pool")) out.push_back(std::move(flat));
  return out;
}
std::vector<Sample> avg_samples() {
  std::vector<Sample> out;
  out.push_back(sample("2x2", "avg_pool", {{"kernel", int64_t{2}}}));
  out.push_back(sample("3x3 overlapping", "avg_pool",
                       {{"kernel", int64_t{3}}, {"stride", int64_t{1}}, {"padding", int64_t{1}}}));
  for (Sample& flat : flat_samples("avg_pool")) out.push_back(std::move(flat));
  out.push_back(sample("without the padding", "avg_pool",
                       {{"kernel", List{3, 2}},
                        {"stride", int64_t{1}},
                        {"padding", List{2, 1, 0, 1}},
                        {"count_padding", int64_t{0}}}));
  return out;
}
std::vector<Sample> global_samples() {
  std::vector<Sample> out;
  out.push_back(sample("before a linear layer", "global_pool", {}));
  return out;
}

constexpr AttributeDef kAttributes[] = {{"kernel", AttributeKind::kIntegerOrIntegers},
                                        {"stride", AttributeKind::kIntegerOrIntegers},
                                        {"padding", AttributeKind::kIntegerOrIntegers},
                                        {"count_padding", AttributeKind::kInteger}};

}  // namespace

std::vector<OpDef> pool_ops() {
  return {{.name = "max_pool",
           .summary = "largest of each window",
           .attributes = std::span(kAttributes).first(3),  // a maximum counts nothing
           .infer = infer,
           .grad = max_grad,
           .reference = max_reference,
           .lower = max_lower,
           .axes = link_alike,
           .samples = max_samples},
          {.name = "max_pool_grad",
           .summary = "gradient of max_pool",
           .infer = infer_grad,
           .reference = max_reference_grad,
           .lower = max_lower_grad},
          {.name = "avg_pool",
           .summary = "mean of each window",
           .attributes = kAttributes,
           .infer = infer,
           .grad = avg_grad,
           .reference = avg_reference,
           .lower = avg_lower,
           .axes = link_alike,
           .samples = avg_samples},
          {.name = "avg_pool_grad",
           .summary = "gradient of avg_pool",
           .infer = infer_grad,
           .reference = avg_reference_grad,
           .lower = avg_lower_grad},
          {.name = "global_pool",
           .summary = "mean of each channel",
           .infer = global_infer,
           .grad = global_grad,
           .reference = global_reference,
           .lower = global_lower,
           .axes = link_alike,
           .samples = global_samples},
          {.name = "global_pool_grad",
           .summary = "gradient of global_pool",
           .infer = infer_grad,
           .reference = global_reference_grad,
           .lower = global_lower_grad}};
}

}  // namespace coppice
