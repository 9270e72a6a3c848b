// SPDX-License-Identifier: Apache-2.0
// relu: y = max(x, 0).
#include "ops/support/activation.h"

namespace coppice {
namespace {

constexpr Activation kRelu = {
    .name = "relu",
    .summary = "y = max(x, 0)",
    .grad_name = "relu_grad",
    .grad_summary = "gradient of relu",
    .value = [](const Node&, double x) { return std::max(x, 0.0); },
    .slope = [](const Node&, double y) { return y > 0.0 ? 1.0 : 0.0; },
    .kernel = [](const coppice_pointwise_table& table, const Node&) { return table.relu; },
    .grad_kernel = [](const coppice_pointwise_table& table, const Node&) { return table.relu_grad; },
    .from_output = [](const Node&) { return true; },
};

}  // namespace

std::vector<OpDef> relu_ops() { return activation_ops<kRelu>(); }

}  // namespace coppice
