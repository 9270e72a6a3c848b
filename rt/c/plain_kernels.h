/* SPDX-License-Identifier: Apache-2.0
 * The plain C kernels, by name. */
#ifndef COPPICE_PLAIN_KERNELS_H
#define COPPICE_PLAIN_KERNELS_H

#include "coppice_kernels.h"

void coppice_conv_c(const void* args, const coppice_run_state* rs, const coppice_item* item);
void coppice_conv_blocks_c(const void* args, const coppice_run_state* rs, const coppice_item* item);
void coppice_apply_f32_c(const void* args, const coppice_run_state* rs, const coppice_item* item);
void coppice_apply_i8_c(const void* args, const coppice_run_state* rs, const coppice_item* item);

#endif
