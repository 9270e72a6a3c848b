/* SPDX-License-Identifier: Apache-2.0
 * The fast training kernels of the instruction set at hand, by name. */
#ifndef COPPICE_TRAIN_SIMD_H
#define COPPICE_TRAIN_SIMD_H

#include "kernels/c/plain.h"
#include "kernels_simd.h"

void KERNEL(coppice_linear_blocks_dx)(const void* args, const coppice_run_state* rs,
                                      const coppice_item* item);
void KERNEL(coppice_interleave)(const void* args, const coppice_run_state* rs, const coppice_item* item);
void KERNEL(coppice_linear_segments_dw)(const void* args, const coppice_run_state* rs,
                                        const coppice_item* item);
void KERNEL(coppice_linear_blocks_dw)(const void* args, const coppice_run_state* rs,
                                      const coppice_item* item);
void KERNEL(coppice_conv_bwd)(const void* args, const coppice_run_state* rs, const coppice_item* item);
void KERNEL(coppice_conv_blocks_dx)(const void* args, const coppice_run_state* rs, const coppice_item* item);
void KERNEL(coppice_conv_blocks_dw)(const void* args, const coppice_run_state* rs, const coppice_item* item);
void KERNEL(coppice_tile_sum)(const void* args, const coppice_run_state* rs, const coppice_item* item);
void KERNEL(coppice_dense_dw)(const void* args, const coppice_run_state* rs, const coppice_item* item);
void KERNEL(coppice_sgd)(const void* args, const coppice_run_state* rs, const coppice_item* item);
void KERNEL(coppice_adam)(const void* args, const coppice_run_state* rs, const coppice_item* item);
void KERNEL(coppice_refresh)(const void* args, const coppice_run_state* rs, const coppice_item* item);

#endif
