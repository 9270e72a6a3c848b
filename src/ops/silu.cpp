// SPDX-License-Identifier: Apache-2.0
// silu (Elfwing, Uchibe and Doya 2018), also known as swish: y = x * sigmoid(x).
#include <cmath>

#include "ops/support/activation.h"

namespace coppice {
namespace {

double sigmoid(double x) { return 1.0 / (1.0 + std::exp(-x)); }

constexpr Activation kSilu = {
    .name = "silu",
    .summary = "y = x * sigmoid(x)",
    .grad_name = "silu_grad",
    .grad_summary = "gradient of silu",
    .value = [](const Node&, double x) { return x * sigmoid(x); },
    .slope = [](const Node&, double x) { return sigmoid(x) * (1.0 + x * sigmoid(-x)); },
    .kernel = [](const coppice_pointwise_table& table, const Node&) { return table.silu; },
    .grad_kernel = [](const coppice_pointwise_table& table, const Node&) { return table.silu_grad; },
};

}  // namespace

std::vector<OpDef> silu_ops() { return activation_ops<kSilu>(); }

}  // namespace coppice
