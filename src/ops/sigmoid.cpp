// SPDX-License-Identifier: Apache-2.0
// sigmoid: y = 1 / (1 + exp(-x)), of slope y * (1 - y).
#include <cmath>

#include "ops/support/activation.h"

namespace coppice {
namespace {

constexpr Activation kSigmoid = {
    .name = "sigmoid",
    .summary = "y = 1 / (1 + exp(-x))",
    .grad_name = "sigmoid_grad",
    .grad_summary = "gradient of sigmoid",
    .value = [](const Node&, double x) { return 1.0 / (1.0 + std::exp(-x)); },
    .slope = [](const Node&, double y) { return y * (1.0 - y); },
    .kernel = [](const coppice_pointwise_table& table, const Node&) { return table.sigmoid; },
    .grad_kernel = [](const coppice_pointwise_table& table, const Node&) { return table.sigmoid_grad; },
    .from_output = [](const Node&) { return true; },
};

}  // namespace

std::vector<OpDef> sigmoid_ops() { return activation_ops<kSigmoid>(); }

}  // namespace coppice
