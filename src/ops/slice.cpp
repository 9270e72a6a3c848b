// SPDX-License-Identifier: Apache-2.0
// slice: every `step`-th element from `start` of channels, height and width: attributes start, size, step,
// each [c, h, w].
#include "ops/build.h"
#include "ops/support/window.h"

namespace coppice {
namespace {

std::vector<int64_t> list(const Node& node, const char* key, const std::vector<int64_t>& otherwise) {
  const auto at = node.attributes.find(key);
  return at == node.attributes.end() ? otherwise : std::get<std::vector<int64_t>>(at->second);
}
Window window_of(const Node& node) {
  Window window;
  const std::vector<int64_t> start = list(node, "start", {0, 0, 0}), step = list(node, "step", {1, 1, 1});
  for (size_t d = 0; d < 3; ++d) {
    window.multiply[d] = step[d];
    window.offset[d] = start[d];
  }
  return window;
}

Result<std::vector<Value>> infer(const Graph& graph, const Node& node) {
  TRY(expect_inputs(node, 1, 1));
  const Shape& x = graph.value(node.inputs[0]).shape;
  if (x.axes != "chw") return invalid("needs an input with channels, height and width, got " + x.text());
  const std::vector<int64_t> start = list(node, "start", {0, 0, 0}), step = list(node, "step", {1, 1, 1});
  const std::vector<int64_t> size = list(node, "size", x.sizes);
  if (start.size() != 3 || step.size() != 3 || size.size() != 3)
    return invalid("start, size and step need one number for each of channel, height and width");
  for (size_t d = 0; d < 3; ++d)
    if (start[d] < 0 || step[d] < 1 || size[d] < 1 || start[d] + (size[d] - 1) * step[d] >= x.sizes[d])
      return invalid("asks for elements outside of " + x.text());
  return one(tiled_value({"chw", size}));
}
Status grad(GradBuilder& builder, const Node& node) {
  return builder.contribute(node.inputs[0], op_named("slice_grad"),
                            {builder.gradient_of(node.outputs[0]), node.inputs[0]}, node.attributes);
}
void reference(const ReferenceCall& call) {
  reference_window(*call.in[0], *call.out[0], call.batch, window_of(call.node));
}
Status lower(Lowering& lowering, const Node& node) {
  lower_window(lowering, node.name, node.inputs[0], node.outputs[0], window_of(node));
  return {};
}

void axes(AxisMap& map, const Node& node) {
  const ValueId x = node.inputs[0], y = node.outputs[0];
  const int64_t start = list(node, "start", {0, 0, 0})[0], step = list(node, "step", {1, 1, 1})[0];
  const int64_t channels = map.graph().value(y).shape.sizes[0];
  for (int64_t c = 0; c < channels; ++c) map.link(x, start + c * step, y, c);
  // What is left between the steps would have to stay as regular as it was.
  if (step > 1 && channels > 1)
    map.pin(x,
            "is one of those of which slice '" + node.name + "' takes every " + std::to_string(step) + "th");
}
Attributes cut(const Node& node, const KeptUnits& kept) {
  Attributes attributes = node.attributes;
  std::vector<int64_t> start = list(node, "start", {0, 0, 0});
  const std::vector<int64_t>& channels = kept(node.inputs[0], 'c');
  const int64_t left = std::lower_bound(channels.begin(), channels.end(), start[0]) - channels.begin();
  if (start[0] != left) {
    start[0] = left;
    attributes["start"] = start;
  }
  if (const auto size = attributes.find("size"); size != attributes.end())
    std::get<std::vector<int64_t>>(size->second)[0] = static_cast<int64_t>(kept(node.outputs[0], 'c').size());
  return attributes;
}

// slice_grad: dy, x (for its shape) -> dx
Result<std::vector<Value>> infer_grad(const Graph& graph, const Node& node) {
  TRY(expect_inputs(node, 2, 2));
  return one(tiled_value(graph.value(node.inputs[1]).shape));
}
void reference_grad(const ReferenceCall& call) {
  reference_window(*call.in[0], *call.out[0], call.batch, window_of(call.node).inverse());
}
Status lower_grad(Lowering& lowering, const Node& node) {
  lower_window(lowering, node.name, node.inputs[0], node.outputs[0], window_of(node).inverse());
  return {};
}

std::vector<Sample> samples() {
  NetworkBuilder b;
  ValueId x = b.input({"chw", {2, 5, 6}});
  b.class_target();
  x = b.conv("conv", x, 4, {});
  x = b.apply("slice", "slice", {x},
              {{"start", std::vector<int64_t>{1, 0, 1}},
               {"size", std::vector<int64_t>{2, 3, 2}},
               {"step", std::vector<int64_t>{1, 2, 3}}});
  b.softmax_cross_entropy(b.linear("fc", b.flatten("flatten", x), 3));
  std::vector<Sample> out;
  out.push_back({"strided", b.finish().take()});
  return out;
}

constexpr AttributeDef kAttributes[] = {{"start", AttributeKind::kIntegers},
                                        {"step", AttributeKind::kIntegers},
                                        {"size", AttributeKind::kIntegers}};

}  // namespace

std::vector<OpDef> slice_ops() {
  return {{.name = "slice",
           .summary = "strided part of channels, height and width",
           .attributes = kAttributes,
           .infer = infer,
           .grad = grad,
           .reference = reference,
           .lower = lower,
           .axes = axes,
           .cut = cut,
           .samples = samples},
          {.name = "slice_grad",
           .summary = "gradient of slice",
           .infer = infer_grad,
           .reference = reference_grad,
           .lower = lower_grad}};
}

}  // namespace coppice
