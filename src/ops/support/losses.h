// SPDX-License-Identifier: Apache-2.0
// What the three losses share: a loss takes (outputs, target) and gives one number a sample, {} in shape; its
// gradient op takes the same and gives d loss / d outputs, averaged over the batch.
#pragma once

#include "ops/support/common.h"

namespace coppice {

// OpDef::axes: a loss is about all outputs, and neither they nor their targets go.
void pin_loss(AxisMap& map, const Node& node);
Status lower_loss(Lowering& lowering, const Node& node, coppice_kernel kernel);
Result<std::vector<Value>> infer_loss_grad(const Graph& graph, const Node& node);
// For losses with a number per output as target: shapes must agree.
Result<std::vector<Value>> infer_dense_loss(const Graph& graph, const Node& node);

}  // namespace coppice
