// SPDX-License-Identifier: Apache-2.0
// dropout (Srivastava et al. 2014), inverted: survivors are scaled by 1 / (1 - p) in training, the identity
// in evaluation. The mask is drawn from a keyed generator, so the gradient draws it again instead of reading
// it.
#include "base/rng.h"
#include "ops/build.h"
#include "ops/support/common.h"

namespace coppice {
namespace {

Result<std::vector<Value>> infer(const Graph& graph, const Node& node) {
  TRY(expect_inputs(node, 1, 1));
  const double p = node.real("p", 0.5);
  if (!(p >= 0.0 && p < 1.0)) return invalid("p must be at least 0 and below 1");
  return same_shape(graph, node);
}
Status grad(GradBuilder& builder, const Node& node) {
  // The same op on dy, with the key of the forward node.
  return builder.contribute(node.inputs[0], op_named("dropout"), {builder.gradient_of(node.outputs[0])},
                            {{"p", node.real("p", 0.5)}, {"key", node.text("key", node.name)}});
}
Status lower(Lowering& lowering, const Node& node) {
  TRY(lower_map(lowering, node, lowering.pointwise->dropout));
  static_cast<coppice_map_args*>(lowering.calls_.back().args.get())->stream =
      stream_id("dropout", node.text("key", node.name));
  return {};
}

constexpr AttributeDef kAttributes[] = {{"p", AttributeKind::kReal}};

}  // namespace

// No reference: its numbers are random. ops_test checks rate, scale and that the gradient draws the same
// mask.
std::vector<OpDef> dropout_ops() {
  return {{.name = "dropout",
           .summary = "zeroes elements with probability p in training",
           .attributes = kAttributes,
           .infer = infer,
           .grad = grad,
           .lower = lower,
           .axes = link_alike}};
}

}  // namespace coppice
