// SPDX-License-Identifier: Apache-2.0
// concat: inputs of one height and width joined along their channels.
#include "ops/build.h"
#include "ops/support/window.h"

namespace coppice {
namespace {

Result<std::vector<Value>> infer(const Graph& graph, const Node& node) {
  if (node.inputs.empty()) return invalid("needs at least one input");
  Shape joined = graph.value(node.inputs[0]).shape;
  joined.sizes[0] = 0;
  for (const ValueId in : node.inputs) {
    const Shape& x = graph.value(in).shape;
    if (x.axes != joined.axes || !std::equal(x.sizes.begin() + 1, x.sizes.end(), joined.sizes.begin() + 1))
      return invalid("its inputs may differ in channels only, '" + graph.value(in).name + "' is " + x.text());
    joined.sizes[0] += x.sizes[0];
  }
  return one(tiled_value(std::move(joined)));
}
Status grad(GradBuilder& builder, const Node& node) {
  int64_t first = 0;
  for (const ValueId in : node.inputs) {
    TRY(builder.contribute(in, op_named("concat_grad"), {builder.gradient_of(node.outputs[0]), in},
                           {{"first", first}}));
    first += builder.graph().value(in).shape.sizes[0];
  }
  return {};
}

// Calls f(input, its first channel in the output, its channels, window that reads it).
template <class F>
void for_each_input(const std::vector<int64_t>& channels, F f) {
  int64_t first = 0;
  for (size_t i = 0; i < channels.size(); ++i) {
    Window window;
    window.offset[0] = -first;
    f(i, first, channels[i], window);
    first += channels[i];
  }
}
void reference(const ReferenceCall& call) {
  std::vector<int64_t> channels;
  for (const ReferenceArray* in : call.in) channels.push_back(in->shape.sizes[0]);
  for_each_input(channels, [&](size_t i, int64_t first, int64_t count, const Window& window) {
    reference_window(*call.in[i], *call.out[0], call.batch, window, first, first + count);
  });
}
Status lower(Lowering& lowering, const Node& node) {
  std::vector<int64_t> channels;
  for (const ValueId in : node.inputs) channels.push_back(lowering.extent(in).channels);
  for_each_input(channels, [&](size_t i, int64_t first, int64_t count, const Window& window) {
    lower_window(lowering, node.name, node.inputs[i], node.outputs[0], window, first, first + count);
  });
  return {};
}

void axes(AxisMap& map, const Node& node) {
  int64_t first = 0;
  for (const ValueId in : node.inputs) {
    const int64_t channels = map.graph().value(in).shape.sizes[0];
    for (int64_t c = 0; c < channels; ++c) map.link(in, c, node.outputs[0], first + c);
    first += channels;
  }
}

// concat_grad: dy, x (for its shape) -> dx
Window part_of(const Node& node) {
  Window window;
  window.offset[0] = node.integer("first", 0);
  return window;
}
Result<std::vector<Value>> infer_grad(const Graph& graph, const Node& node) {
  TRY(expect_inputs(node, 2, 2));
  return one(tiled_value(graph.value(node.inputs[1]).shape));
}
void reference_grad(const ReferenceCall& call) {
  reference_window(*call.in[0], *call.out[0], call.batch, part_of(call.node));
}
Status lower_grad(Lowering& lowering, const Node& node) {
  lower_window(lowering, node.name, node.inputs[0], node.outputs[0], part_of(node));
  return {};
}

std::vector<Sample> samples() {
  NetworkBuilder b;
  const ValueId x = b.input({"chw", {2, 3, 4}});
  b.class_target();
  const ValueId left = b.conv("left", x, 4, {}), right = b.conv("right", x, 3, {});
  const ValueId joined = b.apply("concat", "concat", {left, right, left});
  b.softmax_cross_entropy(b.linear("fc", b.flatten("flatten", joined), 3));
  std::vector<Sample> out;
  out.push_back({"three inputs, two of them the same", b.finish().take()});
  return out;
}

}  // namespace

std::vector<OpDef> concat_ops() {
  return {{.name = "concat",
           .summary = "joins channels",
           .infer = infer,
           .grad = grad,
           .reference = reference,
           .lower = lower,
           .axes = axes,
           .samples = samples},
          {.name = "concat_grad",
           .summary = "gradient of concat",
           .infer = infer_grad,
           .reference = reference_grad,
           .lower = lower_grad}};
}

}  // namespace coppice
