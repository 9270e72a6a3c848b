// SPDX-License-Identifier: Apache-2.0
#include "ops/support/activation.h"

#include "ops/build.h"

namespace coppice {
namespace {

Status lower_with(const Activation& op, Lowering& lowering, const Node& node, coppice_kernel kernel) {
  TRY(lower_map(lowering, node, kernel));
  if (op.fill) op.fill(node, *static_cast<coppice_map_args*>(lowering.calls_.back().args.get()));
  return {};
}

}  // namespace

Result<std::vector<Value>> infer_activation(const Activation& op, const Graph& graph, const Node& node) {
  TRY(expect_inputs(node, 1, 1));
  if (op.check) TRY(op.check(node));
  return same_shape(graph, node);
}

Status grad_activation(const Activation& op, GradBuilder& builder, const Node& node) {
  const ValueId x = node.inputs[0], y = node.outputs[0];
  return builder.contribute(x, op_named(op.grad_name),
                            {builder.gradient_of(y), op.from_output && op.from_output(node) ? y : x},
                            node.attributes);
}

void reference_activation(const Activation& op, const ReferenceCall& call) {
  for (size_t i = 0; i < call.out[0]->data.size(); ++i)
    call.out[0]->data[i] = op.value(call.node, call.in[0]->data[i]);
}

Status lower_activation(const Activation& op, Lowering& lowering, const Node& node) {
  return lower_with(op, lowering, node, op.kernel(*lowering.pointwise, node));
}

Result<std::vector<Value>> infer_activation_grad(const Graph& graph, const Node& node) {
  TRY(expect_inputs(node, 2, 2));
  return same_shape(graph, node);
}

void reference_activation_grad(const Activation& op, const ReferenceCall& call) {
  for (size_t i = 0; i < call.out[0]->data.size(); ++i)
    call.out[0]->data[i] = call.in[0]->data[i] * op.slope(call.node, call.in[1]->data[i]);
}

Status lower_activation_grad(const Activation& op, Lowering& lowering, const Node& node) {
  return lower_with(op, lowering, node, op.grad_kernel(*lowering.pointwise, node));
}

// Before the loss, and between convolutions, which want a halo around what they read.
std::vector<Sample> activation_samples(const Activation& op) {
  std::vector<Sample> out;
  const std::vector<Variant> variants = op.variants ? op.variants() : std::vector<Variant>{{"plain", {}}};
  for (const Variant& variant : variants) {
    NetworkBuilder flat;
    ValueId x = flat.input({"f", {12}});
    flat.class_target();
    flat.softmax_cross_entropy(flat.apply(op.name, "act", {flat.linear("fc", x, 7)}, variant.attributes));
    out.push_back({std::string(variant.name) + " before the loss", flat.finish().take()});

    NetworkBuilder image;
    x = image.input({"chw", {2, 4, 5}});
    image.class_target();
    x = image.apply(op.name, "act", {image.conv("conv1", x, 3, {})}, variant.attributes);
    x = image.apply("global_pool", "pool", {image.conv("conv2", x, 4, {})});
    image.softmax_cross_entropy(image.linear("fc", x, 3));
    out.push_back({std::string(variant.name) + " between convolutions", image.finish().take()});
  }
  return out;
}

}  // namespace coppice
