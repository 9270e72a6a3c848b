/* SPDX-License-Identifier: Apache-2.0
 * y = act(W x + bias) for blocks of r rows, sparse or dense: the sums of several rows and vectors stay in
 * registers, so that each loaded vector of x and each weight feeds several FMAs. */
#include "kernels_simd.h"

/* Where one panel of block rows in one column block of one tile lies. */
typedef struct panel {
  const int32_t* start;   /* of the panel's block rows; one more follows */
  const uint16_t* column; /* of the whole format. NULL: dense */
  const float* value;     /* of the whole format */
  int32_t block_rows, rows;
  const float* x;    /* first row of the column block */
  float* y;          /* first row of the panel, as the others */
  const float* bias; /* NULL: none */
  const float* mask; /* NULL: none */
  int first, last;   /* the block starts the sums, ends them */
  int relu;
} panel;

INLINE void add_column(vec* sum, int rows, int vectors, const float* w, const float* x) {
  vec xs[8];
  UNROLL for (int j = 0; j < vectors; ++j) xs[j] = v_load(x + j * LANES);
  UNROLL for (int i = 0; i < rows; ++i) {
    const vec ww = v_splat(w[i]);
    UNROLL for (int j = 0; j < vectors; ++j) sum[i * vectors + j] += ww * xs[j];
  }
}

INLINE void add_columns(vec* sum, int r, int width, int rows, int vectors, const float* w, const float* x,
                        const uint16_t* column, int32_t count) {
  if (column)
    for (const uint16_t* end = column + count; column < end; ++column, w += r)
      add_column(sum, rows, vectors, w, x + (uint64_t)*column * (unsigned)width);
  else
    for (const float* end = x + (int64_t)count * width; x < end; x += width, w += r)
      add_column(sum, rows, vectors, w, x);
}

/* `rows` rows of a block row, of which `live` exist, and `vectors` vectors. Pointers are to the first of
 * each. */
INLINE void run_register_tile(const panel* p, int r, int width, int rows, int live, int vectors,
                              const float* w, const float* x, float* y, const float* bias, const float* mask,
                              const uint16_t* column, int32_t count) {
  vec sum[16];
  if (p->first) {
    UNROLL for (int i = 0; i < rows; ++i) {
      const vec start = v_splat(bias && i < live ? bias[i] : 0.0f);
      UNROLL for (int j = 0; j < vectors; ++j) sum[i * vectors + j] = start;
    }
  } else {
    UNROLL for (int i = 0; i < rows; ++i) UNROLL for (int j = 0; j < vectors; ++j) sum[i * vectors + j] =
        i < live ? v_load(y + i * width + j * LANES) : v_zero();
  }
  add_columns(sum, r, width, rows, vectors, w, x, column, count);
  if (p->last) {
    if (p->relu) UNROLL for (int i = 0; i < rows * vectors; ++i) sum[i] = v_relu(sum[i]);
    if (mask)
      UNROLL for (int i = 0; i < rows; ++i) UNROLL for (int j = 0; j < vectors; ++j) if (i < live)
          sum[i * vectors + j] = v_gate(sum[i * vectors + j], v_load(mask + i * width + j * LANES));
  }
  UNROLL for (int i = 0; i < rows; ++i) UNROLL for (int j = 0; j < vectors; ++j) if (i < live)
      v_store(y + i * width + j * LANES, sum[i * vectors + j]);
}

/* A panel in register tiles of `rows` rows; those of the last block row may be cut by the end of the matrix.
 */
INLINE void run_register_tiles(const panel* p, int r, int width, int rows, int sample, int vectors,
                               int32_t block_row) {
  const int32_t begin = p->start[block_row], count = p->start[block_row + 1] - begin;
  const uint16_t* column = p->column ? p->column + begin : NULL;
  const float *w = p->value + (int64_t)begin * r, *x = p->x + sample;
  const int32_t first_row = block_row * r, left = p->rows - first_row;
  const int64_t at = (int64_t)first_row * width + sample;
  for (int i = 0; i < r && i < left; i += rows) {
    float* y = p->y + at + i * width;
    const float *mask = p->mask ? p->mask + at + i * width : NULL,
                *bias = p->bias ? p->bias + first_row + i : NULL;
    if (left - i >= rows)
      run_register_tile(p, r, width, rows, rows, vectors, w + i, x, y, bias, mask, column, count);
    else
      run_register_tile(p, r, width, rows, left - i, vectors, w + i, x, y, bias, mask, column, count);
  }
}

/* Register tiles as large as the registers allow, with at least eight independent sums where the columns
 * allow. */
INLINE void run_panel(const panel* p, int r, int width, int columns) {
#if LANES == 16
  const int wide = r == 16 ? 2 : columns / LANES, rows = r == 16 ? 8 : 4, narrow_rows = r;
#elif LANES == 8
  const int wide = 2, rows = 4, narrow_rows = 4;
#else
  const int wide = 4, rows = 4, narrow_rows = 4;
#endif
  for (int32_t i = 0; i < p->block_rows; ++i) {
    int sample = 0;
    for (; sample + wide * LANES <= columns; sample += wide * LANES)
      run_register_tiles(p, r, width, rows, sample, wide, i);
    for (; sample < columns; sample += LANES) run_register_tiles(p, r, width, narrow_rows, sample, 1, i);
  }
}

#define DEFINE_RUN(width, columns)                                                            \
  NOINLINE void run4_##width##_##columns(const panel* p) { run_panel(p, 4, width, columns); } \
  NOINLINE void run16_##width##_##columns(const panel* p) { run_panel(p, 16, width, columns); }
FOR_EACH_SHAPE(DEFINE_RUN)

void KERNEL(coppice_linear_blocks)(const void* args, const coppice_run_state* rs, const coppice_item* item) {
  const coppice_linear_args* a = (const coppice_linear_args*)args;
  const coppice_blocks* f = (const coppice_blocks*)a->weights;
  const int32_t width = a->y.width;
  if (!knows_width(width) || (f->r != 4 && f->r != 16)) {
    coppice_kernels_c.linear_blocks(args, rs, item);
    return;
  }
  typedef void (*run)(const panel*);
  static const run runs4[3][4] = SHAPE_TABLE(run4), runs16[3][4] = SHAPE_TABLE(run16);

  /* Tiles inside the blocks: they share one pass over the weights of a panel. */
  for (int32_t part = item->part_begin; part < item->part_end; ++part)
    for (int32_t block = 0; block < f->blocks; ++block)
      for (int32_t tile = item->tile_begin; tile < item->tile_end; ++tile) {
        const int32_t columns = coppice_columns(rs, width, tile);
        if (columns == 0) continue;
        const int64_t row = (int64_t)part * f->part_block_rows * f->r;
        const panel p = {
            .start = coppice_block_starts(f, part, block),
            .column = f->column,
            .value = f->value,
            .block_rows = coppice_panel_block_rows(f, part),
            .rows = (int32_t)(f->rows - row),
            .x = coppice_tile(&a->x, rs, tile) + (int64_t)block * f->block_cols * width,
            .y = coppice_tile(&a->y, rs, tile) + row * width,
            .bias = a->bias ? a->bias + row : NULL,
            .mask = a->mask.width ? coppice_tile(&a->mask, rs, tile) + row * width : NULL,
            .first = block == 0,
            .last = block == f->blocks - 1,
            .relu = a->activation == COPPICE_ACT_RELU,
        };
        (f->r == 4 ? runs4 : runs16)[width_index(width)][columns / 16 - 1](&p);
      }
}
