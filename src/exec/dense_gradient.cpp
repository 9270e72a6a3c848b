// SPDX-License-Identifier: Apache-2.0
#include "exec/dense_gradient.h"

#include <algorithm>
#include <set>

#include "graph/op.h"
#include "kernels/train_kernels.h"

namespace coppice {
namespace {

struct TakeArgs {
  const coppice_dense_dw_args* gradient;
  const Param* param;
  coppice_screen screen;
  const DenseGradientSink* sink;
};

// Comes right after the gradient, for the same item.
void take(const void* raw, const coppice_run_state*, const coppice_item* item) {
  const auto* args = static_cast<const TakeArgs*>(raw);
  const coppice_dense_dw_args& dw = *args->gradient;
  constexpr int64_t kRows = DenseGradientBlock::kStride;
  const int64_t first = item->part_begin * kRows, cols = coppice_dense_dw_columns(&dw.shape),
                rows = std::min<int64_t>(kRows, dw.shape.outputs - first);
  const auto* values = static_cast<const float*>(item->scratch);
  (*args->sink)({*args->param, first, rows, cols, {values, static_cast<size_t>(cols * kRows)}, args->screen});
}

}  // namespace

Status append_dense_gradients(Lowering& lowering, const std::function<bool(const Param&)>& wants,
                              const DenseGradientSink* sink) {
  std::set<const Param*> done;
  for (const Node& node : lowering.graph().nodes()) {
    if (!node.op->lower_dense_dw) continue;
    const Param& param = lowering.param(node.inputs[2]);
    if (!wants(param)) continue;
    if (!done.insert(&param).second)
      return unsupported("weight '" + param.name() +
                         "' is used by two layers; growing it by gradient is not supported");
    TRY(node.op->lower_dense_dw(lowering, node));
    CallSpec& gradient = lowering.calls_.back();
    const auto* args = static_cast<const coppice_dense_dw_args*>(gradient.args.get());
    {
      lowering.call<TakeArgs>("rank " + param.name(), take, gradient.width).args() = {
          args, &param, lowering.train->screen, sink};
    }
    CallSpec taking = std::move(lowering.calls_.back());
    lowering.calls_.pop_back();
    lowering.calls_.back().then.push_back(std::move(taking));
  }
  return {};
}

}  // namespace coppice
