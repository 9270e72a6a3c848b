/* SPDX-License-Identifier: Apache-2.0
 * Convolutions of one sample in plain C, weight by weight over whole planes. Twin of rt/simd/plane_conv_*.c;
 * for integers the definition. */
#include "planes.h"

/* One convolution's pixels: sums of `count` of them, at the pitch of x, lie in scratch. */
typedef struct conv_run {
  const coppice_plane_conv* conv;
  const coppice_run_state* rs;
  const coppice_item* item;
  int64_t pitch;
  int32_t count;
} conv_run;

static conv_run run_of(const coppice_plane_conv* conv, const coppice_run_state* rs,
                       const coppice_item* item) {
  const int64_t pitch = coppice_plane_pitch(&conv->x);
  const conv_run run = {conv, rs, item, pitch, (int32_t)((conv->y.height - 1) * pitch) + conv->y.width};
  return run;
}

static const char* group_of(const conv_run* run, int32_t row, int32_t size) {
  const coppice_plane_conv* conv = run->conv;
  return plane_channel(&conv->x, run->rs, run->item, row / conv->group_rows * conv->group_channels, size);
}

static void add_f32(float* sum, const float* x, float w, int32_t count) {
  for (int32_t p = 0; p < count; ++p) sum[p] += w * x[p];
}

static void add_i8(int32_t* sum, const int8_t* x, int32_t w, int32_t count) {
  for (int32_t p = 0; p < count; ++p) sum[p] += w * x[p];
}

/* The column of entry `at` of a row; before: that of the entry before it, 0 for the first. */
static int32_t column_of(const coppice_rows* f, uint32_t at, uint32_t start, int32_t before) {
  if (!f->delta) return (int32_t)(at - start);
  return before + f->delta[at];
}

static float weight_of(const coppice_rows* f, const float* scale, int32_t row, uint32_t at) {
  return scale ? (float)((const int8_t*)f->value)[at] * scale[row] : ((const float*)f->value)[at];
}

/* ---- linear layers */

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

/* ---- convolutions in floats */

static void store_f32(const conv_run* run, const coppice_plane_conv_f32_args* a, int32_t row) {
  const coppice_plane* plane = &run->conv->y;
  const float* sum = (const float*)run->item->scratch;
  char* channel = plane_channel(plane, run->rs, run->item, row, 4);
  float* y = (float*)(void*)plane_pixels(plane, run->rs, run->item, row, 4);
  const float* add = a->add ? (const float*)(void*)plane_pixels(a->add, run->rs, run->item, row, 4) : NULL;
  for (int32_t v = 0; v < plane->height; ++v) {
    for (int32_t u = 0; u < plane->width; ++u) {
      const float s = add ? sum[u] + add[u] : sum[u];
      y[u] = s < a->low ? a->low : s;
    }
    sum += run->pitch;
    y += coppice_plane_pitch(plane);
    if (add) add += coppice_plane_pitch(a->add);
  }
  plane_fill_halo(plane, channel, 4);
}

static float* start_f32(const conv_run* run, const coppice_plane_conv_f32_args* a, int32_t row) {
  float* sum = (float*)run->item->scratch;
  for (int32_t p = 0; p < run->count; ++p) sum[p] = a->bias ? a->bias[row] : 0.0f;
  return sum;
}

void PLANE(conv_rows_f32)(const void* args, const coppice_run_state* rs, const coppice_item* item) {
  const coppice_plane_conv_f32_args* a = (const coppice_plane_conv_f32_args*)args;
  const coppice_rows* f = (const coppice_rows*)a->weights;
  const conv_run run = run_of(&a->conv, rs, item);
  const plane_range range = plane_parts(item, f->part_rows, f->rows);
  for (int32_t row = range.begin; row < range.end; ++row) {
    const float* x = (const float*)(const void*)group_of(&run, row, 4);
    float* sum = start_f32(&run, a, row);
    int32_t column = 0;
    for (uint32_t k = f->start[row]; k < f->start[row + 1]; ++k) {
      column = column_of(f, k, f->start[row], column);
      add_f32(sum, x + a->conv.offset[column], weight_of(f, a->scale, row, k), run.count);
    }
    store_f32(&run, a, row);
  }
}

static void block_row_f32(const conv_run* run, const coppice_plane_conv_f32_args* a, int32_t row) {
  const coppice_apply_f32* f = (const coppice_apply_f32*)a->weights;
  const float* x = (const float*)(const void*)group_of(run, row, 4);
  const int32_t block_row = row / COPPICE_APPLY_ROWS;
  float* sum = start_f32(run, a, row);
  for (int32_t b = f->start[block_row]; b < f->start[block_row + 1]; ++b) {
    const int32_t column = f->column ? f->column[b] : b - f->start[block_row];
    for (int32_t c = 0; c < f->c; ++c) {
      const int64_t at = ((int64_t)b * f->c + c) * COPPICE_APPLY_ROWS + row % COPPICE_APPLY_ROWS;
      const float w = f->value ? f->value[at] : (float)f->value_i8[at] * f->scale[row];
      add_f32(sum, x + a->conv.offset[column * f->c + c], w, run->count);
    }
  }
}

