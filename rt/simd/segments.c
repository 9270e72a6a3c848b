/* SPDX-License-Identifier: Apache-2.0
 * y = act(W x + bias) for single weights: the rows of a tile of x that a column block needs lie in the L1, a
 * row's sums in registers, and the rows come sorted by length, so that the loop's end is predictable. */
#include "kernels_simd.h"

/* Where one (column block, panel) of one tile lies. */
typedef struct panel {
  const coppice_segment *segment, *segment_end;
  const uint16_t* column;
  const float* value;
  const float* x;    /* first row of the column block */
  float* y;          /* first row of the panel, as the others */
  const float* bias; /* NULL: none */
  const float* mask; /* NULL: none */
  int first, last;   /* the block starts the sums, ends them */
  int relu;
} panel;

INLINE void add_row(vec* sum, int vectors, float w, const float* x, uint64_t index, int width) {
  const vec ww = v_splat(w);
  x += index * (unsigned)width;
  __asm__("" : "+r"(x)); /* one address register: an FMA with an index register would be two operations */
  UNROLL for (int j = 0; j < vectors; ++j) sum[j] += ww * v_load(x + j * LANES);
}

/* The weights of one row. `sets` sets of sums break the chain of dependent FMAs. Four 16-bit indices are one
 * load: the load ports are what bounds this loop. */
INLINE void add_segment(vec* sum, const float* x, const uint16_t* column, const float* w, int32_t count,
                        int width, int vectors, int sets) {
  for (; count >= 4; count -= 4, column += 4, w += 4) {
    uint64_t four;
    memcpy(&four, column, 8);
    __asm__("" : "+r"(four)); /* keeps the compiler from loading the four one by one */
    add_row(sum, vectors, w[0], x, (uint16_t)four, width);
    add_row(sum + 1 % sets * vectors, vectors, w[1], x, (uint16_t)(four >> 16), width);
    add_row(sum + 2 % sets * vectors, vectors, w[2], x, (uint16_t)(four >> 32), width);
    add_row(sum + 3 % sets * vectors, vectors, w[3], x, four >> 48, width);
  }
  if (count & 2) {
    add_row(sum, vectors, w[0], x, column[0], width);
    add_row(sum + 1 % sets * vectors, vectors, w[1], x, column[1], width);
    column += 2;
    w += 2;
  }
  if (count & 1) add_row(sum + 2 % sets * vectors, vectors, w[0], x, column[0], width);
}

INLINE void run_segments(const panel* p, int width, int vectors, int sets, int first, int last) {
  /* Copies: a store through y might change *p, as far as the compiler knows. */
  const float *x = p->x, *w = p->value, *bias = p->bias, *mask = p->mask;
  const uint16_t* column = p->column;
  float* const panel_y = p->y;
  const int relu = p->relu;
  const coppice_segment* const end = p->segment_end;
  for (const coppice_segment* s = p->segment; s < end; ++s) {
    const uint64_t row = (uint64_t)s->row * (unsigned)width;
    const int32_t count = s->count;
    float* y = panel_y + row;
    vec sum[16];
    if (first) {
      const vec start = v_splat(bias ? bias[s->row] : 0.0f);
      UNROLL for (int j = 0; j < vectors; ++j) sum[j] = start;
    } else {
      UNROLL for (int j = 0; j < vectors; ++j) sum[j] = v_load(y + j * LANES);
    }
    UNROLL for (int j = vectors; j < sets * vectors; ++j) sum[j] = v_zero();
    add_segment(sum, x, column, w, count, width, vectors, sets);
    column += count;
    w += count;
    UNROLL for (int k = 1; k < sets; ++k) UNROLL for (int j = 0; j < vectors; ++j) sum[j] +=
        sum[k * vectors + j];
    if (last && relu) UNROLL for (int j = 0; j < vectors; ++j) sum[j] = v_relu(sum[j]);
    if (last && mask)
      UNROLL for (int j = 0; j < vectors; ++j) sum[j] = v_gate(sum[j], v_load(mask + row + j * LANES));
    UNROLL for (int j = 0; j < vectors; ++j) v_store(y + j * LANES, sum[j]);
  }
}

INLINE void run_panel(const panel* p, int width, int vectors, int sets) {
  if (p->first && p->last)
    run_segments(p, width, vectors, sets, 1, 1);
  else if (p->first)
    run_segments(p, width, vectors, sets, 1, 0);
  else if (p->last)
    run_segments(p, width, vectors, sets, 0, 1);
  else
    run_segments(p, width, vectors, sets, 0, 0);
}

#define SETS(vectors) ((vectors) <= 2 ? 4 : (vectors) <= 6 ? 2 : 1)
#define DEFINE_RUN(width, columns)                               \
  NOINLINE void run_##width##_##columns(const panel* p) {        \
    run_panel(p, width, columns / LANES, SETS(columns / LANES)); \
  }
FOR_EACH_SHAPE(DEFINE_RUN)

void KERNEL(coppice_linear_segments)(const void* args, const coppice_run_state* rs,
                                     const coppice_item* item) {
  const coppice_linear_args* a = (const coppice_linear_args*)args;
  const coppice_segments* f = (const coppice_segments*)a->weights;
  const int32_t width = a->y.width;
  if (!knows_width(width)) {
    coppice_kernels_c.linear_segments(args, rs, item);
    return;
  }
  typedef void (*run)(const panel*);
  static const run runs[3][4] = SHAPE_TABLE(run);

  /* Tiles innermost: they share one pass over the weights of a panel. */
  for (int32_t part = item->part_begin; part < item->part_end; ++part)
    for (int32_t block = 0; block < f->blocks; ++block)
      for (int32_t tile = item->tile_begin; tile < item->tile_end; ++tile) {
        const int32_t columns = coppice_columns(rs, width, tile);
        if (columns == 0) continue;
        const int32_t index = part * f->blocks + block;
        const int64_t row = (int64_t)part * f->panel_rows;
        const panel p = {
            .segment = f->segments + f->segment_start[index],
            .segment_end = f->segments + f->segment_start[index + 1],
            .column = f->column + f->weight_start[index],
            .value = f->value + f->weight_start[index],
            .x = coppice_tile(&a->x, rs, tile) + (int64_t)block * f->block_cols * width,
            .y = coppice_tile(&a->y, rs, tile) + row * width,
            .bias = a->bias ? a->bias + row : NULL,
            .mask = a->mask.width ? coppice_tile(&a->mask, rs, tile) + row * width : NULL,
            .first = block == 0,
            .last = block == f->blocks - 1,
            .relu = a->activation == COPPICE_ACT_RELU,
        };
        runs[width_index(width)][columns / 16 - 1](&p);
      }
}
