// SPDX-License-Identifier: Apache-2.0
// hard_swish (Howard et al. 2019, MobileNetV3): y = x * relu6(x + 3) / 6, which needs no exponential.
#include "ops/support/activation.h"

namespace coppice {
namespace {

constexpr Activation kHardSwish = {
    .name = "hard_swish",
    .summary = "y = x * relu6(x + 3) / 6",
    .grad_name = "hard_swish_grad",
    .grad_summary = "gradient of hard_swish",
    .value = [](const Node&, double x) { return x * std::clamp(x + 3.0, 0.0, 6.0) / 6.0; },
    .slope = [](const Node&, double x) { return x < -3.0  ? 0.0
                                                : x > 3.0 ? 1.0
                                                          : x / 3.0 + 0.5; },
    .kernel = [](const coppice_pointwise_table& table, const Node&) { return table.hard_swish; },
    .grad_kernel = [](const coppice_pointwise_table& table, const Node&) { return table.hard_swish_grad; },
};

}  // namespace

std::vector<OpDef> hard_swish_ops() { return activation_ops<kHardSwish>(); }

}  // namespace coppice
