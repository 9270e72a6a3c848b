/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/c/plain.h"

const coppice_train_table coppice_train_c = {
    .isa = "c",
    .linear_blocks_dx = coppice_linear_blocks_dx_c,
    .interleave = coppice_interleave_c,
    .linear_segments_dw = coppice_linear_segments_dw_c,
    .linear_blocks_dw = coppice_linear_blocks_dw_c,
    .conv_bwd = coppice_conv_bwd_c,
    .conv_blocks_dx = coppice_conv_blocks_dx_c,
    .conv_blocks_dw = coppice_conv_blocks_dw_c,
    .tile_sum = coppice_tile_sum_c,
    .dense_dw = coppice_dense_dw_c,
    .screen = coppice_screen_c,
    .sgd = coppice_sgd_c,
    .adam = coppice_adam_c,
    .refresh = coppice_refresh_c,
};
