/* SPDX-License-Identifier: Apache-2.0
 * Gradient of the weights of a convolution in blocks: the sums of several outputs and three columns stay in
 * registers over a run of pixels, so that each loaded vector of dY feeds three FMAs and each one of x as many
 * as there are outputs. The lanes of a sum are added up once all pixels have passed. */
#include "conv_tiles.h"
#include "train_simd.h"

#if LANES == 8
enum { kOutputs = 4 };
#define FOR_EACH_RUN(def) def(1, 1) def(1, 2) def(1, 3) def(4, 1) def(4, 2) def(4, 3)
#define RUN_TABLE(name)                                                          \
  {                                                                              \
    {name##_1x1, name##_1x2, name##_1x3}, { name##_4x1, name##_4x2, name##_4x3 } \
  }
#else
enum { kOutputs = 8 };
#define FOR_EACH_RUN(def) \
  def(1, 1) def(1, 2) def(1, 3) def(4, 1) def(4, 2) def(4, 3) def(8, 1) def(8, 2) def(8, 3)
#define RUN_TABLE(name)                                                           \
  {                                                                               \
    {name##_1x1, name##_1x2, name##_1x3}, {name##_4x1, name##_4x2, name##_4x3}, { \
      name##_8x1, name##_8x2, name##_8x3                                          \
    }                                                                             \
  }
#endif
enum { kColumns = 3, kLaneFloats = LANES };

/* Some columns and outputs of one block row, some rows of pixels. */
typedef struct dw_step {
  const float *x, *dy; /* at the first pixel; dy at the first output */
  const int32_t* offset;
  float* lanes; /* [column][r][LANES], at the first output */
  int64_t x_row, x_column, dy_row, dy_plane, lanes_column;
  int32_t height, width, first;
} dw_step;

typedef void (*dw_run)(const dw_step* step);

INLINE void run_step(const dw_step* s, int outputs, int columns, int64_t x_column) {
  const int64_t plane = s->dy_plane, lanes_column = s->lanes_column;
  float* const lanes = s->lanes;
  vec sum[24];
  UNROLL for (int c = 0; c < columns; ++c) UNROLL for (int i = 0; i < outputs; ++i) sum[c * outputs + i] =
      s->first ? v_zero() : v_load(lanes + c * lanes_column + i * LANES);
  for (int32_t y = 0; y < s->height; ++y) {
    const float* dy = s->dy + y * s->dy_row;
    const float* x[3];
    UNROLL for (int c = 0; c < columns; ++c) x[c] = s->x + s->offset[c] + y * s->x_row;
    for (const float* const end = dy + (int64_t)s->width * kSamples; dy < end; dy += kSamples) {
      UNROLL for (int j = 0; j < kPixelVectors; ++j) {
        vec in[3];
        UNROLL for (int c = 0; c < columns; ++c) in[c] = v_load(x[c] + j * LANES);
        UNROLL for (int i = 0; i < outputs; ++i) {
          vec d = v_load(dy + i * plane + j * LANES);
          KEEP_VECTOR(d);
          UNROLL for (int c = 0; c < columns; ++c) sum[c * outputs + i] += in[c] * d;
        }
      }
      UNROLL for (int c = 0; c < columns; ++c) x[c] += x_column;
    }
  }
  UNROLL for (int c = 0; c < columns; ++c) UNROLL for (int i = 0; i < outputs; ++i)
      v_store(lanes + c * lanes_column + i * LANES, sum[c * outputs + i]);
}

#define DEFINE_RUN(outputs, columns)                                                                      \
  NOINLINE void near_##outputs##x##columns(const dw_step* s) { run_step(s, outputs, columns, kSamples); } \
  NOINLINE void strided_##outputs##x##columns(const dw_step* s) {                                         \
    run_step(s, outputs, columns, s->x_column);                                                           \
  }
FOR_EACH_RUN(DEFINE_RUN)

typedef dw_run dw_runs[kOutputs == 8 ? 3 : 2][kColumns];

/* `count` columns of a block row, some rows of pixels. */
static void run_columns(const dw_runs* runs, const dw_step* at, int32_t outputs, int32_t count) {
  dw_step step = *at;
  for (int32_t done = 0, height; done < outputs; done += height) {
    const int32_t left = outputs - done;
    height = left >= 8 && kOutputs == 8 ? 8 : left >= 4 ? 4 : 1;
    step.dy = at->dy + done * step.dy_plane;
    step.lanes = at->lanes + done * kLaneFloats;
    step.offset = at->offset;
    for (int32_t k = 0, columns; k < count; k += columns) {
      columns = count - k == 4 || count - k == 2 ? 2 : count - k == 1 ? 1 : kColumns;
      (*runs)[height == 8 ? 2 : height == 4][columns - 1](&step);
      step.offset += columns;
      step.lanes += columns * step.lanes_column;
    }
  }
}

