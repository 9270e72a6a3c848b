// SPDX-License-Identifier: Apache-2.0
// gelu (Hendrycks and Gimpel 2016): y = x * (probability that a normal number is below x). The attribute
// `approximate` is "none", or "tanh" for the formula with tanh that GPT-2 was trained with.
#include <cmath>

#include "ops/support/activation.h"

namespace coppice {
namespace {

constexpr double kInverseRoot2 = 0.70710678118654752, kInverseRoot2Pi = 0.39894228040143268;
constexpr double kRoot2OverPi = 0.79788456080286536, kCubic = 0.044715;

bool by_tanh(const Node& node) { return node.text("approximate", "none") == "tanh"; }

Status check(const Node& node) {
  const std::string approximate = node.text("approximate", "none");
  if (approximate == "none" || approximate == "tanh") return {};
  return invalid("approximate is 'none' or 'tanh', not '" + approximate + "'");
}

double probability(const Node& node, double x) {
  if (by_tanh(node)) return 0.5 * (1.0 + std::tanh(kRoot2OverPi * (x + kCubic * x * x * x)));
  return 0.5 * std::erfc(-x * kInverseRoot2);
}
double density(const Node& node, double x) {  // the derivative of probability()
  if (!by_tanh(node)) return kInverseRoot2Pi * std::exp(-0.5 * x * x);
  const double t = std::tanh(kRoot2OverPi * (x + kCubic * x * x * x));
  return 0.5 * (1.0 - t * t) * kRoot2OverPi * (1.0 + 3.0 * kCubic * x * x);
}

constexpr AttributeDef kAttributes[] = {{"approximate", AttributeKind::kText}};

constexpr Activation kGelu = {
    .name = "gelu",
    .summary = "y = x * (probability that a normal number is below x)",
    .grad_name = "gelu_grad",
    .grad_summary = "gradient of gelu",
    .value = [](const Node& node, double x) { return x * probability(node, x); },
    .slope = [](const Node& node, double x) { return probability(node, x) + x * density(node, x); },
    .kernel = [](const coppice_pointwise_table& table,
                 const Node& node) { return by_tanh(node) ? table.gelu_tanh : table.gelu; },
    .grad_kernel = [](const coppice_pointwise_table& table,
                      const Node& node) { return by_tanh(node) ? table.gelu_tanh_grad : table.gelu_grad; },
    .attributes = kAttributes,
    .check = check,
    .variants =
        [] {
          return std::vector<Variant>{{"exact", {}}, {"by tanh", {{"approximate", std::string("tanh")}}}};
        },
};

}  // namespace

std::vector<OpDef> gelu_ops() { return activation_ops<kGelu>(); }

}  // namespace coppice
