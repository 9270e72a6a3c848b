/* SPDX-License-Identifier: Apache-2.0
 * dX of blocks: the rows of dY of a block row stay in registers while its columns stream through: load dX, r
 * FMAs a vector, store. The dX of a column block lies in the L1. */
#include "train_simd.h"

/* Where one panel of block rows in one column block of one tile lies. */
typedef struct panel {
  const int32_t* start;   /* of the panel's block rows; one more follows */
  const uint16_t* column; /* of the whole format. NULL: dense */
  const float* value;     /* of the whole format */
  int32_t block_rows, rows;
  const float* dy; /* first row of the panel */
  float* dx;       /* first row of the column block */
} panel;

/* Adds `rows` rows into one row of dX in `chains` chains of FMAs. Chains cost an addition each, but a single
 * long one would have to be overlapped with those of more columns than the scheduler holds. */
INLINE void add_rows(float* dx, const vec* dy, int rows, int vectors, int chains, const float* w) {
  vec sum[16];
  UNROLL for (int j = 0; j < vectors; ++j) sum[j] = v_load(dx + j * LANES);
  UNROLL for (int i = 0; i < rows; ++i) {
    const vec ww = v_splat(w[i]);
    vec* chain = sum + i % chains * vectors;
    UNROLL for (int j = 0; j < vectors; ++j) {
      const vec term = ww * dy[i * vectors + j];
      chain[j] = i > 0 && i < chains ? term : chain[j] + term;
    }
  }
  UNROLL for (int c = 1; c < chains; ++c) UNROLL for (int j = 0; j < vectors; ++j) sum[j] +=
      sum[c * vectors + j];
  UNROLL for (int j = 0; j < vectors; ++j) v_store(dx + j * LANES, sum[j]);
}

/* `rows` rows of a block row, of which `live` exist, and `vectors` vectors. Pointers are to the first of
 * each. */
INLINE void run_register_tile(int r, int width, int rows, int live, int vectors, int chains, const float* w,
                              const float* from, float* dx, const uint16_t* column, int32_t count) {
  vec dy[16];
  UNROLL for (int i = 0; i < rows; ++i) UNROLL for (int j = 0; j < vectors; ++j) dy[i * vectors + j] =
      i < live ? v_load(from + i * width + j * LANES) : v_zero();
  if (column)
    for (const uint16_t* end = column + count; column < end; ++column, w += r)
      add_rows(dx + (uint64_t)*column * (unsigned)width, dy, rows, vectors, chains, w);
  else
    for (const float* end = dx + (int64_t)count * width; dx < end; dx += width, w += r)
      add_rows(dx, dy, rows, vectors, chains, w);
}

INLINE void run_register_tiles(const panel* p, int r, int width, int rows, int sample, int vectors,
                               int chains, int32_t block_row) {
  const int32_t begin = p->start[block_row], count = p->start[block_row + 1] - begin;
  const uint16_t* column = p->column ? p->column + begin : NULL;
  const float* w = p->value + (int64_t)begin * r;
  const int32_t first_row = block_row * r, left = p->rows - first_row;
  const float* dy = p->dy + (int64_t)first_row * width + sample;
  for (int i = 0; i < r && i < left; i += rows)
    if (left - i >= rows)
      run_register_tile(r, width, rows, rows, vectors, chains, w + i, dy + i * width, p->dx + sample, column,
                        count);
    else
      run_register_tile(r, width, rows, left - i, vectors, chains, w + i, dy + i * width, p->dx + sample,
                        column, count);
}

INLINE void run_panel(const panel* p, int r, int width, int columns) {
#if LANES == 16
  const int wide = r == 16 ? 1 : columns / LANES, rows = r, chains = r == 16 ? 2 : 1;
#elif LANES == 8
  const int wide = 2, rows = 4, chains = 1;
#else
  const int wide = 4, rows = 4, chains = 1;
#endif
  for (int32_t i = 0; i < p->block_rows; ++i) {
    int sample = 0;
    for (; sample + wide * LANES <= columns; sample += wide * LANES)
      run_register_tiles(p, r, width, rows, sample, wide, chains, i);
    for (; sample < columns; sample += LANES) run_register_tiles(p, r, width, rows, sample, 1, chains, i);
  }
}

#define DEFINE_RUN(width, columns)                                                            \
  NOINLINE void run4_##width##_##columns(const panel* p) { run_panel(p, 4, width, columns); } \
  NOINLINE void run16_##width##_##columns(const panel* p) { run_panel(p, 16, width, columns); }
FOR_EACH_SHAPE(DEFINE_RUN)

static void clear(float* dx, int32_t rows, int32_t width, int32_t columns) {
  for (int64_t i = 0; i < rows; ++i) memset(dx + i * width, 0, (size_t)columns * sizeof(float));
}

static void gate(float* dx, const float* mask, int32_t rows, int32_t width, int32_t columns) {
  for (int64_t i = 0; i < (int64_t)rows * width; i += width)
    for (int32_t s = 0; s < columns; s += LANES)
      v_store(dx + i + s, v_gate(v_load(dx + i + s), v_load(mask + i + s)));
}

void KERNEL(coppice_linear_blocks_dx)(const void* args, const coppice_run_state* rs,
                                      const coppice_item* item) {
  const coppice_linear_dx_args* a = (const coppice_linear_dx_args*)args;
  const coppice_blocks* f = a->weights;
  const int32_t width = a->dx.width;
  if (!knows_width(width) || (f->r != 4 && f->r != 16)) {
    coppice_linear_blocks_dx_c(args, rs, item);
    return;
  }
  typedef void (*run)(const panel*);
  static const run runs4[3][4] = SHAPE_TABLE(run4), runs16[3][4] = SHAPE_TABLE(run16);

  /* Tiles inside the panels: they share one pass over the weights. */
  for (int32_t block = item->part_begin; block < item->part_end; ++block) {
    const int64_t first = (int64_t)block * f->block_cols;
    const int32_t cols = f->cols - first < f->block_cols ? (int32_t)(f->cols - first) : f->block_cols;
    for (int32_t index = 0; index < f->panels; ++index) {
      const int32_t row = index * f->part_block_rows * f->r;
      for (int32_t tile = item->tile_begin; tile < item->tile_end; ++tile) {
        const int32_t columns = coppice_columns(rs, width, tile);
        if (columns == 0) continue;
        float* dx = coppice_tile(&a->dx, rs, tile) + first * width;
        if (index == 0) clear(dx, cols, width, columns);
        const panel p = {
            .start = coppice_block_starts(f, index, block),
            .column = f->column,
            .value = f->value,
            .block_rows = coppice_panel_block_rows(f, index),
            .rows = f->rows - row,
            .dy = coppice_tile(&a->dy, rs, tile) + (int64_t)row * width,
            .dx = dx,
        };
        (f->r == 4 ? runs4 : runs16)[width_index(width)][columns / 16 - 1](&p);
        if (index == f->panels - 1 && a->mask.width)
          gate(dx, coppice_tile(&a->mask, rs, tile) + first * width, cols, width, columns);
      }
    }
  }
}
