/* SPDX-License-Identifier: Apache-2.0
 * Gradient of single weights: each is a dot product over samples of a row of x with the row of dY that stays
 * in registers for a whole segment. Two tiles are summed before the lanes are: the sum over lanes is what
 * bounds short batches. */
#include "train_simd.h"

/* One part with the samples of one tile, or of two. */
typedef struct part {
  const coppice_segment *segment, *segment_end;
  const uint16_t* column;
  const float* x[2];  /* first row of the column block, per tile */
  const float* dy[2]; /* first row of the panel, per tile */
  float* gradient;
  int add;
} part;

/* Lane sums of one weight: two chains of FMAs over n0 vectors of the first tile and n1 of the second. They
 * start at +0, so that a padding of zero times anything leaves no trace, not even the sign of a zero. */
INLINE vec dot(const vec* dy, const float* x0, int64_t to_x1, uint64_t index, int width, int n0, int n1) {
  x0 += index * (unsigned)width;
  const float* x1 = x0 + to_x1;
  __asm__("" : "+r"(x0)); /* one address register: an FMA with an index register would be two operations */
  __asm__("" : "+r"(x1));
  vec even = v_zero(), odd = v_zero();
  UNROLL for (int j = 0; j < n0 + n1; ++j) {
    const vec x = j < n0 ? v_load(x0 + j * LANES) : v_load(x1 + (j - n0) * LANES);
    if (j % 2 && n0 + n1 > 4)
      odd += dy[j] * x;
    else
      even += dy[j] * x;
  }
  return n0 + n1 > 4 ? even + odd : even;
}

INLINE void run_part(const part* p, int width, int n0, int n1) {
  /* Copies: a store through g might change *p, as far as the compiler knows. */
  const float *x = p->x[0], *panel_dy = p->dy[0];
  const int64_t to_x1 = n1 ? p->x[1] - p->x[0] : 0, to_dy1 = n1 ? p->dy[1] - p->dy[0] : 0;
  const uint16_t* column = p->column;
  const coppice_segment* const end = p->segment_end;
  const int add = p->add;
  float* g = p->gradient;
  for (const coppice_segment* s = p->segment; s < end; ++s) {
    int32_t count = s->count;
    const float* row = panel_dy + (uint64_t)s->row * (unsigned)width;
    vec dy[16];
    UNROLL for (int j = 0; j < n0; ++j) dy[j] = v_load(row + j * LANES);
    UNROLL for (int j = 0; j < n1; ++j) dy[n0 + j] = v_load(row + to_dy1 + j * LANES);
    for (; count >= 4; count -= 4, column += 4, g += 4) {
      uint64_t four;
      memcpy(&four, column, 8);
      __asm__("" : "+r"(four)); /* keeps the compiler from loading the four one by one */
      const vec a = dot(dy, x, to_x1, (uint16_t)four, width, n0, n1);
      const vec b = dot(dy, x, to_x1, (uint16_t)(four >> 16), width, n0, n1);
      const vec c = dot(dy, x, to_x1, (uint16_t)(four >> 32), width, n0, n1);
      const vec d = dot(dy, x, to_x1, four >> 48, width, n0, n1);
      const vec4 sums = v_sums(a, b, c, d);
      v_store4(g, add ? v_load4(g) + sums : sums);
    }
    if (count == 0) continue;
    const vec a = dot(dy, x, to_x1, column[0], width, n0, n1);
    const vec b = count > 1 ? dot(dy, x, to_x1, column[1], width, n0, n1) : v_zero();
    const vec c = count > 2 ? dot(dy, x, to_x1, column[2], width, n0, n1) : v_zero();
    const vec4 sums = v_sums(a, b, c, v_zero());
    g[0] = add ? g[0] + sums[0] : sums[0];
    if (count > 1) g[1] = add ? g[1] + sums[1] : sums[1];
    if (count > 2) g[2] = add ? g[2] + sums[2] : sums[2];
    column += count;
    g += count;
  }
}

#define DEFINE_ONE(width, columns) \
  NOINLINE void one_##width##_##columns(const part* p) { run_part(p, width, columns / LANES, 0); }
FOR_EACH_SHAPE(DEFINE_ONE)

/* A full tile and a second one, where the vectors of both fit the registers. */
#define DEFINE_TWO(width, columns)                                                            \
  NOINLINE void two_##width##_##columns(const part* p) {                                      \
    if (width / LANES <= kPairVectors)                                                        \
      run_part(p, width, width / LANES <= kPairVectors ? width / LANES : 0, columns / LANES); \
  }
enum { kPairVectors = LANES == 8 ? 4 : LANES == 4 ? 8 : 4 };
FOR_EACH_SHAPE(DEFINE_TWO)

typedef void (*run)(const part*);

void KERNEL(coppice_linear_segments_dw)(const void* args, const coppice_run_state* rs,
                                        const coppice_item* item) {
  const coppice_linear_dw_args* a = (const coppice_linear_dw_args*)args;
  const coppice_segments* f = (const coppice_segments*)a->weights;
  const int32_t width = a->x.width;
  if (!knows_width(width)) {
    coppice_linear_segments_dw_c(args, rs, item);
    return;
  }
  static const run ones[3][4] = SHAPE_TABLE(one), twos[3][4] = SHAPE_TABLE(two);
  const int w = width_index(width), step = width / LANES <= kPairVectors ? 2 : 1;

  for (int32_t index = item->part_begin; index < item->part_end; ++index) {
    const int64_t col = (int64_t)(index % f->blocks) * f->block_cols * width;
    const int64_t row = (int64_t)(index / f->blocks) * f->panel_rows * width;
    for (int32_t tile = item->tile_begin; tile < item->tile_end; tile += step) {
      part p = {.segment = f->segments + f->segment_start[index],
                .segment_end = f->segments + f->segment_start[index + 1],
                .column = f->column + f->weight_start[index],
                .gradient = a->gradient ? a->gradient + f->weight_start[index] : (float*)item->scratch,
                .add = tile > item->tile_begin || (a->gradient && rs->accumulate)};
      const int two = step == 2 && tile + 1 < item->tile_end;
      for (int i = 0; i <= two; ++i) {
        p.x[i] = coppice_tile(&a->x, rs, tile + i) + col;
        p.dy[i] = coppice_tile(&a->dy, rs, tile + i) + row;
      }
      const int shape = coppice_columns(rs, width, tile + two) / 16 - 1;
      (two ? twos : ones)[w][shape](&p);
    }
  }
}
