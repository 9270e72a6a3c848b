// SPDX-License-Identifier: Apache-2.0
// elu (Clevert, Unterthiner and Hochreiter 2016): y = x above 0, alpha * (e^x - 1) below. The attribute
// `alpha` is 1 unless given.
#include <cmath>

#include "ops/support/activation.h"

namespace coppice {
namespace {

double alpha_of(const Node& node) { return node.real("alpha", 1.0); }

Status check(const Node& node) {
  if (std::isfinite(alpha_of(node))) return {};
  return invalid("alpha must be a finite number");
}

constexpr AttributeDef kAttributes[] = {{"alpha", AttributeKind::kReal}};

constexpr Activation kElu = {
    .name = "elu",
    .summary = "y = x above 0, alpha * (e^x - 1) below",
    .grad_name = "elu_grad",
    .grad_summary = "gradient of elu",
    .value = [](const Node& node, double x) { return x > 0.0 ? x : alpha_of(node) * std::expm1(x); },
    .slope = [](const Node& node, double x) { return x > 0.0 ? 1.0 : alpha_of(node) * std::exp(x); },
    .kernel = [](const coppice_pointwise_table& table, const Node&) { return table.elu; },
    .grad_kernel = [](const coppice_pointwise_table& table, const Node&) { return table.elu_grad; },
    .attributes = kAttributes,
    .check = check,
    .fill = [](const Node& node,
               coppice_map_args& args) { args.parameter = static_cast<float>(alpha_of(node)); },
    .variants =
        [] {
          return std::vector<Variant>{{"plain", {}}, {"folded", {{"alpha", -0.5}}}};
        },
};

}  // namespace

std::vector<OpDef> elu_ops() { return activation_ops<kElu>(); }

}  // namespace coppice
