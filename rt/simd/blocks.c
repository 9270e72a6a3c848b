/* SPDX-License-Identifier: Apache-2.0
 * y = act(W x + bias) for blocks of r rows, sparse or dense: the sums of several rows and vectors stay in
 * registers, so that each loaded vector of x and each weight feeds several FMAs. */
#include "kernels_simd.h"

/* Where one (column block, block row) of one tile lies. */
typedef struct block_row {
  const uint16_t* column; /* NULL: dense */
  const float* value;
  int32_t count; /* of columns */
  int32_t rows;  /* r, or fewer in the last block row */
  const float* x;
  float* y;
  const float* bias;
  const float* mask;
  int first, relu;
} block_row;

INLINE void add_column(vec* sum, int rows, int vectors, const float* w, const float* x) {
  vec xs[8];
  UNROLL for (int j = 0; j < vectors; ++j) xs[j] = v_load(x + j * LANES);
  UNROLL for (int i = 0; i < rows; ++i) {
    const vec ww = v_splat(w[i]);
    UNROLL for (int j = 0; j < vectors; ++j) sum[i * vectors + j] += ww * xs[j];
  }
}

/* `rows` rows from row `first_row` of the block row, `vectors` vectors from sample `sample`; `live` of the
 * rows exist. */
INLINE void run_register_tile(const block_row* b, int r, int width, int first_row, int rows, int live,
                              int sample, int vectors) {
  vec sum[16];
  float* y = b->y + first_row * width + sample;
  UNROLL for (int i = 0; i < rows; ++i) UNROLL for (int j = 0; j < vectors; ++j) sum[i * vectors + j] =
      i >= live  ? v_zero()
      : b->first ? v_splat(b->bias ? b->bias[first_row + i] : 0.0f)
                 : v_load(y + i * width + j * LANES);

  const float* w = b->value + first_row;
  const float* x = b->x + sample;
  if (b->column) {
    for (const uint16_t *c = b->column, *end = c + b->count; c < end; ++c, w += r)
      add_column(sum, rows, vectors, w, x + (uint64_t)*c * (unsigned)width);
  } else {
    for (const float* end = x + (int64_t)b->count * width; x < end; x += width, w += r)
      add_column(sum, rows, vectors, w, x);
  }

  if (b->relu) UNROLL for (int i = 0; i < rows * vectors; ++i) sum[i] = v_relu(sum[i]);
  UNROLL for (int i = 0; i < rows; ++i) UNROLL for (int j = 0; j < vectors; ++j) {
    const int at = i * width + j * LANES;
    if (i >= live) continue;
    v_store(y + at, b->mask ? v_gate(sum[i * vectors + j], v_load(b->mask + first_row * width + sample + at))
                            : sum[i * vectors + j]);
  }
}

/* A whole block row, `vectors` vectors from `sample`, in register tiles of `rows` rows. */
INLINE void run_rows(const block_row* b, int r, int width, int rows, int sample, int vectors) {
  for (int first_row = 0; first_row < b->rows; first_row += rows)
    if (b->rows - first_row >= rows)
      run_register_tile(b, r, width, first_row, rows, rows, sample, vectors);
    else
      run_register_tile(b, r, width, first_row, rows, b->rows - first_row, sample, vectors);
}

/* Register tiles as large as the registers allow, with at least eight independent sums where the columns
 * allow. */
INLINE void run_block_row(const block_row* b, int r, int width, int columns) {
#if LANES == 16
  const int wide = r == 16 ? 2 : columns / LANES, rows = r == 16 ? 8 : 4, narrow_rows = r;
#elif LANES == 8
  const int wide = 2, rows = 4, narrow_rows = 4;
#else
  const int wide = 4, rows = 4, narrow_rows = 4;
#endif
  int sample = 0;
  for (; sample + wide * LANES <= columns; sample += wide * LANES) run_rows(b, r, width, rows, sample, wide);
  for (; sample < columns; sample += LANES) run_rows(b, r, width, narrow_rows, sample, 1);
}

#define DEFINE_RUN(width, columns)                                                                    \
  NOINLINE void run4_##width##_##columns(const block_row* b) { run_block_row(b, 4, width, columns); } \
  NOINLINE void run16_##width##_##columns(const block_row* b) { run_block_row(b, 16, width, columns); }
FOR_EACH_SHAPE(DEFINE_RUN)

typedef void (*run)(const block_row*);

/* All block rows of a panel in one column block of one tile. */
static void run_panel(const coppice_linear_args* a, const coppice_run_state* rs, int32_t panel, int32_t block,
                      int32_t tile, run runner) {
  const coppice_blocks* f = (const coppice_blocks*)a->weights;
  const int32_t width = a->y.width;
  const int first = block == 0, last = block == f->blocks - 1;
  const int32_t begin = panel * f->part_block_rows;
  const int32_t end = begin + f->part_block_rows < f->block_rows ? begin + f->part_block_rows : f->block_rows;
  const int32_t* start = f->start + (int64_t)block * f->block_rows;
  float* y = coppice_tile(&a->y, rs, tile);
  const float* mask = last && a->mask.width ? coppice_tile(&a->mask, rs, tile) : NULL;
  block_row b = {.x = coppice_tile(&a->x, rs, tile) + (int64_t)block * f->block_cols * width,
                 .first = first,
                 .relu = last && a->activation == COPPICE_ACT_RELU};
  for (int32_t i = begin; i < end; ++i) {
    const int64_t row = (int64_t)i * f->r;
    b.column = f->column ? f->column + start[i] : NULL;
    b.value = f->value + (int64_t)start[i] * f->r;
    b.count = start[i + 1] - start[i];
    b.rows = f->rows - row < f->r ? (int32_t)(f->rows - row) : f->r;
    b.y = y + row * width;
    b.bias = first && a->bias ? a->bias + row : NULL;
    b.mask = mask ? mask + row * width : NULL;
    runner(&b);
  }
}

void KERNEL(coppice_linear_blocks)(const void* args, const coppice_run_state* rs, const coppice_item* item) {
  const coppice_linear_args* a = (const coppice_linear_args*)args;
  const coppice_blocks* f = (const coppice_blocks*)a->weights;
  const int32_t width = a->y.width;
  if (!knows_width(width) || (f->r != 4 && f->r != 16)) {
    coppice_kernels_c.linear_blocks(args, rs, item);
    return;
  }
  static const run runs4[3][4] = SHAPE_TABLE(run4), runs16[3][4] = SHAPE_TABLE(run16);

  /* Tiles inside the blocks: they share one pass over the weights of a panel. */
  for (int32_t panel = item->part_begin; panel < item->part_end; ++panel)
    for (int32_t block = 0; block < f->blocks; ++block)
      for (int32_t tile = item->tile_begin; tile < item->tile_end; ++tile) {
        const int32_t columns = coppice_columns(rs, width, tile);
        if (columns == 0) continue;
        const int shape = columns / 16 - 1;
        run_panel(a, rs, panel, block, tile,
                  f->r == 4 ? runs4[width_index(width)][shape] : runs16[width_index(width)][shape]);
      }
}
