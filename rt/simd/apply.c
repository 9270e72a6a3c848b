/* SPDX-License-Identifier: Apache-2.0
 * y = act(W x + bias) of one sample: 16 rows share a column, so their sums are one vector (or a few), and the
 * weights stream through once. */
#include "kernels_simd.h"

enum { kVectors = COPPICE_APPLY_ROWS / LANES }; /* of the sums */
enum { kSets = 4 };                             /* of sums: one set would wait for each multiply-add */

/* Floats, or integers that each become one: a constant where this is called. */
INLINE vec load_weights(const void* w, int64_t at, int integers) {
  return integers ? v_load_i8((const int8_t*)w + at) : v_load((const float*)w + at);
}
INLINE const void* weights_after(const void* w, int64_t count, int integers) {
  return (const char*)w + count * (integers ? 1 : 4);
}

/* A block of c columns. */
INLINE void add_block(vec* sum, const void* w, const float* x, int c, int integers) {
  UNROLL for (int k = 0; k < c; ++k) {
    const vec xs = v_splat(x[k]);
    UNROLL for (int v = 0; v < kVectors; ++v) sum[k % kSets * kVectors + v] +=
        xs * load_weights(w, k * COPPICE_APPLY_ROWS + v * LANES, integers);
  }
}

/* kSets / c blocks at once, so that every set of sums has its turn. sum: [kSets][kVectors] */
INLINE void add_blocks(vec* sum, const void* w, const uint16_t* column, int32_t count, const float* x, int c,
                       int integers) {
  const int together = kSets / c;
  int32_t b = 0;
  for (; b + together <= count; b += together, w = weights_after(w, kSets * COPPICE_APPLY_ROWS, integers))
    UNROLL for (int i = 0; i < together; ++i)
        add_block(sum + i * c * kVectors, weights_after(w, i * c * COPPICE_APPLY_ROWS, integers),
                  x + (uint64_t)(column ? column[b + i] : b + i) * (unsigned)c, c, integers);
  for (; b < count; ++b, w = weights_after(w, c * COPPICE_APPLY_ROWS, integers))
    add_block(sum, w, x + (uint64_t)(column ? column[b] : b) * (unsigned)c, c, integers);
}

INLINE void run_block_row(const coppice_apply_f32_args* a, int32_t block_row, const float* x, float* y,
                          int c) {
  const coppice_apply_f32* f = a->weights;
  const int32_t begin = f->start[block_row], count = f->start[block_row + 1] - begin;
  const int32_t row = block_row * COPPICE_APPLY_ROWS, left = f->rows - row;
  vec sum[kSets * kVectors];
  UNROLL for (int i = 0; i < kSets * kVectors; ++i) sum[i] = v_zero();
  const int64_t at = (int64_t)begin * c * COPPICE_APPLY_ROWS;
  if (f->value_i8)
    add_blocks(sum, f->value_i8 + at, f->column ? f->column + begin : NULL, count, x, c, 1);
  else if (f->column)
    add_blocks(sum, f->value + at, f->column + begin, count, x, c, 0);
  else
    add_blocks(sum, f->value + at, NULL, count, x, c, 0);
  UNROLL for (int v = 0; v < kVectors; ++v) UNROLL for (int i = 1; i < kSets; ++i) sum[v] +=
      sum[i * kVectors + v];
  if (left >= COPPICE_APPLY_ROWS) {
    const vec low = v_splat(a->low);
    UNROLL for (int v = 0; v < kVectors; ++v) {
      if (f->value_i8) sum[v] *= v_load(f->scale + row + v * LANES);
      if (a->bias) sum[v] += v_load(a->bias + row + v * LANES);
      v_store(y + row + v * LANES, v_at_least(sum[v], low));
    }
    return;
  }
  float out[COPPICE_APPLY_ROWS];
  UNROLL for (int v = 0; v < kVectors; ++v) v_store(out + v * LANES, sum[v]);
  for (int32_t r = 0; r < left; ++r) {
    const float scaled = f->value_i8 ? out[r] * f->scale[row + r] : out[r];
    const float s = scaled + (a->bias ? a->bias[row + r] : 0.0f);
    y[row + r] = s < a->low ? a->low : s;
  }
}

void KERNEL(coppice_apply_f32)(const void* args, const coppice_run_state* rs, const coppice_item* item) {
  const coppice_apply_f32_args* a = (const coppice_apply_f32_args*)args;
  const coppice_apply_f32* f = a->weights;
  const int32_t begin = item->part_begin * f->part_block_rows, end = item->part_end * f->part_block_rows;
  for (int32_t sample = item->tile_begin; sample < item->tile_end; ++sample) {
    const float* x = (const float*)coppice_vector_of(&a->x, rs, sample);
    float* y = (float*)coppice_vector_of(&a->y, rs, sample);
    for (int32_t row = begin; row < end && row < f->block_rows; ++row)
      if (f->c == 4)
        run_block_row(a, row, x, y, 4);
      else
        run_block_row(a, row, x, y, 1);
  }
}
