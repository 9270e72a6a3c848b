// SPDX-License-Identifier: Apache-2.0
#include "graph/lowering.h"

namespace coppice {

Lowering::Lowering(const Graph& graph, std::vector<PlanValue> values, std::function<Param&(ValueId)> param_of)
    : values_(std::move(values)), graph_(graph), param_of_(std::move(param_of)) {}

ValueId Lowering::temporary(const std::string& name, int64_t elements, int width) {
  values_.push_back({name, ValueKind::kTiled, elements, width});
  return static_cast<ValueId>(values_.size()) - 1;
}

int tile_width(const Shape& shape, int batch) {
  if (shape.has('h') || shape.has('w')) return 16;
  return batch >= 64 ? 64 : batch >= 32 ? 32 : 16;
}

}  // namespace coppice
