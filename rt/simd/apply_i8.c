/* SPDX-License-Identifier: Apache-2.0
 * Linear layers of one sample in 8-bit integers. What bounds single columns (c = 1) is bringing four of them
 * together: each lies in four bytes of scratch of its own, the other three 0, so that a load some bytes
 * before it finds it shifted, and three ORs do. */
#include "dot.h"
#include "kernels_simd.h"

enum {
  kSets = kDotVectors == 1   ? 4
          : kDotVectors == 4 ? 2
                             : 1
};                     /* of sums: one would wait for each product */
enum { kBefore = 16 }; /* bytes of scratch before the first column */

INLINE uint32_t load_u32(const void* p) {
  uint32_t v;
  memcpy(&v, p, sizeof v);
  return v;
}

/* Columns c[0..3], the first in the lowest byte. spread: of column 0. Their numbers are one load, as loads
 * are what bounds this. */
INLINE uint32_t gathered(const char* spread, const uint16_t* c) {
  uint64_t four;
  memcpy(&four, c, sizeof four);
  __asm__("" : "+r"(four)); /* keeps the compiler from loading the four one by one */
  return load_u32(spread + 4 * (uint64_t)(uint16_t)four) |
         load_u32(spread + 4 * (uint64_t)(uint16_t)(four >> 16) - 1) |
         load_u32(spread + 4 * (uint64_t)(uint16_t)(four >> 32) - 2) |
         load_u32(spread + 4 * (four >> 48) - 3);
}

static const char* spread_out(const int8_t* x, int32_t cols, void* scratch) {
  char* before = (char*)scratch;
  uint32_t* out = (uint32_t*)(void*)(before + kBefore);
  memset(before, 0, kBefore);
  for (int32_t i = 0; i < cols; ++i) out[i] = (uint8_t)(x[i] + kDotOffset);
  return before + kBefore;
}

/* The groups [begin, end) of a block row to sum[16]. x: the columns, or for c = 1 what they were spread to.
 */
INLINE void add_groups(const coppice_apply_i8* f, int32_t begin, int32_t end, const char* x, int32_t* sum,
                       int c, int dense) {
  const uint32_t offset = c == 4 ? kDotOffset * 0x01010101u : 0;
  dot_vec s[kSets * kDotVectors];
  UNROLL for (int i = 0; i < kSets * kDotVectors; ++i) s[i] = dot_zero();
  const int8_t* w = f->value + (int64_t)begin * 64;
  int32_t g = begin;
#define FOUR(at)                                       \
  (c == 1 ? gathered(x, f->column + 4 * (int64_t)(at)) \
          : load_u32(x + 4 * (uint64_t)(dense ? (unsigned)((at)-begin) : f->column[at])) ^ offset)
  for (; g + kSets <= end; g += kSets, w += 64 * kSets)
    UNROLL for (int i = 0; i < kSets; ++i) dot_add(s + i * kDotVectors, w + 64 * i, FOUR(g + i));
  for (; g < end; ++g, w += 64) dot_add(s, w, FOUR(g));
#undef FOUR
  UNROLL for (int i = kDotVectors; i < kSets * kDotVectors; ++i) s[i % kDotVectors] =
      dot_sum(s[i % kDotVectors], s[i]);
  dot_store(s, sum);
}

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

/* Of a constant number of rows, so that the copies are moves. */
INLINE void put_rows(const coppice_apply_i8_args* a, int32_t row, const int32_t* sum, void* y, size_t rows) {
  if (a->multiplier) {
    int8_t out[COPPICE_APPLY_ROWS];
    requantise(a, row, sum, out);
    memcpy((int8_t*)y + row, out, rows);
  } else {
    float out[COPPICE_APPLY_ROWS];
    for (int r = 0; r < COPPICE_APPLY_ROWS; ++r) {
      const float scaled = (float)sum[r] * a->scale[row + r];
      out[r] = scaled < a->low_float ? a->low_float : scaled;
    }
    memcpy((float*)y + row, out, rows * sizeof(float));
  }
}

INLINE void put(const coppice_apply_i8_args* a, int32_t row, int32_t* sum, void* y) {
  const coppice_apply_i8* f = a->weights;
  int32x16 all, bias, row_sum;
  memcpy(&all, sum, sizeof all);
  memcpy(&bias, f->bias + row, sizeof bias);
  memcpy(&row_sum, f->row_sum + row, sizeof row_sum);
  all += bias - kDotOffset * row_sum;
  memcpy(sum, &all, sizeof all);
  /* To memory: gcc would take the vector apart, number by number, for the halves that follow. */
  __asm__("" : "+m"(*(int32_t(*)[COPPICE_APPLY_ROWS])sum));
  if (f->rows - row >= COPPICE_APPLY_ROWS)
    put_rows(a, row, sum, y, COPPICE_APPLY_ROWS);
  else
    put_rows(a, row, sum, y, (size_t)(f->rows - row));
}

INLINE void run_rows(const coppice_apply_i8_args* a, int32_t begin, int32_t end, const char* x, void* y,
                     int c, int dense) {
  const coppice_apply_i8* f = a->weights;
  for (int32_t block_row = begin; block_row < end; ++block_row) {
    int32_t sum[COPPICE_APPLY_ROWS];
    add_groups(f, f->start[block_row], f->start[block_row + 1], x, sum, c, dense);
    put(a, block_row * COPPICE_APPLY_ROWS, sum, y);
  }
}

void KERNEL(coppice_apply_i8)(const void* args, const coppice_run_state* rs, const coppice_item* item) {
  const coppice_apply_i8_args* a = (const coppice_apply_i8_args*)args;
  const coppice_apply_i8* f = a->weights;
  const int32_t begin = item->part_begin * f->part_block_rows;
  const int32_t wanted = item->part_end * f->part_block_rows,
                end = wanted < f->block_rows ? wanted : f->block_rows;
  for (int32_t sample = item->tile_begin; sample < item->tile_end; ++sample) {
    const int8_t* x = (const int8_t*)coppice_vector_of(&a->x, rs, sample);
    void* y = coppice_vector_of(&a->y, rs, sample);
    if (f->c == 1)
      run_rows(a, begin, end, spread_out(x, f->cols, item->scratch), y, 1, 0);
    else if (f->column)
      run_rows(a, begin, end, (const char*)x, y, 4, 0);
    else
      run_rows(a, begin, end, (const char*)x, y, 4, 1);
  }
}
