/* SPDX-License-Identifier: Apache-2.0
 * What the sums of 16 rows of integers become: bytes, or floats. */
#ifndef COPPICE_APPLY_I8_SUMS_H
#define COPPICE_APPLY_I8_SUMS_H

#include "coppice_apply.h"
#include "dot.h"

typedef int32_t int32x16 __attribute__((vector_size(64)));
typedef int32_t int32x8 __attribute__((vector_size(32)));
typedef int64_t int64x8 __attribute__((vector_size(64)));
typedef int8_t int8x8 __attribute__((vector_size(8)));

INLINE int64x8 wide(const int32_t* p) {
  int32x8 v;
  memcpy(&v, p, sizeof v);
#if defined(COPPICE_ISA_avx512)
  return (int64x8)_mm512_cvtepi32_epi64((__m256i)v); /* gcc takes what it has in a register apart */
#else
  return __builtin_convertvector(v, int64x8);
#endif
}
INLINE int64x8 where(int64x8 mask, int64x8 a, int64x8 b) { return (a & mask) | (b & ~mask); }

/* As coppice_apply.h defines it: adding half of 2^shift and shifting is shifting by one less, adding 1 and
 * shifting by one. */
INLINE void requantise(const coppice_apply_i8_args* a, int32_t row, const int32_t* sum, int8_t* out) {
  const int64x8 low = (int64x8){0} + a->low, high = (int64x8){0} + a->high;
  UNROLL for (int r = 0; r < COPPICE_APPLY_ROWS; r += 8) {
    int64x8 y = wide(sum + r) * wide(a->multiplier + row + r);
    y = (((y >> (wide(a->shift + row + r) - 1)) + 1) >> 1) + a->zero_point;
    y = where(y < low, low, where(y > high, high, y));
    const int8x8 bytes = __builtin_convertvector(y, int8x8);
    memcpy(out + r, &bytes, sizeof bytes);
  }
}

/* What the sums of 16 rows from `row` on become, of which y takes the first: a constant number of rows, so
 * that the copies are moves. */
INLINE void put_rows(const coppice_apply_i8_args* a, int32_t row, const int32_t* sum, void* y, size_t rows) {
  if (a->multiplier) {
    int8_t out[COPPICE_APPLY_ROWS];
    requantise(a, row, sum, out);
    memcpy(y, out, rows);
  } else {
    float out[COPPICE_APPLY_ROWS];
    for (int r = 0; r < COPPICE_APPLY_ROWS; ++r) {
      const float scaled = (float)sum[r] * a->scale[row + r];
      out[r] = scaled < a->low_float ? a->low_float : scaled;
    }
    memcpy(y, out, rows * sizeof(float));
  }
}

/* sum += what products of bytes do not have. bias, row_sum: of the 16 rows, as coppice_apply_i8 has them. */
INLINE void add_start(int32_t* sum, const int32_t* biases, const int32_t* row_sums) {
  int32x16 all, bias, row_sum;
  memcpy(&all, sum, sizeof all);
  memcpy(&bias, biases, sizeof bias);
  memcpy(&row_sum, row_sums, sizeof row_sum);
  all += bias - kDotOffset * row_sum;
  memcpy(sum, &all, sizeof all);
  /* To memory: gcc would take the vector apart, number by number, for the halves that follow. */
  __asm__("" : "+m"(*(int32_t(*)[COPPICE_APPLY_ROWS])sum));
}

#endif
