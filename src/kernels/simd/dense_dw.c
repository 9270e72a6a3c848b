/* SPDX-License-Identifier: Apache-2.0
 * The whole gradient of some rows of a weight: register tiles of a few rows and columns, each sum a dot
 * product over pixels and samples, whose lanes are added up once a block of lines has passed. */
#include "conv_tiles.h"
#include "kernels/dense_dw_lines.h"
#include "train_simd.h"

enum { kRows = 4, kColumns = LANES == 8 ? 2 : 4, kSums = kRows * kColumns };
/* Of a row, at once: the rows of a part then stay in the L1 while the columns pass. */
enum { kBlockFloats = 512 };

typedef struct dense_dw_tile {
  const float *x[kColumns], *dy[kRows];
} dense_dw_tile;

/* out: [kRows][kColumns] */
INLINE void run_tile(const dense_dw_lines* l, const dense_dw_tile* at, float* out, int vectors) {
  vec sum[kSums];
  UNROLL for (int i = 0; i < kSums; ++i) sum[i] = v_zero();
  const int64_t x_pixel = l->x_pixel, dy_pixel = l->dy_pixel;
  for (int32_t line = 0; line < l->lines; ++line) {
    const float *x[kColumns], *dy[kRows];
    UNROLL for (int c = 0; c < kColumns; ++c) x[c] = at->x[c] + line * l->x_line;
    UNROLL for (int r = 0; r < kRows; ++r) dy[r] = at->dy[r] + line * l->dy_line;
    for (int64_t p = 0; p < l->pixels; ++p)
      for (int j = 0; j < vectors; ++j) {
        vec in[kColumns];
        UNROLL for (int c = 0; c < kColumns; ++c) in[c] = v_load(x[c] + p * x_pixel + j * LANES);
        UNROLL for (int r = 0; r < kRows; ++r) {
          vec d = v_load(dy[r] + p * dy_pixel + j * LANES);
          KEEP_VECTOR(d);
          UNROLL for (int c = 0; c < kColumns; ++c) sum[r * kColumns + c] += in[c] * d;
        }
      }
  }
  UNROLL for (int i = 0; i < kSums; i += 4)
      v_store4(out + i, v_sums(sum[i], sum[i + 1], sum[i + 2], sum[i + 3]));
}

/* The usual numbers of vectors in a pixel, so that their loop is none. */
NOINLINE void run_16(const dense_dw_lines* l, const dense_dw_tile* at, float* out) {
  run_tile(l, at, out, 16 / LANES);
}
NOINLINE void run_64(const dense_dw_lines* l, const dense_dw_tile* at, float* out) {
  run_tile(l, at, out, 64 / LANES);
}
NOINLINE void run_32(const dense_dw_lines* l, const dense_dw_tile* at, float* out) {
  run_tile(l, at, out, 32 / LANES);
}
NOINLINE void run_any(const dense_dw_lines* l, const dense_dw_tile* at, float* out) {
  run_tile(l, at, out, l->samples / LANES);
}

typedef void (*tile_run)(const dense_dw_lines* l, const dense_dw_tile* at, float* out);

static tile_run run_of(int32_t samples) {
  return samples == 16 ? run_16 : samples == 32 ? run_32 : samples == 64 ? run_64 : run_any;
}

/* Some columns of the rows [row, end) of one group. `at` has the columns; gradient is that of the first row.
 */
static void run_rows(const dense_dw_planes* planes, const dense_dw_lines* l, dense_dw_tile* at, int32_t row,
                     int32_t end, int32_t columns, float* gradient, int64_t row_floats) {
  const tile_run run = run_of(l->samples);
  for (; row < end; row += kRows, gradient += kRows * row_floats) {
    const int32_t rows = end - row < kRows ? end - row : kRows;
    /* What is past the edge repeats the last one, and is dropped. */
    for (int i = 0; i < kRows; ++i) at->dy[i] = l->dy + (row + (i < rows ? i : rows - 1)) * planes->dy_output;
    float out[kSums];
    run(l, at, out);
    if (rows == kRows && columns == 4) {
      UNROLL for (int r = 0; r < kRows; ++r) {
        float* const g = gradient + r * row_floats;
        v_store4(g, v_load4(g) + v_load4(out + r * 4));
      }
      continue;
    }
    for (int32_t r = 0; r < rows; ++r)
      for (int32_t k = 0; k < columns; ++k) gradient[r * row_floats + k] += out[r * kColumns + k];
  }
}

/* The rows [begin, end) of one group, all columns. */
static void run_group(const coppice_dense_dw_args* a, const dense_dw_planes* planes, const dense_dw_lines* l,
                      int32_t begin, int32_t end, float* gradient) {
  const coppice_conv_shape* c = &a->shape;
  const int32_t columns = (int32_t)coppice_dense_dw_columns(c), group = begin / (c->outputs / c->groups);
  for (int32_t k = 0; k < columns; k += kColumns) {
    const int32_t count = columns - k < kColumns ? columns - k : kColumns;
    dense_dw_tile at;
    for (int i = 0; i < kColumns; ++i)
      at.x[i] = l->x + dense_dw_offset(c, planes, group, k + (i < count ? i : count - 1));
    run_rows(planes, l, &at, begin, end, count, gradient + k, columns);
  }
}

void KERNEL(coppice_dense_dw)(const void* args, const coppice_run_state* rs, const coppice_item* item) {
  const coppice_dense_dw_args* a = (const coppice_dense_dw_args*)args;
  const coppice_conv_shape* c = &a->shape;
  const dense_dw_planes planes = dense_dw_planes_of(a);
  const int64_t columns = coppice_dense_dw_columns(c);
  const int32_t of_group = c->outputs / c->groups, begin = item->part_begin * a->part_rows;
  const int32_t end = begin + a->part_rows < c->outputs ? begin + a->part_rows : c->outputs;
  const int32_t line_floats = c->out_width * a->x.width;
  const int32_t most = line_floats < kBlockFloats ? kBlockFloats / line_floats : 1;
  float* gradient = (float*)item->scratch;
  memset(gradient, 0, (size_t)(end - begin) * (size_t)columns * sizeof(float));
  dense_dw_lines l;
  for (int32_t first = 0; (l = dense_dw_lines_from(a, rs, item, first, most)).lines > 0; first += l.lines)
    for (int32_t row = begin, next; row < end; row = next) {
      next = (row / of_group + 1) * of_group;
      if (next > end) next = end;
      run_group(a, &planes, &l, row, next, gradient + (int64_t)(row - begin) * columns);
    }
}
