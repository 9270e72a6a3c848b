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
  int64_t offset[kColumns];
  float* lanes; /* of the first column and output: [r][LANES], columns lanes_column apart */
  int64_t x_row, x_column, dy_row, dy_plane, lanes_column, lanes_line;
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

/* Columns of one block row: `lines` times `members`, of which neighbouring members are taken together.
 * Sparse: one line of all columns; full: a line for each channel, its members the taps, which read the same
 * rows of x. */
typedef struct dw_columns {
  int32_t first, lines, members, member_step; /* of places */
} dw_columns;

/* Some rows of pixels. */
static void run_columns(const dw_runs* runs, const int32_t* offset, const dw_columns* set, const dw_step* at,
                        int32_t outputs) {
  dw_step step = *at;
  for (int32_t done = 0, height; done < outputs; done += height) {
    const int32_t left = outputs - done;
    height = left >= 8 && kOutputs == 8 ? 8 : left >= 4 ? 4 : 1;
    step.dy = at->dy + done * step.dy_plane;
    for (int32_t line = 0; line < set->lines; ++line)
      for (int32_t m = 0, columns; m < set->members; m += columns) {
        const int32_t rest = set->members - m;
        columns = rest == 4 || rest == 2 ? 2 : rest == 1 ? 1 : kColumns;
        for (int32_t c = 0; c < columns; ++c)
          step.offset[c] = offset[set->first + line + (m + c) * set->member_step];
        step.lanes = at->lanes + line * at->lanes_line + m * at->lanes_column + done * kLaneFloats;
        (*runs)[height == 8 ? 2 : height == 4][columns - 1](&step);
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

/* Some columns through all pixels of tiles whose gradients are one sum. `gradient` is that of the first one.
 */
static void run_tiles(const coppice_conv_blocks_dw_args* a, const coppice_run_state* rs, int32_t row,
                      const dw_columns* set, int32_t tile_begin, int32_t tile_end, float* lanes,
                      float* gradient, int add) {
  static const dw_runs near = RUN_TABLE(near), strided = RUN_TABLE(strided);
  const coppice_conv_blocks* f = a->weights;
  const dw_runs* runs = f->stride == 1 ? &near : &strided;
  const int32_t outputs = coppice_conv_block_outputs(f, row);
  const int64_t lanes_line = (int64_t)f->r * kLaneFloats, lanes_column = set->lines * lanes_line;
  dw_step step = {
      .lanes = lanes,
      .x_row = (int64_t)f->x_row_step * kSamples,
      .x_column = (int64_t)f->stride * kSamples,
      .dy_row = (int64_t)f->dy_row_step * kSamples,
      .dy_plane = (int64_t)f->dy_plane * kSamples,
      .lanes_column = lanes_column,
      .lanes_line = lanes_line,
      .width = f->y_width,
      .first = 1,
  };
  if (outputs < f->r) memset(lanes, 0, (size_t)(set->members * lanes_column) * sizeof(float));
  for (int32_t tile = tile_begin; tile < tile_end; ++tile) {
    if (coppice_valid(rs, kSamples, tile) == 0) continue;
    const float* x = coppice_tile(&a->x, rs, tile);
    const float* dy = coppice_tile(&a->dy, rs, tile) + (int64_t)row * f->r * step.dy_plane +
                      a->dy.halo * step.dy_row + (int64_t)a->dy.halo * kSamples;
    for (int32_t y = 0; y < f->y_height; y += f->dw_rows, step.first = 0) {
      step.height = f->y_height - y < f->dw_rows ? f->y_height - y : f->dw_rows;
      step.x = x + y * step.x_row;
      step.dy = dy + y * step.dy_row;
      run_columns(runs, f->offset, set, &step, outputs);
    }
  }
  for (int32_t m = 0; m < set->members; ++m)
    reduce_lanes(lanes + m * lanes_column, set->lines * f->r, gradient + (int64_t)m * set->member_step * f->r,
                 add);
}

/* One panel; `gradient` is that of its first weight. */
static void dw_panel(const coppice_conv_blocks_dw_args* a, const coppice_run_state* rs, int32_t panel,
                     int32_t tile_begin, int32_t tile_end, float* lanes, float* gradient, int add) {
  const coppice_conv_blocks* f = a->weights;
  const int32_t most = COPPICE_CONV_BLOCKS_TOGETHER / f->r;
  /* Not where a channel has too few taps to be taken together, or more than fit. */
  const int by_channel = f->full && f->taps >= kColumns && f->taps <= most;
  const int32_t origin = coppice_conv_panel_start(f, panel) / f->r;
  for (int32_t i = 0; i < f->part_block_rows; ++i) {
    const int32_t row = panel * f->part_block_rows + i;
    if (row == f->block_rows) return;
    for (int32_t block = 0; block < (by_channel ? f->blocks : 1); ++block) {
      const int32_t* start = coppice_conv_tap_starts(f, row, block);
      const int32_t end = by_channel ? start[1] : *coppice_conv_tap_starts(f, row + 1, 0);
      const int32_t at_once = by_channel ? most / f->taps : most;
      for (int32_t k = start[0]; k < end; k += at_once) {
        const int32_t count = end - k < at_once ? end - k : at_once;
        const dw_columns set =
            by_channel ? (dw_columns){k, count, f->taps, end - start[0]} : (dw_columns){k, 1, count, 1};
        run_tiles(a, rs, row, &set, tile_begin, tile_end, lanes, gradient + (int64_t)(k - origin) * f->r,
                  add);
      }
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
