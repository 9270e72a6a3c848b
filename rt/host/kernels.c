/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels.h"

#include <stdlib.h>
#include <string.h>
#if defined(COPPICE_HAVE_SIMD) && defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

/* Fastest first. __builtin_cpu_supports also asks the operating system (xgetbv) whether it saves the wide
 * registers. */
static const coppice_kernel_table* candidate(int index) {
#if defined(COPPICE_HAVE_SIMD) && defined(__x86_64__)
  __builtin_cpu_init();
  if (index == 0) {
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
        !__builtin_cpu_supports("avx512vl") || !__builtin_cpu_supports("avx512dq"))
      return NULL;
    if (!__builtin_cpu_supports("avx512vnni")) return &coppice_kernels_avx512_no_vnni;
    return __builtin_cpu_supports("avx512vbmi") ? &coppice_kernels_avx512 : &coppice_kernels_avx512_no_vbmi;
  }
  if (index == 1)
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? &coppice_kernels_avx2 : NULL;
#elif defined(COPPICE_HAVE_SIMD) && defined(__aarch64__)
  if (index == 0)
    return getauxval(AT_HWCAP) & HWCAP_ASIMDDP ? &coppice_kernels_neon_dot : &coppice_kernels_neon;
#endif
  return index == 2 ? &coppice_kernels_c : NULL;
}

const coppice_kernel_table* coppice_host_kernels(const char* isa) {
  if (!isa) isa = getenv("COPPICE_ISA");
  if (isa && !*isa) isa = NULL;
  for (int i = 0; i < 3; ++i) {
    const coppice_kernel_table* table = candidate(i);
    if (table && (!isa || strcmp(table->isa, isa) == 0)) return table;
  }
  return NULL;
}