/* Adds up lanes of `weights` weights, a multiple of 4. */
static void reduce_lanes(const float* lanes, int32_t weights, float* gradient, int add) {
  for (; weights > 0; weights -= 4, lanes += 4 * kLaneFloats, gradient += 4) {
    const vec4 sums =
        v_sums(v_load(lanes), v_load(lanes + LANES), v_load(lanes + 2 * LANES), v_load(lanes + 3 * LANES));
    v_store4(gradient, add ? v_load4(gradient) + sums : sums);
  }
}

/* Columns [begin, end) of a block row through all pixels of tiles whose gradients are one sum. `gradient` is
 * that of column `begin`. */
static void dw_columns(const coppice_conv_blocks_dw_args* a, const coppice_run_state* rs, int32_t row,
                       int32_t begin, int32_t end, int32_t tile_begin, int32_t tile_end, float* lanes,
                       float* gradient, int add) {
  static const dw_runs near = RUN_TABLE(near), strided = RUN_TABLE(strided);
  const coppice_conv_blocks* f = a->weights;
  const dw_runs* runs = f->stride == 1 ? &near : &strided;
  const int32_t outputs = coppice_conv_block_outputs(f, row);
  dw_step step = {
      .offset = f->offset + begin,
      .lanes = lanes,
      .x_row = (int64_t)f->x_row_step * kSamples,
      .x_column = (int64_t)f->stride * kSamples,
      .dy_row = (int64_t)f->dy_row_step * kSamples,
      .dy_plane = (int64_t)f->dy_plane * kSamples,
      .lanes_column = (int64_t)f->r * kLaneFloats,
      .width = f->y_width,
      .first = 1,
  };
  if (outputs < f->r) memset(lanes, 0, (size_t)((end - begin) * step.lanes_column) * sizeof(float));
  for (int32_t tile = tile_begin; tile < tile_end; ++tile) {
    if (coppice_valid(rs, kSamples, tile) == 0) continue;
    const float* x = coppice_tile(&a->x, rs, tile);
    const float* dy = coppice_tile(&a->dy, rs, tile) + (int64_t)row * f->r * step.dy_plane +
                      a->dy.halo * step.dy_row + (int64_t)a->dy.halo * kSamples;
    for (int32_t y = 0; y < f->y_height; y += f->dw_rows, step.first = 0) {
      step.height = f->y_height - y < f->dw_rows ? f->y_height - y : f->dw_rows;
      step.x = x + y * step.x_row;
      step.dy = dy + y * step.dy_row;
      run_columns(runs, &step, outputs, end - begin);
    }
  }
  reduce_lanes(lanes, (end - begin) * f->r, gradient, add);
}

/* One panel; `gradient` is that of its first weight. */
static void dw_panel(const coppice_conv_blocks_dw_args* a, const coppice_run_state* rs, int32_t panel,
                     int32_t tile_begin, int32_t tile_end, float* lanes, float* gradient, int add) {
  const coppice_conv_blocks* f = a->weights;
  const int32_t most = COPPICE_CONV_BLOCKS_TOGETHER / f->r;
  for (int32_t i = 0; i < f->part_block_rows; ++i) {
    const int32_t row = panel * f->part_block_rows + i;
    if (row == f->block_rows) return;
    const int32_t end = *coppice_conv_tap_starts(f, row + 1, 0);
    for (int32_t k = *coppice_conv_tap_starts(f, row, 0), next; k < end; k = next) {
      next = k + most < end ? k + most : end;
      dw_columns(a, rs, row, k, next, tile_begin, tile_end, lanes, gradient, add);
      gradient += (next - k) * f->r;
    }
  }
}

void KERNEL(coppice_conv_blocks_dw)(const void* args, const coppice_run_state* rs, const coppice_item* item) {
  const coppice_conv_blocks_dw_args* a = (const coppice_conv_blocks_dw_args*)args;
  for (int32_t part = item->part_begin; part < item->part_end; ++part) {
    const int32_t begin = coppice_conv_panel_start(a->weights, part),
                  weights = coppice_conv_panel_start(a->weights, part + 1) - begin;
    float* scratch = (float*)item->scratch;
    float* lanes = a->gradient || a->tile_gradients.width ? scratch : scratch + (weights + 15) / 16 * 16;
    if (!a->tile_gradients.width) {
      dw_panel(a, rs, part, item->tile_begin, item->tile_end, lanes,
               a->gradient ? a->gradient + begin : scratch, a->gradient && rs->accumulate);
      continue;
    }
    for (int32_t tile = item->tile_begin; tile < item->tile_end; ++tile)
      if (coppice_valid(rs, kSamples, tile) > 0)
        dw_panel(a, rs, part, tile, tile + 1, lanes, coppice_tile(&a->tile_gradients, rs, tile) + begin, 0);
  }
}
