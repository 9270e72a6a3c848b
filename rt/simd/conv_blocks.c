/* SPDX-License-Identifier: Apache-2.0
 * Convolution forward on blocks: the sums of several outputs and pixels stay in registers, so that each
 * loaded pixel feeds as many FMAs as there are outputs and each weight as many as there are pixels. */
#include "conv_tiles.h"
#include "coppice_halo.h"

/* Register tiles: the outputs taken together, and the most pixels of a tile for r = 16 and r = 4. */
#if LANES == 16
enum { kOutputs = 8, kPixels16 = 3, kPixels4 = 4 };
#define FOR_EACH_RUN(def)                                                                             \
  def(8, 1) def(8, 2) def(8, 3) def(4, 1) def(4, 2) def(4, 3) def(4, 4) def(1, 1) def(1, 2) def(1, 3) \
      def(1, 4)
#define RUN_TABLE(name)                                                                                   \
  {                                                                                                       \
    {name##_1x1, name##_1x2, name##_1x3, name##_1x4}, {name##_4x1, name##_4x2, name##_4x3, name##_4x4}, { \
      name##_8x1, name##_8x2, name##_8x3                                                                  \
    }                                                                                                     \
  }
#else
enum { kOutputs = 4, kPixels16 = 1, kPixels4 = 1 };
#define FOR_EACH_RUN(def) def(4, 1) def(1, 1)
#define RUN_TABLE(name)          \
  {                              \
    {name##_1x1}, { name##_4x1 } \
  }
#endif

/* One register tile, one block row in one block of channels. */
typedef struct block_step {
  const int32_t *offset, *end;
  const float* value; /* at the tile's first output */
  const float* in;
  int64_t r, in_column;
  float* out; /* at the tile's first output and pixel */
  int64_t plane;
  const float* bias; /* NULL: none */
  int first, last, relu;
} block_step;

typedef void (*block_run)(const block_step* step);

INLINE void add_column(vec* sum, int outputs, int pixels, const float* w, const float* in,
                       int64_t in_column) {
  const int vectors = pixels * kPixelVectors;
  vec x[8];
  UNROLL for (int p = 0; p < pixels; ++p) UNROLL for (int j = 0; j < kPixelVectors; ++j)
      x[p * kPixelVectors + j] = v_load(in + p * in_column + j * LANES);
  UNROLL for (int i = 0; i < outputs; ++i) {
    const vec ww = v_splat(w[i]);
    UNROLL for (int v = 0; v < vectors; ++v) sum[i * vectors + v] += ww * x[v];
  }
}

INLINE void run_step(const block_step* s, int outputs, int pixels, int64_t in_column) {
  const int vectors = pixels * kPixelVectors;
  /* Copies: a store through out might change *s, as far as the compiler knows. */
  const float *in = s->in, *w = s->value, *bias = s->bias;
  float* out = s->out;
  const int64_t plane = s->plane, r = s->r;
  const int last = s->last, relu = s->relu;
  const int32_t* const end = s->end;
  vec sum[24];
  UNROLL for (int i = 0; i < outputs; ++i) {
    if (s->first) {
      const vec start = v_splat(bias ? bias[i] : 0.0f);
      UNROLL for (int v = 0; v < vectors; ++v) sum[i * vectors + v] = start;
    } else {
      UNROLL for (int v = 0; v < vectors; ++v) sum[i * vectors + v] = v_load(out + i * plane + v * LANES);
    }
  }
  for (const int32_t* offset = s->offset; offset < end; ++offset, w += r)
    add_column(sum, outputs, pixels, w, in + *offset, in_column);
  UNROLL for (int i = 0; i < outputs; ++i) {
    vec* of_output = sum + i * vectors;
    if (last && relu) UNROLL for (int v = 0; v < vectors; ++v) of_output[v] = v_relu(of_output[v]);
    UNROLL for (int v = 0; v < vectors; ++v) v_store(out + i * plane + v * LANES, of_output[v]);
  }
}

#define DEFINE_RUN(outputs, pixels)                                                                        \
  NOINLINE void near_##outputs##x##pixels(const block_step* s) { run_step(s, outputs, pixels, kSamples); } \
  NOINLINE void strided_##outputs##x##pixels(const block_step* s) {                                        \
    run_step(s, outputs, pixels, s->in_column);                                                            \
  }
