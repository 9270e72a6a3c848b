// SPDX-License-Identifier: Apache-2.0
// Ops that map every number of one value alike: y = f(x), dx = dy * f'. The file of such an op gives f and f'
// in double, the kernels, and what its attributes may be; the facets of both ops follow from that.
#pragma once

#include <span>
#include <vector>

#include "ops/support/common.h"

namespace coppice {

struct Variant {
  const char* name;
  Attributes attributes;
};

struct Activation {
  const char *name, *summary, *grad_name, *grad_summary;
  double (*value)(const Node& node, double x);
  double (*slope)(const Node& node, double at);  // f' at x, or from y (see below)
  coppice_kernel (*kernel)(const coppice_pointwise_table& table, const Node& node);
  coppice_kernel (*grad_kernel)(const coppice_pointwise_table& table,
                                const Node& node);  // a = dy, b = x or y
  // Whether the slope is a function of y: then x need not live on. Null: never.
  bool (*from_output)(const Node& node) = nullptr;
  std::span<const AttributeDef> attributes = {};
  // Refuses their values. Null: there are none, or all will do.
  Status (*check)(const Node& node) = nullptr;
  // Hands them to both kernels.
  void (*fill)(const Node& node, coppice_map_args& args) = nullptr;
  // Attributes to test it with. Null: none.
  std::vector<Variant> (*variants)() = nullptr;
};

Result<std::vector<Value>> infer_activation(const Activation& op, const Graph& graph, const Node& node);
Status grad_activation(const Activation& op, GradBuilder& builder, const Node& node);
void reference_activation(const Activation& op, const ReferenceCall& call);
Status lower_activation(const Activation& op, Lowering& lowering, const Node& node);
std::vector<Sample> activation_samples(const Activation& op);

// NAME_grad: dy, and x or y -> dx
Result<std::vector<Value>> infer_activation_grad(const Graph& graph, const Node& node);
void reference_activation_grad(const Activation& op, const ReferenceCall& call);
Status lower_activation_grad(const Activation& op, Lowering& lowering, const Node& node);

// The two rows of the table of ops. Facets are plain functions, so the op is a parameter of their types.
template <const Activation& op>
std::vector<OpDef> activation_ops() {
  return {
      {.name = op.name,
       .summary = op.summary,
       .attributes = op.attributes,
       .infer = [](const Graph& graph, const Node& node) { return infer_activation(op, graph, node); },
       .grad = [](GradBuilder& builder, const Node& node) { return grad_activation(op, builder, node); },
       .reference = [](const ReferenceCall& call) { reference_activation(op, call); },
       .lower = [](Lowering& lowering, const Node& node) { return lower_activation(op, lowering, node); },
       .axes = link_alike,
       .samples = [] { return activation_samples(op); }},
      {.name = op.grad_name,
       .summary = op.grad_summary,
       .infer = infer_activation_grad,
       .reference = [](const ReferenceCall& call) { reference_activation_grad(op, call); },
       .lower = [](Lowering& lowering,
                   const Node& node) { return lower_activation_grad(op, lowering, node); }},
  };
}

}  // namespace coppice
