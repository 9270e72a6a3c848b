// SPDX-License-Identifier: Apache-2.0
#include "graph/lowering.h"

namespace coppice {

Lowering::Lowering(const Graph& graph, std::vector<PlanValue> values, std::function<Param&(ValueId)> param_of)
    : values_(std::move(values)), graph_(graph), param_of_(std::move(param_of)) {}

ValueId Lowering::temporary(const std::string& name, int64_t elements, int width) {
  PlanValue value;
  value.name = name;
  value.elements = elements;
  value.width = width;
  value.extent.channels = static_cast<int32_t>(elements);
  values_.push_back(std::move(value));
  return static_cast<ValueId>(values_.size()) - 1;
}

ValueId Lowering::like(const std::string& name, ValueId model) {
  PlanValue value = values_[static_cast<size_t>(model)];
  value.name = name;
  value.keep = false;
  values_.push_back(std::move(value));
  return static_cast<ValueId>(values_.size()) - 1;
}

coppice_extent extent_of(const Shape& shape) {
  const auto size = [&shape](char axis) { return static_cast<int32_t>(shape.size(axis)); };
  if (shape.has('h')) return {size('c'), size('h'), size('w')};
  return {static_cast<int32_t>(shape.elements()), 1, 1};
}

int tile_width(const Shape& shape, int batch) {
  if (shape.has('h') || shape.has('w')) return 16;
  return batch >= 64 ? 64 : batch >= 32 ? 32 : 16;
}

}  // namespace coppice
