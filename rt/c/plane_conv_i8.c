/* SPDX-License-Identifier: Apache-2.0
 * Convolutions of one sample in integers, weight by weight over whole planes: the definition. Twin of
 * rt/simd/plane_conv_i8.c. */
#include "plane_weights.h"

static void add_i8(int32_t* sum, const int8_t* x, int32_t w, int32_t count) {
  for (int32_t p = 0; p < count; ++p) sum[p] += w * x[p];
}

static void store_i8(const conv_run* run, const coppice_plane_conv_i8_args* a, int32_t row) {
  const coppice_plane* plane = &run->conv->y;
  const int32_t size = a->multiplier ? 1 : 4;
  const int32_t* sum = (const int32_t*)run->item->scratch;
  char* y = plane_row(plane, run->rs, run->item, row, run->band->top, size);
  for (int32_t v = run->band->top; v < run->band->bottom; ++v) {
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
  plane_fill_halo(plane, plane_channel(plane, run->rs, run->item, row, size), size, run->band);
}

static int32_t* start_i8(const conv_run* run, int32_t bias) {
  int32_t* sum = (int32_t*)run->item->scratch;
  for (int32_t p = 0; p < run->count; ++p) sum[p] = bias;
  return sum;
}

void PLANE(conv_rows_i8)(const void* args, const coppice_run_state* rs, const coppice_item* item) {
  const coppice_plane_conv_i8_args* a = (const coppice_plane_conv_i8_args*)args;
  const coppice_rows* f = (const coppice_rows*)a->weights;
  PLANE_BANDS(band, item, f->part_rows, f->rows, a->conv.part_height, a->conv.y.height) {
    const conv_run run = run_of(&a->conv, rs, item, &band);
    for (int32_t row = band.begin; row < band.end; ++row) {
      const int8_t* x = (const int8_t*)group_of(&run, row, 1);
      int32_t *sum = start_i8(&run, a->bias[row]), column = 0;
      for (uint32_t k = f->start[row]; k < f->start[row + 1]; ++k) {
        column = column_of(f, k, f->start[row], column);
        add_i8(sum, x + a->conv.offset[column], ((const int8_t*)f->value)[k], run.count);
      }
      store_i8(&run, a, row);
    }
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
      const int8_t w = f->value[((int64_t)g * COPPICE_APPLY_ROWS + row % COPPICE_APPLY_ROWS) * 4 + c];
      if (column < f->cols) add_i8(sum, x + a->conv.offset[column], w, run->count);
    }
}

void PLANE(conv_blocks_i8)(const void* args, const coppice_run_state* rs, const coppice_item* item) {
  const coppice_plane_conv_i8_args* a = (const coppice_plane_conv_i8_args*)args;
  const coppice_apply_i8* f = (const coppice_apply_i8*)a->weights;
  PLANE_BANDS(band, item, f->part_block_rows * COPPICE_APPLY_ROWS, f->rows, a->conv.part_height,
              a->conv.y.height) {
    const conv_run run = run_of(&a->conv, rs, item, &band);
    for (int32_t row = band.begin; row < band.end; ++row) {
      block_row_i8(&run, a, row);
      store_i8(&run, a, row);
    }
  }
}
