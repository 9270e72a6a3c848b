/* SPDX-License-Identifier: Apache-2.0
 * dX of a convolution in blocks. The weights of a block row that share a tap read the same r planes of dY:
 * three channels of dx are taken together, so that each loaded vector of dY feeds three FMAs. dx is added to
 * in memory, once for each block row and tap, for a full pattern once for each block row. */
#include "conv_tiles.h"
#include "coppice_halo.h"
#include "train_simd.h"

#if LANES == 16
enum { kChannels = 3, kLogRun = 3 };
#define FOR_EACH_RUN(def)                                                                             \
  def(1, 1) def(1, 2) def(1, 4) def(1, 8) def(2, 1) def(2, 2) def(2, 4) def(2, 8) def(3, 1) def(3, 2) \
      def(3, 4) def(3, 8)
#define RUN_TABLE(name)                                                                                 \
  {                                                                                                     \
    {name##_1x1, name##_1x2, name##_1x4, name##_1x8}, {name##_2x1, name##_2x2, name##_2x4, name##_2x8}, \
        {name##_3x1, name##_3x2, name##_3x4, name##_3x8},                                               \
  }
#else
enum { kChannels = 3, kLogRun = 1 };
#define FOR_EACH_RUN(def) def(1, 1) def(1, 2) def(2, 1) def(2, 2) def(3, 1) def(3, 2)
#define RUN_TABLE(name) \
  { {name##_1x1, name##_1x2}, {name##_2x1, name##_2x2}, {name##_3x1, name##_3x2}, }
#endif

/* Weights of some channels and taps of one block row, one run of pixels. */
typedef struct dx_step {
  const float* value;   /* of the format, at the first channel's place among those of its tap */
  const int32_t* start; /* of the taps */
  const int32_t *dy_offset, *dy_end;
  const int32_t* channel;
  const float* dy; /* plane of the block row's first output, at the first pixel */
  float* dx;       /* plane of channel 0, at the first pixel */
  int64_t r, outputs, dy_plane, plane, column;
} dx_step;

typedef void (*dx_run)(const dx_step* step);

INLINE void run_step(const dx_step* s, int channels, int pixels) {
  const int vectors = pixels * kPixelVectors;
  const int64_t r = s->r, dy_plane = s->dy_plane, column = s->column;
  const int32_t *start = s->start, *const dy_end = s->dy_end;
  const float* const value = s->value;
  float* to[3];
  vec sum[24];
  UNROLL for (int c = 0; c < channels; ++c) {
    to[c] = s->dx + s->channel[c] * s->plane;
    UNROLL for (int p = 0; p < pixels; ++p) UNROLL for (int j = 0; j < kPixelVectors; ++j)
        sum[c * vectors + p * kPixelVectors + j] = v_load(to[c] + p * column + j * LANES);
  }
  for (const int32_t* dy_offset = s->dy_offset; dy_offset < dy_end; ++dy_offset, ++start) {
    const float* dy = s->dy + *dy_offset;
    const float* w = value + *start * r;
    for (const float* const end = w + s->outputs; w < end; ++w, dy += dy_plane) {
      vec ww[3];
      UNROLL for (int c = 0; c < channels; ++c) ww[c] = v_splat(w[c * r]);
      UNROLL for (int v = 0; v < vectors; ++v) {
        vec d = v_load(dy + v * LANES);
        KEEP_VECTOR(d);
        UNROLL for (int c = 0; c < channels; ++c) sum[c * vectors + v] += ww[c] * d;
      }
    }
  }
  UNROLL for (int c = 0; c < channels; ++c) UNROLL for (int p = 0; p < pixels; ++p)
      UNROLL for (int j = 0; j < kPixelVectors; ++j)
          v_store(to[c] + p * column + j * LANES, sum[c * vectors + p * kPixelVectors + j]);
}

#define DEFINE_RUN(channels, pixels) \
  NOINLINE void run_##channels##x##pixels(const dx_step* s) { run_step(s, channels, pixels); }
FOR_EACH_RUN(DEFINE_RUN)

static const dx_run kRuns[kChannels][kLogRun + 1] = RUN_TABLE(run);

/* `count` channels from `step` on, three at a time; never a lone one behind others, as it would load a vector
 * of dY for each FMA. */
INLINE void run_channels(dx_step step, int32_t count, int log_pixels) {
  while (count > 0) {
    const int32_t channels = count == 4 || count == 2 ? 2 : count == 1 ? 1 : 3;
    kRuns[channels - 1][log_pixels](&step);
    step.value += channels * step.r;
    step.channel += channels;
    count -= channels;
  }
}

/* One run of pixels of a phase, block rows outermost: the planes of dY that its taps share stay in the L1. */
static void run_pixels(const coppice_conv_blocks* f, const coppice_item* item, int32_t tap_begin,
                       int32_t tap_end, dx_step step, int log_pixels) {
  const float* const dy = step.dy;
  if (tap_begin == tap_end) return;
  for (int32_t row = 0; row < f->block_rows; ++row) {
    step.dy = dy + (int64_t)row * f->r * step.dy_plane;
    step.outputs = coppice_conv_block_outputs(f, row);
    for (int32_t block = item->part_begin; block < item->part_end; ++block) {
      const int32_t* start = coppice_conv_tap_starts(f, row, block);
      const int32_t together = f->full ? tap_end - tap_begin : 1;
      for (int32_t tap = tap_begin; tap < tap_end; tap += together) {
        step.start = start + tap;
        step.value = f->value;
        step.dy_offset = f->dy_offset + tap;
        step.dy_end = step.dy_offset + together;
        step.channel = f->channel + start[tap];
        run_channels(step, start[tap + 1] - start[tap], log_pixels);
      }
    }
  }
}

static void clear_rows(float* at, int32_t channels, int64_t plane, int32_t height, int64_t row,
                       int64_t floats) {
  for (int32_t c = 0; c < channels; ++c)
    for (int32_t y = 0; y < height; ++y) memset(at + c * plane + y * row, 0, (size_t)floats * sizeof(float));
}

static void gate_row(float* dx, const float* mask, int64_t floats) {
  for (int64_t i = 0; i < floats; i += LANES) v_store(dx + i, v_gate(v_load(dx + i), v_load(mask + i)));
}

static void dx_tile(const coppice_conv_blocks_dx_args* a, const coppice_run_state* rs,
                    const coppice_item* item, int32_t tile) {
  const coppice_conv_blocks* f = a->weights;
  const int32_t stride = f->stride, halo = a->dx.halo;
  const int32_t first = item->part_begin * f->block_channels, blocks_end = item->part_end * f->block_channels;
  const int32_t channels = (blocks_end < f->channels ? blocks_end : f->channels) - first;
  const int64_t row = (int64_t)(f->x_width + 2 * halo) * kSamples, plane = (f->x_height + 2 * halo) * row;
  const int64_t floats = (int64_t)f->x_width * kSamples;
  float* const dx = coppice_tile(&a->dx, rs, tile) + halo * row + (int64_t)halo * kSamples;
  const float* dy = coppice_tile(&a->dy, rs, tile);
  dx_step step = {
      .r = f->r,
      .dy_plane = (int64_t)f->dy_plane * kSamples,
      .plane = plane,
      .column = (int64_t)stride * kSamples,
  };
  for (int32_t top = 0; top < f->x_height; top += stride) {
    const int32_t height = f->x_height - top < stride ? f->x_height - top : stride;
    float* const rows = dx + first * plane + top * row;
    clear_rows(rows, channels, plane, height, row, floats);
    for (int32_t phase = 0; phase < height * stride; ++phase) {
      const int32_t out_x = phase % stride, y = top + phase / stride;
      const int32_t width = out_x < f->x_width ? (f->x_width - out_x + stride - 1) / stride : 0;
      for (int32_t x = 0, log_pixels = kLogRun; x < width;) {
        while (x + (1 << log_pixels) > width) --log_pixels;
        step.dx = dx + y * row + ((int64_t)x * stride + out_x) * kSamples;
        step.dy = dy + ((int64_t)(top / stride) * f->dy_row_step + x) * kSamples;
        run_pixels(f, item, f->phase_tap[phase], f->phase_tap[phase + 1], step, log_pixels);
        x += 1 << log_pixels;
      }
    }
    if (!a->mask.width) continue;
    const int64_t mask_row = (int64_t)(f->x_width + 2 * a->mask.halo) * kSamples;
    const float* mask =
        coppice_tile(&a->mask, rs, tile) + (top + a->mask.halo) * mask_row + (int64_t)a->mask.halo * kSamples;
    for (int32_t c = 0; c < channels; ++c)
      for (int32_t y = 0; y < height; ++y)
        gate_row(rows + c * plane + y * row,
                 mask + (first + c) * (f->x_height + 2 * a->mask.halo) * mask_row + y * mask_row, floats);
  }
  for (int32_t c = first; c < first + channels; ++c)
    coppice_fill_halo(coppice_tile(&a->dx, rs, tile) + c * plane, f->x_height, f->x_width, kSamples, halo,
                      a->dx.wrap);
}

void KERNEL(coppice_conv_blocks_dx)(const void* args, const coppice_run_state* rs, const coppice_item* item) {
  for (int32_t tile = item->tile_begin; tile < item->tile_end; ++tile)
    if (coppice_valid(rs, kSamples, tile) > 0)
      dx_tile((const coppice_conv_blocks_dx_args*)args, rs, item, tile);
}
