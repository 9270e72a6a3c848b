/* SPDX-License-Identifier: Apache-2.0
 * One vector of floats as wide as the instruction set at hand, in GCC/Clang vector extensions. A kernel is
 * written once as always-inline functions whose sizes are constant arguments, and compiled for every
 * instruction set. Multiplications followed by additions become FMAs (-ffp-contract=fast). What the
 * extensions cannot say, or say badly, is in one header per instruction set: v_splat4(p) (four floats into
 * each quarter), v_load_i8(p) (bytes as floats), v_quarters_sum(v), v_at_least(v, low) (a NaN passes),
 * v_gate(v, m) (v where m > 0, else 0), v_reaching(v, bar) (which lanes reach it), v_over_root(m, v, e) (m /
 * (sqrt(v) + e)), and the switch that makes denormals zero. */
#ifndef COPPICE_VEC_H
#define COPPICE_VEC_H

#include <stdint.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))
#define NOINLINE static __attribute__((noinline))
/* Of loops with constant bounds, of 16 turns at most: arrays indexed by them then live in registers. One loop
 * that is longer, and gcc keeps the array in memory everywhere. */
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

#define COPPICE_JOIN_(a, b) a##_##b
#define COPPICE_JOIN(a, b) COPPICE_JOIN_(a, b)
#define COPPICE_TEXT_(a) #a
#define COPPICE_TEXT(a) COPPICE_TEXT_(a)
/* KERNEL(coppice_adam) is coppice_adam_avx512, where this file is compiled for AVX-512. */
#define KERNEL(name) COPPICE_JOIN(name, COPPICE_ISA_NAME)
#define COPPICE_ISA_TEXT COPPICE_TEXT(COPPICE_ISA_NAME)

#if defined(COPPICE_ISA_avx512)
#define LANES 16
#elif defined(COPPICE_ISA_avx2)
#define LANES 8
#else
#define LANES 4
#endif

typedef float vec __attribute__((vector_size(4 * LANES)));
typedef float vec_in_memory __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef float vec4 __attribute__((vector_size(16)));
typedef float vec4_in_memory __attribute__((vector_size(16), aligned(4), may_alias));

INLINE vec v_load(const float* p) { return *(const vec_in_memory*)p; }
INLINE void v_store(float* p, vec v) { *(vec_in_memory*)p = v; }
INLINE vec v_zero(void) { return (vec){0}; }
INLINE vec4 v_load4(const float* p) { return *(const vec4_in_memory*)p; }
INLINE void v_store4(float* p, vec4 v) { *(vec4_in_memory*)p = v; }

#if LANES == 16
INLINE vec v_splat(float f) { return (vec){f, f, f, f, f, f, f, f, f, f, f, f, f, f, f, f}; }
#elif LANES == 8
INLINE vec v_splat(float f) { return (vec){f, f, f, f, f, f, f, f}; }
#else
INLINE vec v_splat(float f) { return (vec){f, f, f, f}; }
#endif

#if LANES == 16
/* Sums of neighbouring pairs within each quarter: a's into the lower half of the quarter, b's into the upper
 * half, in two operations on the shuffle port and one addition. */
INLINE vec v_pair_sums(vec a, vec b) {
  return __builtin_shufflevector(a, b, 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29) +
         __builtin_shufflevector(a, b, 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31);
}
INLINE vec v_quarter_sums(vec a, vec b, vec c, vec d) {
  const vec ab = v_pair_sums(a, b), cd = v_pair_sums(c, d);
  return __builtin_shufflevector(ab, cd, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29) +
         __builtin_shufflevector(ab, cd, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31);
}
#elif LANES == 8
INLINE vec v_pair_sums(vec a, vec b) {
  return __builtin_shufflevector(a, b, 0, 8, 1, 9, 4, 12, 5, 13) +
         __builtin_shufflevector(a, b, 2, 10, 3, 11, 6, 14, 7, 15);
}
INLINE vec v_quarter_sums(vec a, vec b, vec c, vec d) {
  const vec ab = v_pair_sums(a, b), cd = v_pair_sums(c, d);
  return __builtin_shufflevector(ab, cd, 0, 1, 8, 9, 4, 5, 12, 13) +
         __builtin_shufflevector(ab, cd, 2, 3, 10, 11, 6, 7, 14, 15);
}
#else
INLINE vec v_quarter_sums(vec a, vec b, vec c, vec d) {
  const vec ab = __builtin_shufflevector(a, b, 0, 4, 1, 5) + __builtin_shufflevector(a, b, 2, 6, 3, 7);
  const vec cd = __builtin_shufflevector(c, d, 0, 4, 1, 5) + __builtin_shufflevector(c, d, 2, 6, 3, 7);
  return __builtin_shufflevector(ab, cd, 0, 1, 4, 5) + __builtin_shufflevector(ab, cd, 2, 3, 6, 7);
}
#endif

#if defined(COPPICE_ISA_avx512)
#include "vec_avx512.h"
#elif defined(COPPICE_ISA_avx2)
#include "vec_avx2.h"
#else
#include "vec_neon.h"
#endif

INLINE vec v_relu(vec v) { return v_at_least(v, v_zero()); }

/* The sums over the lanes of four vectors. */
INLINE vec4 v_sums(vec a, vec b, vec c, vec d) { return v_quarters_sum(v_quarter_sums(a, b, c, d)); }
INLINE float v_sum(vec a) { return v_sums(a, v_zero(), v_zero(), v_zero())[0]; }
#endif
