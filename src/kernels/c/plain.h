/* SPDX-License-Identifier: Apache-2.0
 * The plain C kernels of training, by name: their table and the fast kernels' fallback for widths they do not
 * know. */
#ifndef COPPICE_KERNELS_C_PLAIN_H
#define COPPICE_KERNELS_C_PLAIN_H

#include "kernels/train_kernels.h"

void coppice_linear_blocks_dx_c(const void* args, const coppice_run_state* rs, const coppice_item* item);
void coppice_interleave_c(const void* args, const coppice_run_state* rs, const coppice_item* item);
void coppice_linear_segments_dw_c(const void* args, const coppice_run_state* rs, const coppice_item* item);
void coppice_linear_blocks_dw_c(const void* args, const coppice_run_state* rs, const coppice_item* item);
void coppice_conv_bwd_c(const void* args, const coppice_run_state* rs, const coppice_item* item);
void coppice_conv_blocks_dx_c(const void* args, const coppice_run_state* rs, const coppice_item* item);
void coppice_conv_blocks_dw_c(const void* args, const coppice_run_state* rs, const coppice_item* item);
void coppice_tile_sum_c(const void* args, const coppice_run_state* rs, const coppice_item* item);
void coppice_dense_dw_c(const void* args, const coppice_run_state* rs, const coppice_item* item);
int64_t coppice_screen_c(const float* numbers, int64_t count, float bar, uint32_t* places);
void coppice_sgd_c(const void* args, const coppice_run_state* rs, const coppice_item* item);
void coppice_adam_c(const void* args, const coppice_run_state* rs, const coppice_item* item);
void coppice_refresh_c(const void* args, const coppice_run_state* rs, const coppice_item* item);

#endif