FOR_EACH_RUN(DEFINE_RUN)

typedef block_run block_runs[kOutputs == 8 ? 3 : 2][kPixels4];

/* A block row in one block of channels, `pixels` pixels of the outputs `step` stands at. */
static void run_block_row(const block_runs* runs, block_step step, int32_t outputs, int32_t pixels) {
  for (int32_t done = 0; done < outputs;) {
    const int32_t left = outputs - done;
    const int height = left >= 8 && kOutputs == 8 ? 8 : left >= 4 ? 4 : 1;
    (*runs)[height == 8 ? 2 : height == 4][pixels - 1](&step);
    done += height;
    step.value += height;
    step.out += height * step.plane;
    if (step.bias) step.bias += height;
  }
}

static void conv_tile(const coppice_conv_args* a, const coppice_run_state* rs, const coppice_item* item,
                      int32_t tile) {
  static const block_runs near = RUN_TABLE(near), strided = RUN_TABLE(strided);
  const coppice_conv_blocks* f = (const coppice_conv_blocks*)a->weights;
  const block_runs* runs = f->stride == 1 ? &near : &strided;
  const int32_t begin = item->part_begin * f->part_block_rows,
                panels_end = item->part_end * f->part_block_rows;
  const int32_t end = panels_end < f->block_rows ? panels_end : f->block_rows;
  const int32_t first = begin * f->r, rows = end * f->r < f->rows ? end * f->r : f->rows;
  const int64_t out_row = (int64_t)(f->y_width + 2 * a->y.halo) * kSamples;
  const int64_t plane = (f->y_height + 2 * a->y.halo) * out_row;
  const float* x = coppice_tile(&a->x, rs, tile);
  float* const y = coppice_tile(&a->y, rs, tile);
  const int32_t most = f->r == 16 ? kPixels16 : kPixels4;
  for (int32_t py = 0; py < f->y_height; ++py)
    for (int32_t px = 0, pixels; px < f->y_width; px += pixels) {
      /* What is left of a row in tiles of nearly equal width. */
      const int32_t left = f->y_width - px, tiles = (left + most - 1) / most;
      pixels = (left + tiles - 1) / tiles;
      for (int32_t block = 0; block < f->blocks; ++block)
        for (int32_t row = begin; row < end; ++row) {
          const int32_t* start = coppice_conv_tap_starts(f, row, block);
          const int32_t output = row * f->r;
          const block_step step = {
              .offset = f->offset + start[0],
              .end = f->offset + start[f->taps],
              .value = f->value + (int64_t)start[0] * f->r,
              .in = x + ((int64_t)py * f->x_row_step + (int64_t)px * f->stride) * kSamples,
              .r = f->r,
              .in_column = (int64_t)f->stride * kSamples,
              .out = y + output * plane + (py + a->y.halo) * out_row + (int64_t)(px + a->y.halo) * kSamples,
              .plane = plane,
              .bias = a->bias ? a->bias + output : NULL,
              .first = block == 0,
              .last = block == f->blocks - 1,
              .relu = a->activation == COPPICE_ACT_RELU,
          };
          run_block_row(runs, step, coppice_conv_block_outputs(f, row), pixels);
        }
    }
  for (int32_t row = first; row < rows; ++row)
    coppice_fill_halo(y + row * plane, f->y_height, f->y_width, kSamples, a->y.halo, a->y.wrap);
}

void KERNEL(coppice_conv_blocks)(const void* args, const coppice_run_state* rs, const coppice_item* item) {
  for (int32_t tile = item->tile_begin; tile < item->tile_end; ++tile)
    if (coppice_valid(rs, kSamples, tile) > 0) conv_tile((const coppice_conv_args*)args, rs, item, tile);
}
