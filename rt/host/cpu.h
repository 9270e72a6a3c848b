/* SPDX-License-Identifier: Apache-2.0
 * What the tiling and the readings need to know about the CPU. Every function may be called from any thread.
 */
#ifndef COPPICE_HOST_CPU_H
#define COPPICE_HOST_CPU_H

#include "coppice_kernels.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct coppice_cpu {
  int64_t l1d_bytes, l2_bytes,
      l3_bytes;   /* of one core's L1d and L2; of the L3 that it shares, 0 if there is none */
  char model[64]; /* "Intel(R) Xeon(R) Processor", "unknown CPU" where nobody says */
} coppice_cpu;

/* Sizes from sysfs or sysconf; 32 kB, 1 MB and 0 where neither knows. */
void coppice_host_cpu(coppice_cpu* out);

/* How fast one thread is right now, from loops of some 0.5 milliseconds together. A sample is framed with it:
 * a neighbour on the same core slows multiply-adds on registers (GFLOP/s), or reads of data that lies in the
 * L2 (GB/s), or both. data: COPPICE_SPEED_BYTES, the caller's own. */
enum { COPPICE_SPEED_BYTES = 192 << 10 };
typedef struct coppice_speed {
  double gflops, gbytes;
} coppice_speed;
coppice_speed coppice_host_speed(const coppice_kernel_table* kernels, const float* data);

#ifdef __cplusplus
}
#endif
#endif
