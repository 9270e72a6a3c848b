// SPDX-License-Identifier: Apache-2.0
// Single weights of a convolution as gathers (coppice_kernels.h): each weight is a value and the offset of
// the pixel that it reads. One encoding serves the forward pass (rows are outputs, gathered is x), another dX
// and dW in one pass (rows are input channels, gathered is dY). Blocked patterns are accepted: their weights
// are taken one by one. Both hold exactly the live weights, without padding. Everything here may be called
// from any thread.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "sparse/format.h"

namespace coppice {

extern const FormatDef
    kGather;  // encode: the backward gathers; encode_copy: the forward ones; geometry in the tiling

// The smallest halos that the two encodings read.
int gather_x_halo(const ConvGeometry& geometry);
int gather_dy_halo(const ConvGeometry& geometry);

// Empty: both encodings can be built, and no read of a kernel leaves the padded planes. Else the reason.
std::string gather_refuses(const Pattern& pattern, const ConvGeometry& geometry);

// The pattern must not be refused. bind() gives a coppice_conv_weights. Parts are panels of rows:
// forward_parts() of the forward encoding, dx_parts() of the backward one, whose part_start() is what
// coppice_conv_bwd_args wants.
std::unique_ptr<Encoding> encode_gather_forward(const Pattern& pattern, const ConvGeometry& geometry,
                                                const Tiling& tiling);
std::unique_ptr<Encoding> encode_gather_backward(const Pattern& pattern, const ConvGeometry& geometry,
                                                 const Tiling& tiling);

// Whether the backward kernel should write the gradient of each tile, to be added up afterwards: where an
// image has enough pixels to outweigh these sums. Else its items have all tiles.
bool conv_bwd_by_tiles(const ConvGeometry& geometry);

// Bytes of scratch of one item of the backward kernel.
size_t conv_bwd_scratch(const Encoding& backward);

}  // namespace coppice
