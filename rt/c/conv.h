/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COPPICE_CONV_H
#define COPPICE_CONV_H

#include "coppice_kernels.h"

void coppice_conv_c(const void* args, const coppice_run_state* rs, const coppice_item* item);

void coppice_conv_blocks_c(const void* args, const coppice_run_state* rs, const coppice_item* item);

#endif
