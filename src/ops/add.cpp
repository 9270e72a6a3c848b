// SPDX-License-Identifier: Apache-2.0
// add: y = a + b of one shape; both inputs receive dy unchanged.
#include "ops/build.h"
#include "ops/support/common.h"

namespace coppice {
namespace {

Result<std::vector<Value>> infer(const Graph& graph, const Node& node) {
  TRY(expect_inputs(node, 2, 2));
  return same_shape(graph, node);
}
Status grad(GradBuilder& builder, const Node& node) {
  for (const ValueId in : node.inputs) TRY(builder.pass_on(in, builder.gradient_of(node.outputs[0])));
  return {};
}
void reference(const ReferenceCall& call) {
  for (size_t i = 0; i < call.out[0]->data.size(); ++i)
    call.out[0]->data[i] = call.in[0]->data[i] + call.in[1]->data[i];
}
Status lower(Lowering& lowering, const Node& node) {
  return lower_map(lowering, node, lowering.pointwise->add);
}

std::vector<Sample> samples() {
  NetworkBuilder b;
  const ValueId x = b.input({"f", {10}});
  b.class_target();
  const ValueId h = b.relu("relu1", b.linear("fc1", x, 8));
  const ValueId residual = b.apply("add", "sum", {b.linear("fc2", h, 8), h});
  b.softmax_cross_entropy(b.apply("add", "twice", {residual, residual}));
  std::vector<Sample> out;
  out.push_back({"a residual connection, and a value added to itself", b.finish().take()});
  return out;
}

}  // namespace

std::vector<OpDef> add_ops() {
  return {{.name = "add",
           .summary = "y = a + b",
           .infer = infer,
           .grad = grad,
           .reference = reference,
           .lower = lower,
           .axes = link_alike,
           .samples = samples}};
}

}  // namespace coppice
