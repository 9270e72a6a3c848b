/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COPPICE_CONV_H
#define COPPICE_CONV_H

#include "coppice_kernels.h"

void coppice_conv_c(const void* args, const coppice_run_state* rs, const coppice_item* item);

void coppice_conv_blocks_c(const void* args, const coppice_run_state* rs, const coppice_item* item);

/* Sum and sum of squares of one plane over the valid samples; `row` is the stride of its rows. */
void coppice_sum_plane(const float* inner, int32_t height, int32_t width, int64_t row, int32_t valid,
                       float* sum, float* square);

#endif
