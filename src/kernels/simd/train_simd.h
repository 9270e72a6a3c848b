/* SPDX-License-Identifier: Apache-2.0
 * The fast training kernels of the instruction set at hand, by name. */
#ifndef COPPICE_TRAIN_SIMD_H
#define COPPICE_TRAIN_SIMD_H

#include "kernels/c/plain.h"
#include "kernels_simd.h"

/* 4x4 floats: rows in, columns out. */
INLINE void transpose4(vec4* v) {
  const vec4 a = __builtin_shufflevector(v[0], v[1], 0, 4, 1, 5),
             b = __builtin_shufflevector(v[2], v[3], 0, 4, 1, 5);
  const vec4 c = __builtin_shufflevector(v[0], v[1], 2, 6, 3, 7),
             d = __builtin_shufflevector(v[2], v[3], 2, 6, 3, 7);
  v[0] = __builtin_shufflevector(a, b, 0, 1, 4, 5);
  v[1] = __builtin_shufflevector(a, b, 2, 3, 6, 7);
  v[2] = __builtin_shufflevector(c, d, 0, 1, 4, 5);
  v[3] = __builtin_shufflevector(c, d, 2, 3, 6, 7);
}

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
int64_t KERNEL(coppice_screen)(const float* numbers, int64_t count, float bar, uint32_t* places);
void KERNEL(coppice_sgd)(const void* args, const coppice_run_state* rs, const coppice_item* item);
void KERNEL(coppice_adam)(const void* args, const coppice_run_state* rs, const coppice_item* item);
void KERNEL(coppice_refresh)(const void* args, const coppice_run_state* rs, const coppice_item* item);

#endif
