/* SPDX-License-Identifier: Apache-2.0
 * Linear layers of one sample in plain C. Twin of rt/simd/apply.c; for integers the definition. */
#include "plain_kernels.h"

static int32_t least(int32_t a, int32_t b) { return a < b ? a : b; }

/* sum[16] += the block row, without the scale of integers. */
static void add_f32(const coppice_apply_f32* f, int32_t block_row, const float* x, float* sum) {
  for (int32_t b = f->start[block_row]; b < f->start[block_row + 1]; ++b) {
    const int32_t column = f->column ? f->column[b] : b - f->start[block_row];
    for (int32_t c = 0; c < f->c; ++c) {
      const int64_t at = ((int64_t)b * f->c + c) * COPPICE_APPLY_ROWS;
      for (int32_t r = 0; r < COPPICE_APPLY_ROWS; ++r)
        sum[r] += (f->value_i8 ? (float)f->value_i8[at + r] : f->value[at + r]) * x[column * f->c + c];
    }
  }
}

void coppice_apply_f32_c(const void* args, const coppice_run_state* rs, const coppice_item* item) {
  const coppice_apply_f32_args* a = (const coppice_apply_f32_args*)args;
  const coppice_apply_f32* f = a->weights;
  const int32_t end = least(item->part_end * f->part_block_rows, f->block_rows);
  for (int32_t sample = item->tile_begin; sample < item->tile_end; ++sample) {
    const float* x = (const float*)coppice_vector_of(&a->x, rs, sample);
    float* y = (float*)coppice_vector_of(&a->y, rs, sample);
    for (int32_t block_row = item->part_begin * f->part_block_rows; block_row < end; ++block_row) {
      const int32_t row = block_row * COPPICE_APPLY_ROWS;
      float sum[COPPICE_APPLY_ROWS] = {0};
      add_f32(f, block_row, x, sum);
      for (int32_t r = 0; r < COPPICE_APPLY_ROWS && row + r < f->rows; ++r) {
        const float scaled = f->value_i8 ? sum[r] * f->scale[row + r] : sum[r];
        const float s = scaled + (a->bias ? a->bias[row + r] : 0.0f);
        y[row + r] = s < a->low ? a->low : s;
      }
    }
  }
}

static void add_i8(const coppice_apply_i8* f, int32_t block_row, const int8_t* x, int32_t* sum) {
  for (int32_t g = f->start[block_row]; g < f->start[block_row + 1]; ++g)
    for (int32_t c = 0; c < 4; ++c) {
      const int32_t column = f->c == 1 ? f->column[(int64_t)g * 4 + c]
                                       : (f->column ? f->column[g] : g - f->start[block_row]) * 4 + c;
      for (int32_t r = 0; r < COPPICE_APPLY_ROWS; ++r)
        sum[r] += f->value[((int64_t)g * COPPICE_APPLY_ROWS + r) * 4 + c] * x[column];
    }
}

void coppice_apply_i8_c(const void* args, const coppice_run_state* rs, const coppice_item* item) {
  const coppice_apply_i8_args* a = (const coppice_apply_i8_args*)args;
  const coppice_apply_i8* f = a->weights;
  const int32_t end = least(item->part_end * f->part_block_rows, f->block_rows);
  for (int32_t sample = item->tile_begin; sample < item->tile_end; ++sample) {
    const int8_t* x = (const int8_t*)coppice_vector_of(&a->x, rs, sample);
    char* y = (char*)coppice_vector_of(&a->y, rs, sample);
    for (int32_t block_row = item->part_begin * f->part_block_rows; block_row < end; ++block_row) {
      const int32_t row = block_row * COPPICE_APPLY_ROWS;
      int32_t sum[COPPICE_APPLY_ROWS];
      for (int32_t r = 0; r < COPPICE_APPLY_ROWS; ++r) sum[r] = f->bias[row + r];
      add_i8(f, block_row, x, sum);
      for (int32_t r = 0; r < COPPICE_APPLY_ROWS && row + r < f->rows; ++r) {
        if (a->multiplier) {
          ((int8_t*)y)[row + r] = coppice_requantise(sum[r], a->multiplier[row + r], a->shift[row + r],
                                                     a->zero_point, a->low, a->high);
        } else {
          const float scaled = (float)sum[r] * a->scale[row + r];
          ((float*)y)[row + r] = scaled < a->low_float ? a->low_float : scaled;
        }
      }
    }
  }
}
