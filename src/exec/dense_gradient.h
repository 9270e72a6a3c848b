// SPDX-License-Identifier: Apache-2.0
// The whole gradient of a weight, also where none lives, on its way to whoever chooses what grows: block of
// rows by block of rows, never stored.
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "graph/lowering.h"
#include "kernels/train_kernels.h"
#include "sparse/param.h"

namespace coppice {

struct DenseGradientBlock {
  const Param& param;
  int64_t first_row = 0, rows = 0, cols = 0;
  std::span<const float> values;  // [cols][kStride]: the rows innermost, as the kernel makes them
  coppice_screen screen;          // finds what is large

  static constexpr int64_t kStride = COPPICE_DENSE_DW_ROWS;
  float at(int64_t row, int64_t col) const { return values[static_cast<size_t>(col * kStride + row)]; }
};

// Called by several threads at once, in any order. The rows of a block of the pattern come together.
using DenseGradientSink = std::function<void(const DenseGradientBlock&)>;

// Adds the calls that hand the gradients of the weights that `wants` names to *sink, which may change between
// runs.
Status append_dense_gradients(Lowering& lowering, const std::function<bool(const Param&)>& wants,
                              const DenseGradientSink* sink);

}  // namespace coppice
