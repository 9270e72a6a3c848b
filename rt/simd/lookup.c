/* SPDX-License-Identifier: Apache-2.0
 * Linear layers of one sample with single weights: the numbers of a range of columns lie in registers, and
 * one instruction finds those that a step wants, whichever they are. So what a weight costs does not depend
 * on its neighbours. */
#include "../c/planes.h"
#include "vec.h"

#if defined(COPPICE_ISA_avx512) || defined(COPPICE_ISA_avx2)
#include "apply_i8_sums.h"

enum { kRows = COPPICE_APPLY_ROWS, kStep = kRows * 4 /* integers */ };

#if defined(COPPICE_ISA_avx512)

/* ---- integers: a range is 256 bytes in four registers */

enum { kRange = 256 };

/* Not the intrinsics: a file compiled for VBMI and VNNI could use them elsewhere, on a CPU that lacks them.
 */
INLINE __m512i two_registers(__m512i index, __m512i low, __m512i high) {
  __asm__("vpermi2b %2, %1, %0" : "+v"(index) : "v"(low), "v"(high));
  return index;
}
INLINE void add_products(__m512i* sum, __m512i x, const int8_t* weights) {
  __asm__("vpdpbusd %2, %1, %0" : "+v"(*sum) : "v"(x), "m"(*(const __m512i*)weights));
}

typedef struct byte_range {
  __m512i x[4];
} byte_range;

/* The highest bit of an index says which two of the registers it means; the others are looked up by both. */
INLINE void add_step(__m512i* sum, const byte_range* range, const uint8_t* index, const int8_t* weights) {
  const __m512i i = _mm512_load_si512(index);
  const __m512i low = two_registers(i, range->x[0], range->x[1]),
                high = two_registers(i, range->x[2], range->x[3]);
  add_products(sum, _mm512_mask_blend_epi8(_mm512_movepi8_mask(i), low, high), weights);
}

/* Products of bytes take x without a sign. */
static const int8_t* padded(const coppice_lookup* f, const int8_t* x, void* scratch) {
  int8_t* out = (int8_t*)scratch;
  const __m512i offset = _mm512_set1_epi8((char)kDotOffset);
  for (int32_t i = 0; i < f->ranges * kRange; i += 64) {
    const int32_t left = f->cols - i;
    const __mmask64 there = left >= 64 ? ~0ull : left > 0 ? (1ull << left) - 1 : 0;
    _mm512_store_si512(out + i, _mm512_add_epi8(_mm512_maskz_loadu_epi8(there, x + i), offset));
  }
  return out;
}

static void sums_i8(const coppice_lookup* f, int32_t group, const int8_t* x, int32_t* out) {
  const uint16_t* steps = f->steps + (int64_t)group * f->ranges;
  const uint8_t* index = f->index + (int64_t)f->start[group] * kStep;
  const int8_t* value = (const int8_t*)f->value + (int64_t)f->start[group] * kStep;
  __m512i sum[2] = {_mm512_setzero_si512(), _mm512_setzero_si512()}; /* one would wait for each product */
  for (int32_t r = 0; r < f->ranges; ++r, x += kRange) {
    byte_range range;
    UNROLL for (int i = 0; i < 4; ++i) range.x[i] = _mm512_load_si512(x + i * 64);
    for (int32_t left = steps[r]; left > 0; --left, index += kStep, value += kStep) {
      __m512i next = sum[0];
      sum[0] = sum[1];
      add_step(&next, &range, index, value);
      sum[1] = next;
    }
  }
  _mm512_storeu_si512(out, _mm512_add_epi32(sum[0], sum[1]));
}

#else

/* ---- integers: a range is 16 bytes in one register. Products of bytes would saturate, so they are taken of
 * 16 bits, which leaves two sums for a row. */

enum { kRange = 16, kQuarters = 4 };

static const int8_t* padded(const coppice_lookup* f, const int8_t* x, void* scratch) {
  int8_t* out = (int8_t*)scratch;
  memcpy(out, x, (size_t)f->cols);
  memset(out + f->cols, 0, (size_t)(f->ranges * kRange - f->cols));
  return out;
}

INLINE __m256i halves(__m128i bytes) { return _mm256_cvtepi8_epi16(bytes); }

static void sums_i8(const coppice_lookup* f, int32_t group, const int8_t* x, int32_t* out) {
  const uint16_t* steps = f->steps + (int64_t)group * f->ranges;
  const __m128i* index = (const __m128i*)(f->index + (int64_t)f->start[group] * kStep);
  const __m128i* value = (const __m128i*)((const int8_t*)f->value + (int64_t)f->start[group] * kStep);
  __m256i sum[kQuarters];
  UNROLL for (int i = 0; i < kQuarters; ++i) sum[i] = _mm256_setzero_si256();
  for (int32_t r = 0; r < f->ranges; ++r, x += kRange) {
    const __m128i range = _mm_load_si128((const __m128i*)x);
    for (int32_t left = steps[r]; left > 0; --left, index += kQuarters, value += kQuarters)
      UNROLL for (int i = 0; i < kQuarters; ++i) {
        const __m256i found = halves(_mm_shuffle_epi8(range, _mm_load_si128(index + i)));
        sum[i] = _mm256_add_epi32(sum[i], _mm256_madd_epi16(found, halves(_mm_load_si128(value + i))));
      }
  }
  UNROLL for (int i = 0; i < kQuarters; i += 2) {
    const __m256i whole = _mm256_permute4x64_epi64(_mm256_hadd_epi32(sum[i], sum[i + 1]), 0xd8);
    _mm256_storeu_si256((__m256i*)(out + i * 4), whole);
  }
}

