// SPDX-License-Identifier: Apache-2.0
// pad: zeros around channels, height and width: attributes before and after, each [c, h, w].
#include "ops/build.h"
#include "ops/support/window.h"

namespace coppice {
namespace {

std::vector<int64_t> list(const Node& node, const char* key) {
  const auto at = node.attributes.find(key);
  return at == node.attributes.end() ? std::vector<int64_t>{0, 0, 0}
                                     : std::get<std::vector<int64_t>>(at->second);
}
Window window_of(const Node& node) {
  Window window;
  for (size_t d = 0; d < 3; ++d) window.offset[d] = -list(node, "before")[d];
  return window;
}

Result<std::vector<Value>> infer(const Graph& graph, const Node& node) {
  TRY(expect_inputs(node, 1, 1));
  const Shape& x = graph.value(node.inputs[0]).shape;
  if (x.axes != "chw") return invalid("needs an input with channels, height and width, got " + x.text());
  const std::vector<int64_t> before = list(node, "before"), after = list(node, "after");
  if (before.size() != 3 || after.size() != 3)
    return invalid("before and after need one number for each of channel, height and width");
  std::vector<int64_t> sizes = x.sizes;
  for (size_t d = 0; d < 3; ++d) {
    if (before[d] < 0 || after[d] < 0) return invalid("cannot pad by a negative amount; use slice");
    sizes[d] += before[d] + after[d];
  }
  return one(tiled_value({"chw", sizes}));
}
Status grad(GradBuilder& builder, const Node& node) {
  return builder.contribute(node.inputs[0], op_named("pad_grad"),
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
  const int64_t channels = map.graph().value(node.inputs[0]).shape.sizes[0], before = list(node, "before")[0];
  for (int64_t c = 0; c < channels; ++c) map.link(node.inputs[0], c, node.outputs[0], before + c);
}
Attributes cut(const Node& node, const KeptUnits& kept) {
  const std::vector<int64_t>& channels = kept(node.outputs[0], 'c');
  std::vector<int64_t> before = list(node, "before"), after = list(node, "after");
  before[0] = std::lower_bound(channels.begin(), channels.end(), before[0]) - channels.begin();
  after[0] = static_cast<int64_t>(channels.size() - kept(node.inputs[0], 'c').size()) - before[0];
  Attributes attributes = node.attributes;
  attributes["before"] = before;
  attributes["after"] = after;
  return attributes;
}

// pad_grad: dy, x (for its shape) -> dx
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
  ValueId x = b.input({"chw", {2, 3, 4}});
  b.class_target();
  x = b.conv("conv", x, 4, {});
  x = b.apply("pad", "pad", {x},
              {{"before", std::vector<int64_t>{2, 0, 1}}, {"after", std::vector<int64_t>{1, 2, 0}}});
  b.softmax_cross_entropy(b.linear("fc", b.flatten("flatten", x), 3));
  std::vector<Sample> out;
  out.push_back({"all axes", b.finish().take()});
  return out;
}

constexpr AttributeDef kAttributes[] = {{"before", AttributeKind::kIntegers},
                                        {"after", AttributeKind::kIntegers}};

}  // namespace

std::vector<OpDef> pad_ops() {
  return {{.name = "pad",
           .summary = "zeros around channels, height and width",
           .attributes = kAttributes,
           .infer = infer,
           .grad = grad,
           .reference = reference,
           .lower = lower,
           .axes = axes,
           .cut = cut,
           .samples = samples},
          {.name = "pad_grad",
           .summary = "gradient of pad",
           .infer = infer_grad,
           .reference = reference_grad,
           .lower = lower_grad}};
}

}  // namespace coppice