void PLANE(conv_blocks_f32)(const void* args, const coppice_run_state* rs, const coppice_item* item) {
  const coppice_plane_conv_f32_args* a = (const coppice_plane_conv_f32_args*)args;
  const coppice_apply_f32* f = (const coppice_apply_f32*)a->weights;
  const conv_run run = run_of(&a->conv, rs, item);
  const plane_range range = plane_parts(item, f->part_block_rows * COPPICE_APPLY_ROWS, f->rows);
  for (int32_t row = range.begin; row < range.end; ++row) {
    block_row_f32(&run, a, row);
    store_f32(&run, a, row);
  }
}

/* ---- convolutions in integers */

static void store_i8(const conv_run* run, const coppice_plane_conv_i8_args* a, int32_t row) {
  const coppice_plane* plane = &run->conv->y;
  const int32_t size = a->multiplier ? 1 : 4;
  const int32_t* sum = (const int32_t*)run->item->scratch;
  char* y = plane_pixels(plane, run->rs, run->item, row, size);
  for (int32_t v = 0; v < plane->height; ++v) {
    for (int32_t u = 0; u < plane->width; ++u) {
      if (a->multiplier) {
        ((int8_t*)y)[u] =
            coppice_requantise(sum[u], a->multiplier[row], a->shift[row], a->zero_point, a->low, a->high);
      } else {
        const float scaled = (float)sum[u] * a->scale[row];
        ((float*)(void*)y)[u] = scaled < a->low_float ? a->low_float : scaled;
      }
    }
    sum += run->pitch;
    y += coppice_plane_pitch(plane) * size;
  }
  plane_fill_halo(plane, plane_channel(plane, run->rs, run->item, row, size), size);
}

static int32_t* start_i8(const conv_run* run, int32_t bias) {
  int32_t* sum = (int32_t*)run->item->scratch;
  for (int32_t p = 0; p < run->count; ++p) sum[p] = bias;
  return sum;
}

void PLANE(conv_rows_i8)(const void* args, const coppice_run_state* rs, const coppice_item* item) {
  const coppice_plane_conv_i8_args* a = (const coppice_plane_conv_i8_args*)args;
  const coppice_rows* f = (const coppice_rows*)a->weights;
  const conv_run run = run_of(&a->conv, rs, item);
  const plane_range range = plane_parts(item, f->part_rows, f->rows);
  for (int32_t row = range.begin; row < range.end; ++row) {
    const int8_t* x = (const int8_t*)group_of(&run, row, 1);
    int32_t *sum = start_i8(&run, a->bias[row]), column = 0;
    for (uint32_t k = f->start[row]; k < f->start[row + 1]; ++k) {
      column = column_of(f, k, f->start[row], column);
      add_i8(sum, x + a->conv.offset[column], ((const int8_t*)f->value)[k], run.count);
    }
    store_i8(&run, a, row);
  }
}

static void block_row_i8(const conv_run* run, const coppice_plane_conv_i8_args* a, int32_t row) {
  const coppice_apply_i8* f = (const coppice_apply_i8*)a->weights;
  const int8_t* x = (const int8_t*)group_of(run, row, 1);
  const int32_t block_row = row / COPPICE_APPLY_ROWS;
  int32_t* sum = start_i8(run, f->bias[row]);
  for (int32_t g = f->start[block_row]; g < f->start[block_row + 1]; ++g)
    for (int32_t c = 0; c < 4; ++c) {
      const int32_t column = f->c == 1 ? f->column[(int64_t)g * 4 + c]
                                       : (f->column ? f->column[g] : g - f->start[block_row]) * 4 + c;
      const int32_t w = f->value[((int64_t)g * COPPICE_APPLY_ROWS + row % COPPICE_APPLY_ROWS) * 4 + c];
      if (column < f->cols) add_i8(sum, x + a->conv.offset[column], w, run->count);
    }
}

void PLANE(conv_blocks_i8)(const void* args, const coppice_run_state* rs, const coppice_item* item) {
  const coppice_plane_conv_i8_args* a = (const coppice_plane_conv_i8_args*)args;
  const coppice_apply_i8* f = (const coppice_apply_i8*)a->weights;
  const conv_run run = run_of(&a->conv, rs, item);
  const plane_range range = plane_parts(item, f->part_block_rows * COPPICE_APPLY_ROWS, f->rows);
  for (int32_t row = range.begin; row < range.end; ++row) {
    block_row_i8(&run, a, row);
    store_i8(&run, a, row);
  }
}
