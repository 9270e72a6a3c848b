/* SPDX-License-Identifier: Apache-2.0 */
#include "train_simd.h"

const coppice_train_table KERNEL(coppice_train) = {
    .isa = COPPICE_ISA_TEXT,
    .linear_blocks_dx = KERNEL(coppice_linear_blocks_dx),
    .interleave = KERNEL(coppice_interleave),
    .linear_segments_dw = KERNEL(coppice_linear_segments_dw),
    .linear_blocks_dw = KERNEL(coppice_linear_blocks_dw),
    .conv_bwd = KERNEL(coppice_conv_bwd),
    .conv_blocks_dx = KERNEL(coppice_conv_blocks_dx),
    .conv_blocks_dw = KERNEL(coppice_conv_blocks_dw),
    .tile_sum = KERNEL(coppice_tile_sum),
    .dense_dw = KERNEL(coppice_dense_dw),
    .screen = KERNEL(coppice_screen),
    .sgd = KERNEL(coppice_sgd),
    .adam = KERNEL(coppice_adam),
    .refresh = KERNEL(coppice_refresh),
};
