/* SPDX-License-Identifier: Apache-2.0
 * Convolutions of one sample in plain C, weight by weight over whole planes. Twin of
 * rt/simd/plane_conv_f32.c. */
#include "plane_weights.h"

static void add_f32(float* sum, const float* x, float w, int32_t count) {
  for (int32_t p = 0; p < count; ++p) sum[p] += w * x[p];
}

static void store_f32(const conv_run* run, const coppice_plane_conv_f32_args* a, int32_t row) {
  const coppice_plane* plane = &run->conv->y;
  const float* sum = (const float*)run->item->scratch;
  char* channel = plane_channel(plane, run->rs, run->item, row, 4);
  const int32_t top = run->band->top;
  float* y = (float*)(void*)plane_row(plane, run->rs, run->item, row, top, 4);
  const float* add = a->add ? (const float*)(void*)plane_row(a->add, run->rs, run->item, row, top, 4) : NULL;
  for (int32_t v = top; v < run->band->bottom; ++v) {
    for (int32_t u = 0; u < plane->width; ++u) {
      const float s = add ? sum[u] + add[u] : sum[u];
      y[u] = s < a->low ? a->low : s;
    }
    sum += run->pitch;
    y += coppice_plane_pitch(plane);
    if (add) add += coppice_plane_pitch(a->add);
  }
  plane_fill_halo(plane, channel, 4, run->band);
}

static float* start_f32(const conv_run* run, const coppice_plane_conv_f32_args* a, int32_t row) {
  float* sum = (float*)run->item->scratch;
  for (int32_t p = 0; p < run->count; ++p) sum[p] = a->bias ? a->bias[row] : 0.0f;
  return sum;
}

void PLANE(conv_rows_f32)(const void* args, const coppice_run_state* rs, const coppice_item* item) {
  const coppice_plane_conv_f32_args* a = (const coppice_plane_conv_f32_args*)args;
  const coppice_rows* f = (const coppice_rows*)a->weights;
  PLANE_BANDS(band, item, f->part_rows, f->rows, a->conv.part_height, a->conv.y.height) {
    const conv_run run = run_of(&a->conv, rs, item, &band);
    for (int32_t row = band.begin; row < band.end; ++row) {
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
      const float w = f->value_i8 ? (float)f->value_i8[at] * f->scale[row] : f->value[at];
      add_f32(sum, x + a->conv.offset[column * f->c + c], w, run->count);
    }
  }
}

void PLANE(conv_blocks_f32)(const void* args, const coppice_run_state* rs, const coppice_item* item) {
  const coppice_plane_conv_f32_args* a = (const coppice_plane_conv_f32_args*)args;
  const coppice_apply_f32* f = (const coppice_apply_f32*)a->weights;
  PLANE_BANDS(band, item, f->part_block_rows * COPPICE_APPLY_ROWS, f->rows, a->conv.part_height,
              a->conv.y.height) {
    const conv_run run = run_of(&a->conv, rs, item, &band);
    for (int32_t row = band.begin; row < band.end; ++row) {
      block_row_f32(&run, a, row);
      store_f32(&run, a, row);
    }
  }
}
