/* SPDX-License-Identifier: Apache-2.0
 * The whole gradient of 16 rows of a weight: dy of the rows is laid out with the rows innermost, so that a
 * number of x times a vector of dy adds to 16 rows at once, and no sum over lanes is left. */
#include "kernels/dense_dw_lines.h"
#include "train_simd.h"

enum { kRows = COPPICE_DENSE_DW_ROWS, kRowVectors = kRows / LANES };
enum { kColumns = LANES == 16 ? 8 : 4 }; /* at once: their pointers and sums fit the registers */
/* Pixels times samples at once: dy of 16 rows, and x of the columns at hand, then stay in the L1. */
enum { kSteps = 256 };

/* Neighbouring pixels of neighbouring lines. */
typedef struct dense_dw_chunk {
  const float *x, *dy;
  int32_t lines, pixels;
} dense_dw_chunk;

/* dy of `rows` rows from `row` on, to [line][pixel][sample][kRows]; rows that are none are 0. */
static void lay_out(const dense_dw_planes* planes, const dense_dw_lines* l, const dense_dw_chunk* chunk,
                    int32_t row, int32_t rows, float* out) {
  for (int32_t line = 0; line < chunk->lines; ++line)
    for (int64_t p = 0; p < chunk->pixels; ++p, out += l->samples * kRows) {
      const float* dy = chunk->dy + line * l->dy_line + p * l->dy_pixel + row * planes->dy_output;
      for (int32_t r = 0; r < kRows; r += 4)
        for (int32_t s = 0; s < l->samples; s += 4) {
          vec4 v[4];
          UNROLL for (int i = 0; i < 4; ++i) v[i] =
              r + i < rows ? v_load4(dy + (r + i) * planes->dy_output + s) : (vec4){0};
          transpose4(v);
          UNROLL for (int i = 0; i < 4; ++i) v_store4(out + (s + i) * kRows + r, v[i]);
        }
    }
}

/* The products of kColumns columns, which read at x[], added up over a chunk. sum: [kColumns][kRowVectors] */
INLINE void run_pixels(const dense_dw_lines* l, const dense_dw_chunk* chunk, const float* const* x,
                       const float* dy, vec* sum) {
  UNROLL for (int i = 0; i < kColumns * kRowVectors; ++i) sum[i] = v_zero();
  for (int32_t line = 0; line < chunk->lines; ++line)
    for (int64_t p = 0; p < chunk->pixels; ++p) {
      const int64_t pixel = line * l->x_line + p * l->x_pixel;
      for (int64_t s = pixel; s < pixel + l->samples; s += 4)
        UNROLL for (int k = 0; k < 4; ++k, dy += kRows) {
          vec d[kRowVectors];
          UNROLL for (int v = 0; v < kRowVectors; ++v) d[v] = v_load(dy + v * LANES);
          UNROLL for (int u = 0; u < kColumns; ++u) {
            const vec xs = v_splat(x[u][s + k]);
            UNROLL for (int v = 0; v < kRowVectors; ++v) sum[u * kRowVectors + v] += xs * d[v];
          }
        }
    }
}

/* Adds `columns` columns to the rows [begin, end). g: [columns][kRows] */
INLINE void put(float* g, const vec* sum, int32_t columns, int32_t begin, int32_t end) {
  if (columns == kColumns && begin == 0 && end == kRows) {
    UNROLL for (int i = 0; i < kColumns * kRowVectors; ++i)
        v_store(g + i * LANES, v_load(g + i * LANES) + sum[i]);
    return;
  }
  float all[kColumns * kRows];
  UNROLL for (int i = 0; i < kColumns * kRowVectors; ++i) v_store(all + i * LANES, sum[i]);
  for (int32_t u = 0; u < columns; ++u)
    for (int32_t r = begin; r < end; ++r) g[u * kRows + r] += all[u * kRows + r];
}

/* All columns of the rows [begin, end) of a part, which are of one group. */
static void run_group(const coppice_dense_dw_args* a, const dense_dw_planes* planes, const dense_dw_lines* l,
                      const dense_dw_chunk* chunk, int32_t group, const float* dy, int32_t begin, int32_t end,
                      float* gradient) {
  const int32_t columns = (int32_t)coppice_dense_dw_columns(&a->shape);
  dense_dw_column at = dense_dw_first_column(&a->shape, planes, group);
  for (int32_t k = 0; k < columns; k += kColumns, gradient += kColumns * kRows) {
    const int32_t count = columns - k < kColumns ? columns - k : kColumns;
    const float* x[kColumns];
    for (int32_t u = 0; u < kColumns; ++u) {
      /* What is past the edge repeats the last one, and is dropped. */
      x[u] = u < count ? chunk->x + at.offset : x[count - 1];
      if (u < count) dense_dw_next_column(&a->shape, planes, &at);
    }
    vec sum[kColumns * kRowVectors];
    run_pixels(l, chunk, x, dy, sum);
    put(gradient, sum, count, begin, end);
  }
}

static void run_chunk(const coppice_dense_dw_args* a, const dense_dw_planes* planes, const dense_dw_lines* l,
                      const dense_dw_chunk* chunk, int32_t row, int32_t rows, float* gradient) {
  _Alignas(64) float dy[kSteps * kRows];
  lay_out(planes, l, chunk, row, rows, dy);
  const int32_t of_group = a->shape.outputs / a->shape.groups;
  for (int32_t begin = 0, end; begin < rows; begin = end) {
    const int32_t group = (row + begin) / of_group;
    end = (group + 1) * of_group - row;
    if (end > rows) end = rows;
    run_group(a, planes, l, chunk, group, dy, begin, end, gradient);
  }
}

void KERNEL(coppice_dense_dw)(const void* args, const coppice_run_state* rs, const coppice_item* item) {
  const coppice_dense_dw_args* a = (const coppice_dense_dw_args*)args;
  const dense_dw_planes planes = dense_dw_planes_of(a);
  const int32_t row = item->part_begin * kRows;
  const int32_t rows = a->shape.outputs - row < kRows ? a->shape.outputs - row : kRows;
  float* gradient = (float*)item->scratch;
  memset(gradient, 0, (size_t)coppice_dense_dw_columns(&a->shape) * kRows * sizeof(float));
  const int32_t line = a->shape.out_width * a->x.width, most = line < kSteps ? kSteps / line : 1;
  dense_dw_lines l;
  for (int32_t first = 0; (l = dense_dw_lines_from(a, rs, item, first, most)).lines > 0; first += l.lines)
    for (int32_t p = 0, pixels; p < l.pixels; p += pixels) {
      pixels = l.pixels - p < kSteps / l.samples ? l.pixels - p : kSteps / l.samples;
      const dense_dw_chunk chunk = {l.x + p * l.x_pixel, l.dy + p * l.dy_pixel, l.lines, pixels};
      run_chunk(a, &planes, &l, &chunk, row, rows, gradient);
    }
}

int64_t KERNEL(coppice_screen)(const float* numbers, int64_t count, float bar, uint32_t* places) {
  const vec bars = v_splat(bar);
  int64_t found = 0, i = 0;
  for (; i + LANES <= count; i += LANES)
    for (uint32_t left = v_reaching(v_load(numbers + i), bars); left != 0; left &= left - 1)
      places[found++] = (uint32_t)i + (uint32_t)__builtin_ctz(left);
  for (; i < count; ++i)
    if (!(__builtin_fabsf(numbers[i]) < bar)) places[found++] = (uint32_t)i;
  return found;
}
