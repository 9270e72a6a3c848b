// SPDX-License-Identifier: Apache-2.0
#include "ops/support/common.h"

#include "kernels/train_kernels.h"

namespace coppice {

const OpDef* find_op(std::string_view name) {
  for (const OpDef* op : all_ops())
    if (name == op->name) return op;
  return nullptr;
}

Status expect_inputs(const Node& node, size_t at_least, size_t at_most) {
  if (node.inputs.size() >= at_least && node.inputs.size() <= at_most) return {};
  const std::string wanted = at_least == at_most
                                 ? std::to_string(at_least)
                                 : std::to_string(at_least) + " to " + std::to_string(at_most);
  return invalid("takes " + wanted + " inputs, got " + std::to_string(node.inputs.size()));
}

Result<std::vector<Value>> same_shape(const Graph& graph, const Node& node) {
  const Shape& shape = graph.value(node.inputs[0]).shape;
  for (const ValueId in : node.inputs)
    if (!(graph.value(in).shape == shape))
      return invalid("its inputs must have one shape, '" + graph.value(in).name + "' is " +
                     graph.value(in).shape.text() + ", '" + graph.value(node.inputs[0]).name + "' is " +
                     shape.text());
  return one(tiled_value(shape));
}

void link_alike(AxisMap& map, const Node& node) {
  for (const ValueId in : node.inputs) map.link_all(in, node.outputs[0]);
}

Status lower_map(Lowering& lowering, const Node& node, coppice_kernel kernel) {
  auto call = lowering.call<coppice_map_args>(node.name, kernel, lowering.width(node.outputs[0]));
  call.in(&coppice_map_args::a, node.inputs[0]);
  if (node.inputs.size() > 1) call.in(&coppice_map_args::b, node.inputs[1]);
  call.out(&coppice_map_args::out, node.outputs[0]);
  call.args().extent = lowering.extent(node.outputs[0]);
  call.args().activation = node.text("activation", "") == "relu" ? COPPICE_ACT_RELU : COPPICE_ACT_NONE;
  call.args().parameter = static_cast<float>(node.real("p", 0.0));
  return {};
}

ValueId with_halo(Lowering& lowering, ValueId id, int halo, bool wrap) {
  const PlanValue have = lowering.value(id);
  const auto fits = [&](const PlanValue& v) { return v.halo == halo && (halo == 0 || v.wrap == wrap); };
  if (fits(have)) return id;
  for (const auto& [source, made] : lowering.halo_copies_)
    if (source == id && fits(lowering.value(made))) return made;
  const ValueId copy = lowering.temporary(have.name + " with halo", have.elements, have.width);
  PlanValue& made = lowering.values_[static_cast<size_t>(copy)];
  made.extent = have.extent;
  made.halo = halo;
  made.wrap = wrap;
  auto call = lowering.call<coppice_map_args>(have.name + " with halo", lowering.pointwise->copy, have.width);
  call.in(&coppice_map_args::a, id).out(&coppice_map_args::out, copy);
  call.args().extent = have.extent;
  lowering.halo_copies_.emplace_back(id, copy);
  return copy;
}

void lower_dense_dw_as(Lowering& lowering, const Node& node, const coppice_conv_shape& shape) {
  constexpr int32_t kPartRows = COPPICE_DENSE_DW_ROWS;
  ValueId x = node.inputs[0];
  const PlanValue& have = lowering.value(x);
  const int halo = std::max(shape.pad_h, shape.pad_w);
  if (have.halo < halo || (halo > 0 && have.wrap != (shape.wrap != 0)))
    x = with_halo(lowering, x, halo, shape.wrap != 0);
  auto call = lowering.call<coppice_dense_dw_args>(node.name + " of all weights", lowering.train->dense_dw,
                                                   lowering.width(x));
  call.args().shape = shape;
  call.in(&coppice_dense_dw_args::x, x).in(&coppice_dense_dw_args::dy, node.inputs[1]);
  call.reduces().parts((shape.outputs + kPartRows - 1) / kPartRows);
  call.spec().scratch = static_cast<size_t>(kPartRows * coppice_dense_dw_columns(&shape)) * sizeof(float);
}

ValueId numbers_of_tiles(Lowering& lowering, const Node& node, int64_t count, int width) {
  // A layer whose weights are all gone has none, but a place all the same.
  return lowering.temporary(node.name + " of tiles", std::max<int64_t>(1, (count + width - 1) / width),
                            width);
}

void sum_tiles(Lowering& lowering, const Node& node, const Param& param, ValueId tiles, int width,
               ValueId gradient) {
  auto sum = lowering.call<coppice_tile_sum_args>(node.name + " sum", lowering.train->tile_sum, width);
  sum.args().part_start = param.part_start().data();
  sum.in(&coppice_tile_sum_args::tiles, tiles);
  gradient_parts(sum, param, &coppice_tile_sum_args::gradient, gradient);
}

}  // namespace coppice
