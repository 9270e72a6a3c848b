// SPDX-License-Identifier: Apache-2.0
// A convolution in blocks of 4 or 16 outputs that share an input channel and a tap (coppice_conv_blocks in
// coppice_kernels.h): one encoding for forward, dX and dW. Takes blocked patterns, and full ones of any block
// shape as blocks of 16 outputs; offsets depend on the geometry, as those of formats/gather.h do. Everything
// here may be called from any thread.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "sparse/format.h"

namespace coppice {

// Geometry in the tiling. dX in blocks loads and stores dx once for every r FMAs, which for r = 4 costs more
// than it saves. So kForwardBlocks has single weights for dX and dW (the backward encoding of
// formats/gather.h), and a copy in blocks for the forward pass.
extern const FormatDef kConvBlocks, kForwardBlocks;

// Empty: both can be encoded, and no read of a kernel leaves the padded planes. Else the reason.
std::string conv_blocks_refuses(const Pattern& pattern, const ConvGeometry& geometry);

// Bytes of scratch of one item of the dW kernel.
size_t conv_blocks_dw_scratch(const Encoding& encoding);

}  // namespace coppice
