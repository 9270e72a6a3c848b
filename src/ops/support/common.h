// SPDX-License-Identifier: Apache-2.0
// What op files share: shorthand for shape rules, and the lowering of element-wise ops.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "graph/grad.h"
#include "graph/lowering.h"
#include "graph/op.h"
#include "kernels/pointwise_kernels.h"
#include "ops/ops.h"
#include "sparse/param.h"

namespace coppice {

inline Value tiled_value(Shape shape) {
  Value value;
  value.kind = ValueKind::kTiled;
  value.shape = std::move(shape);
  return value;
}
// The gradient of a parameter: one for the whole batch.
inline Value whole_value(Shape shape) {
  Value value;
  value.kind = ValueKind::kWhole;
  value.shape = std::move(shape);
  return value;
}
inline std::vector<Value> one(Value value) {
  std::vector<Value> values;
  values.push_back(std::move(value));
  return values;
}
inline const OpDef& op_named(const char* name) { return *find_op(name); }

Status expect_inputs(const Node& node, size_t at_least, size_t at_most);

// Output shaped as the first input; all inputs alike.
Result<std::vector<Value>> same_shape(const Graph& graph, const Node& node);

// OpDef::axes of an op that works on each unit alone: unit i of each input belongs to unit i of the output.
void link_alike(AxisMap& map, const Node& node);

// out = f(a) or f(a, b), element by element. `kernel` is a member of the pointwise table.
Status lower_map(Lowering& lowering, const Node& node, coppice_kernel kernel);

// The value with exactly this halo: itself, or a copy (inputs of the network come without).
ValueId with_halo(Lowering& lowering, ValueId id, int halo, bool wrap);

// The gradient of a parameter is written in the order of its format, part by part; completes the call with
// them. The pointer stays null where the optimizer consumes the part right away (exec/executor.cpp), or where
// nobody wants the gradient: value is kNoValue then.
template <class Args>
void gradient_parts(CallBuilder<Args>& call, const Param& param, float* Args::*gradient, ValueId value) {
  const std::vector<int32_t>& start = param.part_start();
  int32_t largest = 0;
  for (size_t p = 0; p + 1 < start.size(); ++p) largest = std::max(largest, start[p + 1] - start[p]);
  // Kernels may write whole vectors past the last weight of a part.
  call.spec().scratch = (static_cast<size_t>(largest) + 64) * sizeof(float);
  call.reduces().parts(static_cast<int>(start.size()) - 1);
  if (value != kNoValue) call.whole_out(gradient, value);
}

// The facet OpDef::lower_dense_dw, for a layer of this shape.
void lower_dense_dw_as(Lowering& lowering, const Node& node, const coppice_conv_shape& shape);

// Where a gradient is kept for each tile alone: `count` numbers in each, to be added up by sum_tiles().
ValueId numbers_of_tiles(Lowering& lowering, const Node& node, int64_t count, int width);
void sum_tiles(Lowering& lowering, const Node& node, const Param& param, ValueId tiles, int width,
               ValueId gradient);

}  // namespace coppice
