/* SPDX-License-Identifier: Apache-2.0
 * The whole gradient of some rows of a weight, and what of it is large, in plain C. Twin of
 * src/kernels/simd/dense_dw.c. */
#include <math.h>
#include <string.h>

#include "kernels/c/plain.h"
#include "kernels/dense_dw_lines.h"

static float dot(const dense_dw_lines* l, const float* x, const float* dy) {
  float sum = 0;
  for (int32_t line = 0; line < l->lines; ++line)
    for (int32_t p = 0; p < l->pixels; ++p)
      for (int32_t s = 0; s < l->samples; ++s)
        sum += x[line * l->x_line + p * l->x_pixel + s] * dy[line * l->dy_line + p * l->dy_pixel + s];
  return sum;
}

void coppice_dense_dw_c(const void* args, const coppice_run_state* rs, const coppice_item* item) {
  enum { kRows = COPPICE_DENSE_DW_ROWS };
  const coppice_dense_dw_args* a = (const coppice_dense_dw_args*)args;
  const coppice_conv_shape* c = &a->shape;
  const dense_dw_planes planes = dense_dw_planes_of(a);
  const int64_t columns = coppice_dense_dw_columns(c);
  float* gradient = (float*)item->scratch;
  const int32_t begin = item->part_begin * kRows;
  const int32_t rows = c->outputs - begin < kRows ? c->outputs - begin : kRows;
  memset(gradient, 0, (size_t)columns * kRows * sizeof(float));
  dense_dw_lines l;
  for (int32_t first = 0; (l = dense_dw_lines_from(a, rs, item, first, 1)).lines > 0; first += l.lines)
    for (int32_t r = 0; r < rows; ++r) {
      dense_dw_column at = dense_dw_first_column(c, &planes, (begin + r) / (c->outputs / c->groups));
      for (int32_t k = 0; k < columns; ++k, dense_dw_next_column(c, &planes, &at))
        gradient[k * kRows + r] += dot(&l, l.x + at.offset, l.dy + (begin + r) * planes.dy_output);
    }
}

int64_t coppice_screen_c(const float* numbers, int64_t count, float bar, uint32_t* places) {
  int64_t found = 0;
  for (int64_t i = 0; i < count; ++i)
    if (!(fabsf(numbers[i]) < bar)) places[found++] = (uint32_t)i;
  return found;
}
