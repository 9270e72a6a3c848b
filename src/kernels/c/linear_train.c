/* SPDX-License-Identifier: Apache-2.0
 * Backward of linear layers in plain C: any width S, any r. Twins of src/kernels/simd. */
#include "kernels/c/plain.h"

static void blocks_dx_tile(const coppice_blocks* f, int32_t block, const float* dy, float* dx, int32_t width,
                           int32_t columns) {
  for (int32_t block_row = 0; block_row < f->block_rows; ++block_row) {
    const int32_t panel = block_row / f->part_block_rows;
    const int32_t* start = coppice_block_starts(f, panel, block) + block_row % f->part_block_rows;
    for (int32_t k = start[0]; k < start[1]; ++k) {
      const int64_t col = (int64_t)block * f->block_cols + (f->column ? f->column[k] : k - start[0]);
      for (int32_t r = 0; r < f->r && block_row * f->r + r < f->rows; ++r) {
        const float w = f->value[(int64_t)k * f->r + r];
        const float* from = dy + ((int64_t)block_row * f->r + r) * width;
        for (int32_t s = 0; s < columns; ++s) dx[col * width + s] += w * from[s];
      }
    }
  }
}

void coppice_linear_blocks_dx_c(const void* args, const coppice_run_state* rs, const coppice_item* item) {
  const coppice_linear_dx_args* a = (const coppice_linear_dx_args*)args;
  const coppice_blocks* f = a->weights;
  const int32_t width = a->dx.width;
  for (int32_t block = item->part_begin; block < item->part_end; ++block)
    for (int32_t tile = item->tile_begin; tile < item->tile_end; ++tile) {
      const int32_t columns = coppice_columns(rs, width, tile);
      const int64_t first = (int64_t)block * f->block_cols;
      const int64_t end = first + f->block_cols < f->cols ? first + f->block_cols : f->cols;
      float* dx = coppice_tile(&a->dx, rs, tile);
      for (int64_t col = first; col < end; ++col)
        for (int32_t s = 0; s < columns; ++s) dx[col * width + s] = 0;
      blocks_dx_tile(f, block, coppice_tile(&a->dy, rs, tile), dx, width, columns);
      if (!a->mask.width) continue;
      const float* mask = coppice_tile(&a->mask, rs, tile);
      for (int64_t col = first; col < end; ++col)
        for (int32_t s = 0; s < columns; ++s)
          if (!(mask[col * width + s] > 0)) dx[col * width + s] = 0;
    }
}

void coppice_interleave_c(const void* args, const coppice_run_state* rs, const coppice_item* item) {
  const coppice_interleave_args* a = (const coppice_interleave_args*)args;
  const int32_t width = a->dy.width, lanes = 16 / a->r;
  for (int32_t tile = item->tile_begin; tile < item->tile_end; ++tile) {
    const int32_t columns = coppice_columns(rs, width, tile);
    const float* dy = coppice_tile(&a->dy, rs, tile);
    float* out = coppice_tile(&a->out, rs, tile);
    for (int32_t row = 0; row < (a->rows + a->r - 1) / a->r * a->r; ++row)
      for (int32_t s = 0; s < columns; ++s) {
        float* group = out + (int64_t)(row / a->r) * width * a->r + (int64_t)(s / lanes) * 16;
        group[row % a->r * lanes + s % lanes] = row < a->rows ? dy[(int64_t)row * width + s] : 0;
      }
  }
}

/* The gradient of a part starts at its first weight, be it stored or in scratch. */
static float* part_gradient(const coppice_linear_dw_args* a, const coppice_item* item, int64_t first) {
  return a->gradient ? a->gradient + first : (float*)item->scratch;
}

static void add_or_set(float* gradient, float sum, int add) { *gradient = add ? *gradient + sum : sum; }

static void segments_dw_part(const coppice_linear_dw_args* a, int32_t part, int32_t tile, float* gradient,
                             int add, const coppice_run_state* rs) {
  const coppice_segments* f = (const coppice_segments*)a->weights;
  const int32_t width = a->x.width, columns = coppice_columns(rs, width, tile);
  const float* x = coppice_tile(&a->x, rs, tile) + (int64_t)(part % f->blocks) * f->block_cols * width;
  const float* dy = coppice_tile(&a->dy, rs, tile) + (int64_t)(part / f->blocks) * f->panel_rows * width;
  const uint16_t* column = f->column + f->weight_start[part];
  for (int32_t s = f->segment_start[part]; s < f->segment_start[part + 1]; ++s) {
    const float* dy_row = dy + (int64_t)f->segments[s].row * width;
    for (int32_t i = 0; i < f->segments[s].count; ++i, ++column, ++gradient) {
      float sum = 0;
      for (int32_t n = 0; n < columns; ++n) sum += x[(int64_t)*column * width + n] * dy_row[n];
      add_or_set(gradient, sum, add);
    }
  }
}

void coppice_linear_segments_dw_c(const void* args, const coppice_run_state* rs, const coppice_item* item) {
  const coppice_linear_dw_args* a = (const coppice_linear_dw_args*)args;
  const coppice_segments* f = (const coppice_segments*)a->weights;
  for (int32_t part = item->part_begin; part < item->part_end; ++part) {
    float* gradient = part_gradient(a, item, f->weight_start[part]);
    for (int32_t tile = item->tile_begin; tile < item->tile_end; ++tile)
      segments_dw_part(a, part, tile, gradient, (a->gradient && rs->accumulate) || tile > item->tile_begin,
                       rs);
  }
}

/* Sum over samples of x[col] * dy[row], dy being interleaved. */
static float interleaved_dot(const float* x, const float* dy, int32_t r, int32_t row, int32_t columns) {
  const int32_t lanes = 16 / r;
  float sum = 0;
  for (int32_t s = 0; s < columns; ++s) sum += x[s] * dy[s / lanes * 16 + row * lanes + s % lanes];
  return sum;
}

void coppice_linear_blocks_dw_c(const void* args, const coppice_run_state* rs, const coppice_item* item) {
  const coppice_linear_dw_args* a = (const coppice_linear_dw_args*)args;
  const coppice_blocks* f = (const coppice_blocks*)a->weights;
  const int32_t width = a->x.width;
  for (int32_t part = item->part_begin; part < item->part_end; ++part) {
    const int32_t panel = part / f->blocks, block = part % f->blocks;
    const int32_t* start = coppice_block_starts(f, panel, block);
    float* gradient = part_gradient(a, item, (int64_t)start[0] * f->r);
    for (int32_t tile = item->tile_begin; tile < item->tile_end; ++tile) {
      const int add = (a->gradient && rs->accumulate) || tile > item->tile_begin;
      const int32_t columns = coppice_columns(rs, width, tile);
      const float* x = coppice_tile(&a->x, rs, tile) + (int64_t)block * f->block_cols * width;
      float* g = gradient;
      for (int32_t row = 0; row < coppice_panel_block_rows(f, panel); ++row) {
        const float* dy =
            coppice_tile(&a->dy, rs, tile) + ((int64_t)panel * f->part_block_rows + row) * width * f->r;
        for (int32_t k = start[row]; k < start[row + 1]; ++k)
          for (int32_t r = 0; r < f->r; ++r, ++g) {
            const int64_t col = f->column ? f->column[k] : k - start[row];
            add_or_set(g, interleaved_dot(x + col * width, dy, f->r, r, columns), add);
          }
      }
    }
  }
}
