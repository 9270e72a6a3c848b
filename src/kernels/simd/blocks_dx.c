/* SPDX-License-Identifier: Apache-2.0
 * dX of blocks: the rows of dY of a block row stay in registers while its columns stream through: load dX, r
 * FMAs a vector, store. The dX of a column block lies in the L1. */
#include "train_simd.h"

/* Where one (column block, block row) of one tile lies. */
typedef struct block_row {
  const uint16_t* column; /* NULL: dense */
  const float* value;
  int32_t count; /* of columns */
  int32_t rows;  /* r, or fewer in the last block row */
  const float* dy;
  float* dx; /* first row of the column block */
} block_row;

/* Adds `rows` rows into one row of dX; two chains, as the first waits for the load. */
INLINE void add_rows(float* dx, const vec* dy, int rows, int vectors, const float* w) {
  vec sum[8], other[8];
  UNROLL for (int j = 0; j < vectors; ++j) sum[j] = v_load(dx + j * LANES);
  UNROLL for (int i = 0; i < rows; ++i) {
    const vec ww = v_splat(w[i]);
    UNROLL for (int j = 0; j < vectors; ++j) {
      if (i == 1)
        other[j] = ww * dy[i * vectors + j];
      else if (i % 2)
        other[j] += ww * dy[i * vectors + j];
      else
        sum[j] += ww * dy[i * vectors + j];
    }
  }
  UNROLL for (int j = 0; j < vectors; ++j) v_store(dx + j * LANES, sum[j] + other[j]);
}

INLINE void run_register_tile(const block_row* b, int r, int width, int first_row, int rows, int sample,
                              int vectors) {
  vec dy[16];
  const float* from = b->dy + first_row * width + sample;
  UNROLL for (int i = 0; i < rows; ++i) UNROLL for (int j = 0; j < vectors; ++j) dy[i * vectors + j] =
      first_row + i < b->rows ? v_load(from + i * width + j * LANES) : v_zero();
  const float* w = b->value + first_row;
  float* dx = b->dx + sample;
  if (b->column) {
    for (const uint16_t *c = b->column, *end = c + b->count; c < end; ++c, w += r)
      add_rows(dx + (uint64_t)*c * (unsigned)width, dy, rows, vectors, w);
  } else {
    for (const float* end = dx + (int64_t)b->count * width; dx < end; dx += width, w += r)
      add_rows(dx, dy, rows, vectors, w);
  }
}

INLINE void run_block_row(const block_row* b, int r, int width, int columns) {
#if LANES == 16
  const int wide = r == 16 ? 2 : columns / LANES, rows = r == 16 ? 8 : 4;
#elif LANES == 8
  const int wide = 2, rows = 4;
#else
  const int wide = 4, rows = 4;
#endif
  for (int first_row = 0; first_row < b->rows; first_row += rows) {
    int sample = 0;
    for (; sample + wide * LANES <= columns; sample += wide * LANES)
      run_register_tile(b, r, width, first_row, rows, sample, wide);
    for (; sample < columns; sample += LANES) run_register_tile(b, r, width, first_row, rows, sample, 1);
  }
}

#define DEFINE_RUN(width, columns)                                                                    \
  NOINLINE void run4_##width##_##columns(const block_row* b) { run_block_row(b, 4, width, columns); } \
  NOINLINE void run16_##width##_##columns(const block_row* b) { run_block_row(b, 16, width, columns); }
FOR_EACH_SHAPE(DEFINE_RUN)

typedef void (*run)(const block_row*);

/* The block rows [begin, end) of one column block and one tile. */
static void run_panel(const coppice_blocks* f, int32_t block, int32_t begin, int32_t end, const float* dy,
                      float* dx, int32_t width, run runner) {
  const int32_t* start = f->start + (int64_t)block * f->block_rows;
  block_row b = {.dx = dx};
  for (int32_t i = begin; i < end; ++i) {
    const int64_t row = (int64_t)i * f->r;
    b.column = f->column ? f->column + start[i] : NULL;
    b.value = f->value + (int64_t)start[i] * f->r;
    b.count = start[i + 1] - start[i];
    b.rows = f->rows - row < f->r ? (int32_t)(f->rows - row) : f->r;
    b.dy = dy + row * width;
    runner(&b);
  }
}

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
  static const run runs4[3][4] = SHAPE_TABLE(run4), runs16[3][4] = SHAPE_TABLE(run16);

  /* Tiles inside the panels: they share one pass over the weights. */
  for (int32_t block = item->part_begin; block < item->part_end; ++block) {
    const int64_t first = (int64_t)block * f->block_cols;
    const int32_t cols = f->cols - first < f->block_cols ? (int32_t)(f->cols - first) : f->block_cols;
    for (int32_t begin = 0; begin < f->block_rows; begin += f->part_block_rows) {
      const int32_t end =
          begin + f->part_block_rows < f->block_rows ? begin + f->part_block_rows : f->block_rows;
      for (int32_t tile = item->tile_begin; tile < item->tile_end; ++tile) {
        const int32_t columns = coppice_columns(rs, width, tile);
        if (columns == 0) continue;
        float* dx = coppice_tile(&a->dx, rs, tile) + first * width;
        if (begin == 0) clear(dx, cols, width, columns);
        run_panel(f, block, begin, end, coppice_tile(&a->dy, rs, tile), dx, width,
                  (f->r == 4 ? runs4 : runs16)[width_index(width)][columns / 16 - 1]);
        if (end == f->block_rows && a->mask.width)
          gate(dx, coppice_tile(&a->mask, rs, tile) + first * width, cols, width, columns);
      }
    }
  }
}
