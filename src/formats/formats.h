// SPDX-License-Identifier: Apache-2.0
// The weight formats that there are. Each lies in its own file; what one is, is said in sparse/format.h, and
// how its arrays are read by kernels in coppice_kernels.h. Everything here is immutable and may be used from
// any thread.
#pragma once

#include <span>

#include "sparse/format.h"

namespace coppice {

extern const FormatDef kSegments;  // single weights; its dX runs on the format of the transposed pattern
extern const FormatDef kBlocks;    // 4x1, 16x1 and 16x4; one encoding for forward, dX and dW
extern const FormatDef kDense;     // the full pattern, no index; rows padded to 16 inside the format

std::span<const FormatDef* const> weight_formats();

}  // namespace coppice
