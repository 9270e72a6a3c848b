/* SPDX-License-Identifier: Apache-2.0
 * The whole gradient of some rows of a weight in plain C. Twin of src/kernels/simd/dense_dw.c. */
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
  const coppice_dense_dw_args* a = (const coppice_dense_dw_args*)args;
  const coppice_conv_shape* c = &a->shape;
  const dense_dw_planes planes = dense_dw_planes_of(a);
  const int64_t columns = coppice_dense_dw_columns(c);
  float* gradient = (float*)item->scratch;
  const int32_t begin = item->part_begin * a->part_rows;
  const int32_t end = begin + a->part_rows < c->outputs ? begin + a->part_rows : c->outputs;
  memset(gradient, 0, (size_t)((end - begin) * columns) * sizeof(float));
  dense_dw_lines l;
  for (int32_t first = 0; (l = dense_dw_lines_from(a, rs, item, first, 1)).lines > 0; first += l.lines)
    for (int32_t row = begin; row < end; ++row)
      for (int32_t k = 0; k < columns; ++k)
        gradient[(row - begin) * columns + k] +=
            dot(&l, l.x + dense_dw_offset(c, &planes, row / (c->outputs / c->groups), k),
                l.dy + row * planes.dy_output);
}
