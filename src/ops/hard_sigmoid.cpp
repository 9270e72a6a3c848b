// SPDX-License-Identifier: Apache-2.0
// hard_sigmoid: y = relu6(x + 3) / 6, as in PyTorch and MobileNetV3. (ONNX also has it with a steepness of
// 0.2.)
#include "ops/support/activation.h"

namespace coppice {
namespace {

constexpr Activation kHardSigmoid = {
    .name = "hard_sigmoid",
    .summary = "y = relu6(x + 3) / 6",
    .grad_name = "hard_sigmoid_grad",
    .grad_summary = "gradient of hard_sigmoid",
    .value = [](const Node&, double x) { return std::clamp(x + 3.0, 0.0, 6.0) / 6.0; },
    .slope = [](const Node&, double y) { return y > 0.0 && y < 1.0 ? 1.0 / 6.0 : 0.0; },
    .kernel = [](const coppice_pointwise_table& table, const Node&) { return table.hard_sigmoid; },
    .grad_kernel = [](const coppice_pointwise_table& table, const Node&) { return table.hard_sigmoid_grad; },
    .from_output = [](const Node&) { return true; },
};

}  // namespace

std::vector<OpDef> hard_sigmoid_ops() { return activation_ops<kHardSigmoid>(); }

}  // namespace coppice
