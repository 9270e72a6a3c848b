// SPDX-License-Identifier: Apache-2.0
// leaky_relu (Maas, Hannun and Ng 2013): y = x above 0, slope * x below. The attribute `slope` is 0.01 unless
// given.
#include <cmath>

#include "ops/support/activation.h"

namespace coppice {
namespace {

double slope_of(const Node& node) { return node.real("slope", 0.01); }

Status check(const Node& node) {
  if (std::isfinite(slope_of(node))) return {};
  return invalid("slope must be a finite number");
}

constexpr AttributeDef kAttributes[] = {{"slope", AttributeKind::kReal}};

constexpr Activation kLeakyRelu = {
    .name = "leaky_relu",
    .summary = "y = x above 0, slope * x below",
    .grad_name = "leaky_relu_grad",
    .grad_summary = "gradient of leaky_relu",
    .value = [](const Node& node, double x) { return x > 0.0 ? x : slope_of(node) * x; },
    .slope = [](const Node& node, double at) { return at > 0.0 ? 1.0 : slope_of(node); },
    .kernel = [](const coppice_pointwise_table& table, const Node&) { return table.leaky_relu; },
    .grad_kernel = [](const coppice_pointwise_table& table, const Node&) { return table.leaky_relu_grad; },
    // A negative slope folds the line: y no longer tells on which side of 0 x was.
    .from_output = [](const Node& node) { return slope_of(node) >= 0.0; },
    .attributes = kAttributes,
    .check = check,
    .fill = [](const Node& node,
               coppice_map_args& args) { args.parameter = static_cast<float>(slope_of(node)); },
    .variants =
        [] {
          return std::vector<Variant>{
              {"plain", {}}, {"steep", {{"slope", 0.3}}}, {"folded", {{"slope", -0.5}}}};
        },
};

}  // namespace

std::vector<OpDef> leaky_relu_ops() { return activation_ops<kLeakyRelu>(); }

}  // namespace coppice
