/* SPDX-License-Identifier: Apache-2.0
 * What the fast kernels share: the shapes of a tile that they are compiled for. */
#ifndef COPPICE_KERNELS_SIMD_H
#define COPPICE_KERNELS_SIMD_H

#include "coppice_kernels.h"
#include "vec.h"

/* (width S, columns computed): S = 16, 32 or 64, columns in steps of 16 (coppice_columns). All strides are
 * constants. */
#define FOR_EACH_SHAPE(def) \
  def(16, 16) def(32, 16) def(32, 32) def(64, 16) def(64, 32) def(64, 48) def(64, 64)

/* name_S_columns as [width_index][columns / 16 - 1]. */
#define SHAPE_TABLE(name)                                                                                    \
  {                                                                                                          \
    {name##_16_16}, {name##_32_16, name##_32_32}, { name##_64_16, name##_64_32, name##_64_48, name##_64_64 } \
  }

INLINE int knows_width(int32_t width) { return width == 16 || width == 32 || width == 64; }
INLINE int width_index(int32_t width) { return width == 16 ? 0 : width == 32 ? 1 : 2; }

void KERNEL(coppice_linear_segments)(const void* args, const coppice_run_state* rs, const coppice_item* item);
void KERNEL(coppice_linear_blocks)(const void* args, const coppice_run_state* rs, const coppice_item* item);
void KERNEL(coppice_conv)(const void* args, const coppice_run_state* rs, const coppice_item* item);
void KERNEL(coppice_conv_blocks)(const void* args, const coppice_run_state* rs, const coppice_item* item);
void KERNEL(coppice_apply_f32)(const void* args, const coppice_run_state* rs, const coppice_item* item);
void KERNEL(coppice_apply_i8)(const void* args, const coppice_run_state* rs, const coppice_item* item);

#endif
