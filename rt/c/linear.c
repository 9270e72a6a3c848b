/* SPDX-License-Identifier: Apache-2.0
 * Linear layers in plain C: any width S, any r. The twins that every fast kernel is tested against. */
#include "plain_kernels.h"
#include "planes.h"

static void start_rows(const coppice_linear_args* a, float* y, int32_t first, int32_t end, int32_t columns) {
  for (int32_t row = first; row < end; ++row)
    for (int32_t s = 0; s < columns; ++s) y[(int64_t)row * a->y.width + s] = a->bias ? a->bias[row] : 0.0f;
}

static void end_rows(const coppice_linear_args* a, float* y, const float* mask, int32_t first, int32_t end,
                     int32_t columns) {
  for (int32_t row = first; row < end; ++row)
    for (int32_t s = 0; s < columns; ++s) {
      float* out = y + (int64_t)row * a->y.width + s;
      if (mask && !(mask[(int64_t)row * a->y.width + s] > 0)) *out = 0;
      if (a->activation == COPPICE_ACT_RELU && *out < 0) *out = 0;
    }
}

static void add_scaled(float* y, float w, const float* x, int32_t columns) {
  for (int32_t s = 0; s < columns; ++s) y[s] += w * x[s];
}

static const float* mask_of(const coppice_tiled* mask, const coppice_run_state* rs, int32_t tile) {
  return mask->width ? coppice_tile(mask, rs, tile) : NULL;
}

static void segments_panel(const coppice_segments* f, int32_t panel, const float* x, float* y, int32_t width,
                           int32_t columns) {
  for (int32_t block = 0; block < f->blocks; ++block) {
    const int32_t part = panel * f->blocks + block;
    int32_t k = f->weight_start[part];
    for (int32_t s = f->segment_start[part]; s < f->segment_start[part + 1]; ++s) {
      const int64_t row = (int64_t)panel * f->panel_rows + f->segments[s].row;
      for (const int32_t end = k + f->segments[s].count; k < end; ++k) {
        const int64_t col = (int64_t)block * f->block_cols + f->column[k];
        add_scaled(y + row * width, f->value[k], x + col * width, columns);
      }
    }
  }
}

static void linear_segments(const void* args, const coppice_run_state* rs, const coppice_item* item) {
  const coppice_linear_args* a = (const coppice_linear_args*)args;
  const coppice_segments* f = (const coppice_segments*)a->weights;
  for (int32_t panel = item->part_begin; panel < item->part_end; ++panel) {
    const int32_t first = panel * f->panel_rows;
    const int32_t end = first + f->panel_rows < f->rows ? first + f->panel_rows : f->rows;
    for (int32_t tile = item->tile_begin; tile < item->tile_end; ++tile) {
      const int32_t columns = coppice_columns(rs, a->y.width, tile);
      float* y = coppice_tile(&a->y, rs, tile);
      start_rows(a, y, first, end, columns);
      segments_panel(f, panel, coppice_tile(&a->x, rs, tile), y, a->y.width, columns);
      end_rows(a, y, mask_of(&a->mask, rs, tile), first, end, columns);
    }
  }
}

static void blocks_panel(const coppice_blocks* f, int32_t panel, const float* x, float* y, int32_t width,
                         int32_t columns) {
  for (int32_t block = 0; block < f->blocks; ++block) {
    const int32_t* start = coppice_block_starts(f, panel, block);
    for (int32_t i = 0; i < coppice_panel_block_rows(f, panel); ++i)
      for (int32_t k = start[i]; k < start[i + 1]; ++k) {
        const int64_t col = (int64_t)block * f->block_cols + (f->column ? f->column[k] : k - start[i]);
        const int32_t first = (panel * f->part_block_rows + i) * f->r;
        for (int32_t r = 0; r < f->r && first + r < f->rows; ++r)
          add_scaled(y + (int64_t)(first + r) * width, f->value[(int64_t)k * f->r + r], x + col * width,
                     columns);
      }
  }
}

static void linear_blocks(const void* args, const coppice_run_state* rs, const coppice_item* item) {
  const coppice_linear_args* a = (const coppice_linear_args*)args;
  const coppice_blocks* f = (const coppice_blocks*)a->weights;
  for (int32_t panel = item->part_begin; panel < item->part_end; ++panel) {
    const int32_t first = panel * f->part_block_rows * f->r;
    const int32_t end =
        first + f->part_block_rows * f->r < f->rows ? first + f->part_block_rows * f->r : f->rows;
    for (int32_t tile = item->tile_begin; tile < item->tile_end; ++tile) {
      const int32_t columns = coppice_columns(rs, a->y.width, tile);
      float* y = coppice_tile(&a->y, rs, tile);
      start_rows(a, y, first, end, columns);
      blocks_panel(f, panel, coppice_tile(&a->x, rs, tile), y, a->y.width, columns);
      end_rows(a, y, mask_of(&a->mask, rs, tile), first, end, columns);
    }
  }
}

/* Eight chains hide the latency of an addition; the result leaves through a volatile, so that none is
 * dropped. */
static int64_t fma_loop(int32_t rounds) {
  enum { kChains = 8 };
  float sum[kChains] = {0, 1, 2, 3, 4, 5, 6, 7};
  for (int32_t i = 0; i < rounds; ++i)
    for (int c = 0; c < kChains; ++c) sum[c] = sum[c] * 0.5f + 1.0f;
  volatile float sink = 0;
  for (int c = 0; c < kChains; ++c) sink = sink + sum[c];
  return (int64_t)rounds * kChains * 2;
}

static float read_loop(const float* data, int32_t count) {
  float sum[8] = {0};
  for (int32_t i = 0; i < count; i += 8)
    for (int c = 0; c < 8; ++c) sum[c] += data[i + c];
  float total = 0;
  for (int c = 0; c < 8; ++c) total += sum[c];
  return total;
}

const coppice_kernel_table coppice_kernels_c = {
    .isa = "c",
    .linear_segments = linear_segments,
    .linear_blocks = linear_blocks,
    .conv = coppice_conv_c,
    .conv_blocks = coppice_conv_blocks_c,
    .apply_f32 = coppice_apply_f32_c,
    .apply_i8 = coppice_apply_i8_c,
    .planes = PLANE_TABLE(PLANE(conv_rows_i8), PLANE(conv_blocks_i8), 0, 0, 0, 0),
    .fma_loop = fma_loop,
    .read_loop = read_loop,
};
