/* SPDX-License-Identifier: Apache-2.0
 * Gradient of blocks. dY comes interleaved: 16 neighbouring floats are r rows x 16/r samples, so multiplying
 * them by the 16/r samples of a column of x adds to r weights at once, and for r = 16 no sum over lanes is
 * left. */
#include "train_simd.h"

enum { kGroupVectors = 16 / LANES };     /* vectors of 16 floats */
enum { kColumns = LANES == 16 ? 8 : 4 }; /* at once: their pointers and sums fit the registers */
enum { kSets = LANES == 16 ? 2 : 1 };    /* of sums, so that few columns still make enough chains */

/* Four rows and all their columns: to [sample][16] at row `row` for r = 16, to [sample / 4][row][4] for r
 * = 4. */
INLINE void interleave_rows(const float* dy, float* out, int32_t live, int32_t width, int32_t columns,
                            int r) {
  for (int32_t s = 0; s < columns; s += 4) {
    vec4 v[4];
    UNROLL for (int i = 0; i < 4; ++i) v[i] = i < live ? v_load4(dy + i * width + s) : (vec4){0};
    if (r == 16) transpose4(v);
    UNROLL for (int i = 0; i < 4; ++i) v_store4(r == 16 ? out + (s + i) * 16 : out + s * 4 + i * 4, v[i]);
  }
}

void KERNEL(coppice_interleave)(const void* args, const coppice_run_state* rs, const coppice_item* item) {
  const coppice_interleave_args* a = (const coppice_interleave_args*)args;
  if (a->r != 4 && a->r != 16) {
    coppice_interleave_c(args, rs, item);
    return;
  }
  const int32_t width = a->dy.width;
  for (int32_t tile = item->tile_begin; tile < item->tile_end; ++tile) {
    const int32_t columns = coppice_columns(rs, width, tile);
    const float* dy = coppice_tile(&a->dy, rs, tile);
    float* out = coppice_tile(&a->out, rs, tile);
    for (int32_t row = 0; row < (a->rows + a->r - 1) / a->r * a->r; row += 4) {
      const float* from = dy + (int64_t)row * width;
      if (a->r == 16)
        interleave_rows(from, out + (int64_t)(row / 16) * width * 16 + row % 16, a->rows - row, width,
                        columns, 16);
      else
        interleave_rows(from, out + (int64_t)row * width, a->rows - row, width, columns, 4);
    }
  }
}

/* One part with the samples of one tile. */
typedef struct panel {
  const int32_t* start;   /* of the part's block rows; one more follows */
  const uint16_t* column; /* of the whole format. NULL: dense */
  int32_t block_rows;
  const float* x;  /* first row of the column block */
  const float* dy; /* interleaved, first block row of the part */
  int32_t samples;
  float* gradient; /* of the part's first weight */
  int add;
} panel;

INLINE void put(float* g, vec v, int floats, int add) {
  if (floats >= LANES) {
    v_store(g, add ? v_load(g) + v : v);
    return;
  }
  float lanes[LANES];
  v_store(lanes, v);
  for (int i = 0; i < floats; ++i) g[i] = add ? g[i] + lanes[i] : lanes[i];
}

/* Sums of four neighbouring lanes, [column][4 rows] out. sum: [columns][kGroupVectors] */
INLINE void put4(float* g, const vec* sum, int columns, int add) {
  const vec zero = v_zero();
#if LANES == 16
  UNROLL for (int u = 0; u < columns; u += 4) {
    const vec q = v_quarter_sums(sum[u], u + 1 < columns ? sum[u + 1] : zero,
                                 u + 2 < columns ? sum[u + 2] : zero, u + 3 < columns ? sum[u + 3] : zero);
    put(g + 4 * u, __builtin_shufflevector(q, q, 0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15),
        4 * (columns - u), add);
  }
#elif LANES == 8
  UNROLL for (int u = 0; u < columns; u += 2) {
    const int two = u + 1 < columns;
    const vec q =
        v_quarter_sums(sum[2 * u], sum[2 * u + 1], two ? sum[2 * u + 2] : zero, two ? sum[2 * u + 3] : zero);
    put(g + 4 * u, __builtin_shufflevector(q, q, 0, 4, 1, 5, 2, 6, 3, 7), 4 * (columns - u), add);
  }
#else
  (void)zero;
  UNROLL for (int u = 0; u < columns; ++u)
      put(g + 4 * u, v_quarter_sums(sum[4 * u], sum[4 * u + 1], sum[4 * u + 2], sum[4 * u + 3]), 4, add);
#endif
}

