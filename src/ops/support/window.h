// SPDX-License-Identifier: Apache-2.0
// Ops that move pixels without computing: slices, padding, concatenation and their gradients are one kernel
// with other indices (coppice_window_args).
#pragma once

#include <array>

#include "ops/support/common.h"

namespace coppice {

// out(i) = in((i * multiply + offset) / divide) for each of channel, y, x; 0 where that is outside or not
// whole.
struct Window {
  std::array<int64_t, 3> multiply{1, 1, 1}, offset{0, 0, 0}, divide{1, 1, 1};
  Window inverse() const;  // of its gradient; multiply or divide must be 1
};

// Output channels [channel_begin, channel_end) are written; channel_end < 0: all.
void lower_window(Lowering& lowering, const std::string& name, ValueId in, ValueId out, const Window& window,
                  int64_t channel_begin = 0, int64_t channel_end = -1);
void reference_window(const ReferenceArray& in, ReferenceArray& out, int64_t batch, const Window& window,
                      int64_t channel_begin = 0, int64_t channel_end = -1);

}  // namespace coppice
