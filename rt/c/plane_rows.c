/* SPDX-License-Identifier: Apache-2.0
 * Linear layers of one sample with single weights. Compiled for every instruction set (planes.h). */
#include "plane_weights.h"

void PLANE(rows_f32)(const void* args, const coppice_run_state* rs, const coppice_item* item) {
  const coppice_rows_f32_args* a = (const coppice_rows_f32_args*)args;
  const coppice_rows* f = a->weights;
  const plane_range range = plane_parts(item, f->part_rows, f->rows);
  const float* x = (const float*)coppice_vector_of(&a->x, rs, item->tile_begin);
  float* y = (float*)coppice_vector_of(&a->y, rs, item->tile_begin);
  for (int32_t row = range.begin; row < range.end; ++row) {
    float sum = a->bias ? a->bias[row] : 0.0f;
    int32_t column = 0;
    for (uint32_t k = f->start[row]; k < f->start[row + 1]; ++k) {
      column = column_of(f, k, f->start[row], column);
      sum += weight_of(f, a->scale, row, k) * x[column];
    }
    y[row] = sum < a->low ? a->low : sum;
  }
}

void PLANE(rows_i8)(const void* args, const coppice_run_state* rs, const coppice_item* item) {
  const coppice_rows_i8_args* a = (const coppice_rows_i8_args*)args;
  const coppice_rows* f = a->weights;
  const plane_range range = plane_parts(item, f->part_rows, f->rows);
  const int8_t *x = (const int8_t*)coppice_vector_of(&a->x, rs, item->tile_begin),
               *w = (const int8_t*)f->value;
  void* y = coppice_vector_of(&a->y, rs, item->tile_begin);
  for (int32_t row = range.begin; row < range.end; ++row) {
    int32_t sum = a->bias[row], column = 0;
    for (uint32_t k = f->start[row]; k < f->start[row + 1]; ++k) {
      column = column_of(f, k, f->start[row], column);
      sum += w[k] * x[column];
    }
    if (a->multiplier) {
      ((int8_t*)y)[row] =
          coppice_requantise(sum, a->multiplier[row], a->shift[row], a->zero_point, a->low, a->high);
    } else {
      const float scaled = (float)sum * a->scale[row];
      ((float*)y)[row] = scaled < a->low_float ? a->low_float : scaled;
    }
  }
}
