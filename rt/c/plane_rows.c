/* SPDX-License-Identifier: Apache-2.0
 * Linear layers of one sample with single weights. Compiled for every instruction set (planes.h). */
#include "planes.h"

enum { kLanes = 16, kSums = 4 };

/* Sums side by side, as each addition waits for the one before. `value` is of the row's first weight. */
static float dense_f32(const float* value, const float* x, int32_t count) {
  float lanes[kLanes] = {0}, sum = 0.0f;
  int32_t k = 0;
  for (; k + kLanes <= count; k += kLanes)
    for (int32_t l = 0; l < kLanes; ++l) lanes[l] += value[k + l] * x[k + l];
  for (int32_t l = 0; l < kLanes; ++l) sum += lanes[l];
  for (; k < count; ++k) sum += value[k] * x[k];
  return sum;
}

static float dense_weights_i8(const int8_t* value, const float* x, int32_t count) {
  float lanes[kLanes] = {0}, sum = 0.0f;
  int32_t k = 0;
  for (; k + kLanes <= count; k += kLanes)
    for (int32_t l = 0; l < kLanes; ++l) lanes[l] += (float)value[k + l] * x[k + l];
  for (int32_t l = 0; l < kLanes; ++l) sum += lanes[l];
  for (; k < count; ++k) sum += (float)value[k] * x[k];
  return sum;
}

static float single_f32(const float* value, const uint8_t* delta, const float* x, int32_t count) {
  float sums[kSums] = {0};
  int32_t k = 0;
  for (; k + kSums <= count; k += kSums)
    for (int32_t s = 0; s < kSums; ++s) sums[s] += value[k + s] * *(x += delta[k + s]);
  for (; k < count; ++k) sums[0] += value[k] * *(x += delta[k]);
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

static float single_weights_i8(const int8_t* value, const uint8_t* delta, const float* x, int32_t count) {
  float sums[kSums] = {0};
  int32_t k = 0;
  for (; k + kSums <= count; k += kSums)
    for (int32_t s = 0; s < kSums; ++s) sums[s] += (float)value[k + s] * *(x += delta[k + s]);
  for (; k < count; ++k) sums[0] += (float)value[k] * *(x += delta[k]);
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

static float row_f32(const coppice_rows_f32_args* a, int32_t row, const float* x) {
  const coppice_rows* f = a->weights;
  const uint32_t start = f->start[row];
  const int32_t count = (int32_t)(f->start[row + 1] - start);
  if (a->scale) {
    const int8_t* value = (const int8_t*)f->value + start;
    return a->scale[row] * (f->delta ? single_weights_i8(value, f->delta + start, x, count)
                                     : dense_weights_i8(value, x, count));
  }
  const float* value = (const float*)f->value + start;
  return f->delta ? single_f32(value, f->delta + start, x, count) : dense_f32(value, x, count);
}

PLANE_KERNEL(rows_f32) {
  const coppice_rows_f32_args* a = (const coppice_rows_f32_args*)args;
  const plane_range range = plane_parts(item, a->weights->part_rows, a->weights->rows);
  const float* x = (const float*)coppice_vector_of(&a->x, rs, item->tile_begin);
  float* y = (float*)coppice_vector_of(&a->y, rs, item->tile_begin);
  for (int32_t row = range.begin; row < range.end; ++row) {
    const float sum = row_f32(a, row, x) + (a->bias ? a->bias[row] : 0.0f);
    y[row] = sum < a->low ? a->low : sum;
  }
}

static int32_t row_i8(const coppice_rows* f, int32_t row, const int8_t* x) {
  const uint32_t start = f->start[row];
  const int32_t count = (int32_t)(f->start[row + 1] - start);
  const int8_t* value = (const int8_t*)f->value + start;
  int32_t sum = 0;
  if (f->delta) {
    const uint8_t* delta = f->delta + start;
    for (int32_t k = 0; k < count; ++k) sum += value[k] * *(x += delta[k]);
  } else {
    for (int32_t k = 0; k < count; ++k) sum += value[k] * x[k];
  }
  return sum;
}

PLANE_KERNEL(rows_i8) {
  const coppice_rows_i8_args* a = (const coppice_rows_i8_args*)args;
  const plane_range range = plane_parts(item, a->weights->part_rows, a->weights->rows);
  const int8_t* x = (const int8_t*)coppice_vector_of(&a->x, rs, item->tile_begin);
  void* y = coppice_vector_of(&a->y, rs, item->tile_begin);
  for (int32_t row = range.begin; row < range.end; ++row) {
    const int32_t sum = a->bias[row] + row_i8(a->weights, row, x);
    if (a->multiplier) {
      ((int8_t*)y)[row] =
          coppice_requantise(sum, a->multiplier[row], a->shift[row], a->zero_point, a->low, a->high);
    } else {
      const float scaled = (float)sum * a->scale[row];
      ((float*)y)[row] = scaled < a->low_float ? a->low_float : scaled;
    }
  }
}
