/* SPDX-License-Identifier: Apache-2.0
 * Linear layers of one sample in 8-bit integers. What bounds single columns (c = 1) is bringing four of them
 * together: each lies in four bytes of scratch of its own, the other three 0, so that a load some bytes
 * before it finds it shifted, and three ORs do. */
#include "apply_i8_sums.h"
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

INLINE void put(const coppice_apply_i8_args* a, int32_t row, int32_t* sum, void* y) {
  const coppice_apply_i8* f = a->weights;
  char* to = (char*)y + (int64_t)row * (a->multiplier ? 1 : 4);
  add_start(sum, f->bias + row, f->row_sum + row);
  if (f->rows - row >= COPPICE_APPLY_ROWS)
    put_rows(a, row, sum, to, COPPICE_APPLY_ROWS);
  else
    put_rows(a, row, sum, to, (size_t)(f->rows - row));
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