/* `columns` columns of one block row. column: their numbers; NULL: those from `first` on. */
INLINE void run_columns(int r, int width, int columns, const uint16_t* column, int32_t first,
                        const float* block_x, const float* dy, int32_t samples, float* g, int add) {
  const int group = 16 / r; /* samples in 16 floats of dY */
  vec sum[16];
  UNROLL for (int i = 0; i < kSets * columns * kGroupVectors; ++i) sum[i] = v_zero();
  const float* x[kColumns];
  UNROLL for (int u = 0; u < columns; ++u) x[u] =
      block_x + (column ? (uint64_t)column[first + u] : (uint64_t)(first + u)) * (unsigned)width;

  for (int64_t s = 0; s < samples; s += kSets * group) UNROLL for (int k = 0; k < kSets; ++k, dy += 16) {
      vec d[kGroupVectors];
      UNROLL for (int v = 0; v < kGroupVectors; ++v) d[v] = v_load(dy + v * LANES);
      UNROLL for (int u = 0; u < columns; ++u) {
        const float* at = x[u] + s + k * group;
        const vec xs = r == 16 ? v_splat(*at) : v_splat4(at);
        UNROLL for (int v = 0; v < kGroupVectors; ++v) sum[(k * columns + u) * kGroupVectors + v] +=
            xs * d[v];
      }
    }
  UNROLL for (int i = columns * kGroupVectors; i < kSets * columns * kGroupVectors; ++i)
      sum[i - columns * kGroupVectors] += sum[i];

  g += (int64_t)first * r;
  if (r == 4)
    put4(g, sum, columns, add);
  else
    UNROLL for (int i = 0; i < columns * kGroupVectors; ++i) put(g + i * LANES, sum[i], LANES, add);
}

/* What is left of a block row is done with exactly as many columns: a run of a sparse pattern is short, and a
 * full step for two columns would cost as much as for eight. */
INLINE void run_panel(const panel* p, int r, int width) {
  const float *x = p->x, *dy = p->dy;
  float* g = p->gradient;
  const int32_t samples = p->samples, *start = p->start, *end = start + p->block_rows;
  const int add = p->add;
  for (; start < end; ++start, dy += width * r) {
    const int32_t count = start[1] - start[0];
    const uint16_t* column = p->column ? p->column + start[0] : NULL;
    int32_t k = 0;
    for (; k + kColumns <= count; k += kColumns)
      run_columns(r, width, kColumns, column, k, x, dy, samples, g, add);
    switch (count - k) {
      case 1:
        run_columns(r, width, 1, column, k, x, dy, samples, g, add);
        break;
      case 2:
        run_columns(r, width, 2, column, k, x, dy, samples, g, add);
        break;
      case 3:
        run_columns(r, width, 3, column, k, x, dy, samples, g, add);
        break;
#if LANES == 16
      case 4:
        run_columns(r, width, 4, column, k, x, dy, samples, g, add);
        break;
      case 5:
        run_columns(r, width, 5, column, k, x, dy, samples, g, add);
        break;
      case 6:
        run_columns(r, width, 6, column, k, x, dy, samples, g, add);
        break;
      case 7:
        run_columns(r, width, 7, column, k, x, dy, samples, g, add);
        break;
#endif
      default:
        break;
    }
    g += (int64_t)count * r;
  }
}

#define DEFINE_RUN(width)                                                \
  NOINLINE void run4_##width(const panel* p) { run_panel(p, 4, width); } \
  NOINLINE void run16_##width(const panel* p) { run_panel(p, 16, width); }
DEFINE_RUN(16)
DEFINE_RUN(32)
DEFINE_RUN(64)

void KERNEL(coppice_linear_blocks_dw)(const void* args, const coppice_run_state* rs,
                                      const coppice_item* item) {
  const coppice_linear_dw_args* a = (const coppice_linear_dw_args*)args;
  const coppice_blocks* f = (const coppice_blocks*)a->weights;
  const int32_t width = a->x.width;
  if (!knows_width(width) || (f->r != 4 && f->r != 16)) {
    coppice_linear_blocks_dw_c(args, rs, item);
    return;
  }
  typedef void (*run)(const panel*);
  static const run runs4[3] = {run4_16, run4_32, run4_64}, runs16[3] = {run16_16, run16_32, run16_64};

  for (int32_t part = item->part_begin; part < item->part_end; ++part) {
    const int32_t index = part / f->blocks, block = part % f->blocks;
    const int32_t* start = coppice_block_starts(f, index, block);
    for (int32_t tile = item->tile_begin; tile < item->tile_end; ++tile) {
      const panel p = {
          .start = start,
          .column = f->column,
          .block_rows = coppice_panel_block_rows(f, index),
          .x = coppice_tile(&a->x, rs, tile) + (int64_t)block * f->block_cols * width,
          .dy = coppice_tile(&a->dy, rs, tile) + (int64_t)index * f->part_block_rows * f->r * width,
          .samples = coppice_columns(rs, width, tile),
          .gradient = a->gradient ? a->gradient + (int64_t)start[0] * f->r : (float*)item->scratch,
          .add = tile > item->tile_begin || (a->gradient && rs->accumulate),
      };
      (f->r == 4 ? runs4 : runs16)[width_index(width)](&p);
    }
  }
}