#endif

PLANE_KERNEL(lookup_i8) {
  const coppice_lookup_i8_args* a = (const coppice_lookup_i8_args*)args;
  const coppice_lookup* f = a->weights;
  const plane_range groups = plane_parts(item, f->part_groups, f->groups);
  const int8_t* x =
      padded(f, (const int8_t*)coppice_vector_of(&a->as.x, rs, item->tile_begin), item->scratch);
  void* y = coppice_vector_of(&a->as.y, rs, item->tile_begin);
  for (int32_t group = groups.begin; group < groups.end; ++group) {
    const int32_t at = group * kRows;
    int32_t sum[kRows];
    sums_i8(f, group, x, sum);
    add_start(sum, a->bias + at, f->row_sum + at);
    if (a->as.multiplier) {
      int8_t out[kRows];
      put_rows(&a->as, at, sum, out, kRows);
      for (int32_t r = 0; r < kRows && at + r < f->rows; ++r) ((int8_t*)y)[f->order[at + r]] = out[r];
    } else {
      float out[kRows];
      put_rows(&a->as, at, sum, out, kRows);
      for (int32_t r = 0; r < kRows && at + r < f->rows; ++r) ((float*)y)[f->order[at + r]] = out[r];
    }
  }
}

#if defined(COPPICE_ISA_avx512)

/* ---- floats: a range is 32 of them in two registers */

enum { kFloatRange = 32 };

INLINE vec weights_of(const void* value, int64_t at, int integers) {
  return integers ? v_load_i8((const int8_t*)value + at) : v_load((const float*)value + at);
}

INLINE vec sums_f32(const coppice_lookup* f, int32_t group, const float* x, int integers) {
  const uint16_t* steps = f->steps + (int64_t)group * f->ranges;
  int64_t at = (int64_t)f->start[group] * kRows;
  vec sum[2] = {v_zero(), v_zero()};
  for (int32_t r = 0; r < f->ranges; ++r) {
    const int32_t first = r * kFloatRange, left_columns = f->cols - first;
    float last[kFloatRange] = {0}; /* behind the last column may be nothing to read */
    const float* columns = x + first;
    if (left_columns < kFloatRange) {
      memcpy(last, columns, (size_t)left_columns * sizeof(float));
      columns = last;
    }
    const __m512 low = _mm512_loadu_ps(columns), high = _mm512_loadu_ps(columns + LANES);
    int32_t left = steps[r];
#define ADD_STEP(i)                                                                                          \
  {                                                                                                          \
    const __m512i index = _mm512_cvtepu8_epi32(_mm_load_si128((const __m128i*)(f->index + at + (i)*kRows))); \
    sum[i] +=                                                                                                \
        (vec)_mm512_permutex2var_ps(low, index, high) * weights_of(f->value, at + (i)*kRows, integers);      \
  }
    for (; left >= 2; left -= 2, at += 2 * kRows) {
      ADD_STEP(0)
      ADD_STEP(1)
    }
    for (; left > 0; --left, at += kRows) ADD_STEP(0)
#undef ADD_STEP
  }
  return sum[0] + sum[1];
}

INLINE void run_f32(const coppice_lookup_f32_args* a, plane_range groups, const float* x, float* y,
                    int integers) {
  const coppice_lookup* f = a->weights;
  for (int32_t group = groups.begin; group < groups.end; ++group) {
    const int32_t at = group * kRows, rows = plane_least(f->rows - at, kRows);
    float sum[kRows];
    v_store(sum, sums_f32(f, group, x, integers));
    for (int32_t r = 0; r < rows; ++r) {
      const int32_t row = f->order[at + r];
      const float whole = (integers ? a->scale[row] * sum[r] : sum[r]) + (a->bias ? a->bias[row] : 0.0f);
      y[row] = whole < a->low ? a->low : whole;
    }
  }
}

PLANE_KERNEL(lookup_f32) {
  const coppice_lookup_f32_args* a = (const coppice_lookup_f32_args*)args;
  const plane_range groups = plane_parts(item, a->weights->part_groups, a->weights->groups);
  const float* x = (const float*)coppice_vector_of(&a->x, rs, item->tile_begin);
  float* y = (float*)coppice_vector_of(&a->y, rs, item->tile_begin);
  if (a->scale)
    run_f32(a, groups, x, y, 1);
  else
    run_f32(a, groups, x, y, 0);
}
#endif
#endif
