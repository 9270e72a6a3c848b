/* SPDX-License-Identifier: Apache-2.0
 * Which kernels this machine can run. Every function may be called from any thread. */
#ifndef COPPICE_HOST_KERNELS_H
#define COPPICE_HOST_KERNELS_H

#include "coppice_kernels.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The kernels of one instruction set: "c", "avx2", "avx512" or "neon". NULL: the one that the environment
 * variable COPPICE_ISA names or, without it, the fastest that CPU, operating system and build have. Returns
 * NULL where the named one is unknown or missing. */
const coppice_kernel_table* coppice_host_kernels(const char* isa);

#ifdef __cplusplus
}
#endif
#endif
