// SPDX-License-Identifier: Apache-2.0
// tanh: of slope 1 - y^2.
#include <cmath>

#include "ops/support/activation.h"

namespace coppice {
namespace {

constexpr Activation kTanh = {
    .name = "tanh",
    .summary = "y = tanh(x)",
    .grad_name = "tanh_grad",
    .grad_summary = "gradient of tanh",
    .value = [](const Node&, double x) { return std::tanh(x); },
    .slope = [](const Node&, double y) { return 1.0 - y * y; },
    .kernel = [](const coppice_pointwise_table& table, const Node&) { return table.tanh; },
    .grad_kernel = [](const coppice_pointwise_table& table, const Node&) { return table.tanh_grad; },
    .from_output = [](const Node&) { return true; },
};

}  // namespace

std::vector<OpDef> tanh_ops() { return activation_ops<kTanh>(); }

}  // namespace coppice
