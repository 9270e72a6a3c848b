/* SPDX-License-Identifier: Apache-2.0
 * dX of a convolution in blocks. The weights of a block row that share a tap read the same r planes of dY:
 * three channels of dx are taken together, so that each loaded vector of dY feeds three FMAs. dx is added to
 * in memory, once for each block row and tap, for a full pattern once for each block row. */
#include "conv_tiles.h"
#include "coppice_halo.h"
#include "train_simd.h"

/* Binary logarithm of the pixels of a run. */
#if LANES == 16
enum { kLogRun = 3 };
#define FOR_EACH_RUN(def) def(1) def(2) def(4) def(8)
#define RUN_TABLE(name) \
  { name##_1, name##_2, name##_4, name##_8 }
#else
enum { kLogRun = 1 };
#define FOR_EACH_RUN(def) def(1) def(2)
#define RUN_TABLE(name) \
  { name##_1, name##_2 }
#endif

/* One block row in one block of channels, one run of pixels of a phase. */
typedef struct dx_step {
  const coppice_conv_blocks* f;
  const int32_t* start; /* of all taps */
  const float* dy;      /* plane of the block row's first output, at the first pixel, less the tap's offset */
  float* dx;            /* plane of channel 0, at the first pixel */
  const float* mask;    /* the same; NULL: none */
  const float* begin;   /* what the sums of channel 0 begin with, at the first pixel: the addend, or zeros */
  int64_t plane, mask_plane, begin_plane, column;
  int32_t outputs, tap_begin, tap_end;
} dx_step;

typedef void (*dx_run)(const dx_step* step);

static const float kZeros[kSamples << kLogRun];

/* Weights [k, k + channels) of the taps from `tap` on, each tap's at the same distance from its start. */
INLINE void add_channels(const dx_step* s, int channels, int pixels, int64_t column, int32_t tap,
                         int32_t tap_end, int32_t k) {
  const int vectors = pixels * kPixelVectors;
  const coppice_conv_blocks* f = s->f;
  const int64_t r = f->r, dy_plane = (int64_t)f->dy_plane * kSamples;
  const int64_t outputs = s->outputs;
  const float* w = f->value + k * r;
  float* to[3];
  vec sum[24];
  UNROLL for (int c = 0; c < channels; ++c) {
    to[c] = s->dx + f->channel[k + c] * s->plane;
    /* Not a branch: it would follow the pattern, which nobody foresees. */
    const int first = f->turn[k + c] & COPPICE_CONV_FIRST;
    const float* from = first ? s->begin + f->channel[k + c] * s->begin_plane : to[c];
    const int64_t step = first && s->begin == kZeros ? kSamples : column;
    UNROLL for (int p = 0; p < pixels; ++p) UNROLL for (int j = 0; j < kPixelVectors; ++j)
        sum[c * vectors + p * kPixelVectors + j] = v_load(from + p * step + j * LANES);
  }
  while (1) {
    const float* dy = s->dy + f->dy_offset[tap];
    for (const float *at = w, *const end = w + outputs; at < end; ++at, dy += dy_plane) {
      vec ww[3];
      UNROLL for (int c = 0; c < channels; ++c) ww[c] = v_splat(at[c * r]);
      UNROLL for (int v = 0; v < vectors; ++v) {
        vec d = v_load(dy + v * LANES);
        KEEP_VECTOR(d);
        UNROLL for (int c = 0; c < channels; ++c) sum[c * vectors + v] += ww[c] * d;
      }
    }
    if (++tap == tap_end) break;
    w += (s->start[tap] - s->start[tap - 1]) * r;
    k += s->start[tap] - s->start[tap - 1];
  }
  UNROLL for (int c = 0; c < channels; ++c) {
    const float* mask = NULL;
    if (s->mask && f->turn[k + c] & COPPICE_CONV_LAST) mask = s->mask + f->channel[k + c] * s->mask_plane;
    UNROLL for (int p = 0; p < pixels; ++p) UNROLL for (int j = 0; j < kPixelVectors; ++j) {
      vec v = sum[c * vectors + p * kPixelVectors + j];
      if (mask) v = v_gate(v, v_load(mask + p * column + j * LANES));
      v_store(to[c] + p * column + j * LANES, v);
    }
  }
}

/* Three channels at a time; never a lone one behind others, as it would load a vector of dY for each FMA. */
INLINE void run_taps(const dx_step* s, int pixels, int64_t column) {
  const int32_t together = s->f->full ? s->tap_end - s->tap_begin : 1;
  for (int32_t tap = s->tap_begin; tap < s->tap_end; tap += together) {
    int32_t k = s->start[tap];
    const int32_t end = s->start[tap + 1];
    for (; end - k >= 5 || end - k == 3; k += 3) add_channels(s, 3, pixels, column, tap, tap + together, k);
    for (; end - k >= 2; k += 2) add_channels(s, 2, pixels, column, tap, tap + together, k);
    if (k < end) add_channels(s, 1, pixels, column, tap, tap + together, k);
  }
}

#define DEFINE_RUN(pixels)                                                         \
  NOINLINE void near_##pixels(const dx_step* s) { run_taps(s, pixels, kSamples); } \
  NOINLINE void strided_##pixels(const dx_step* s) { run_taps(s, pixels, s->column); }
FOR_EACH_RUN(DEFINE_RUN)

/* One run of pixels of a phase, block rows outermost: the planes of dY that its taps share stay in the L1. */
static void run_pixels(const coppice_item* item, dx_step step, int log_pixels) {
  static const dx_run near[] = RUN_TABLE(near), strided[] = RUN_TABLE(strided);
  const coppice_conv_blocks* f = step.f;
  const dx_run run = (f->stride == 1 ? near : strided)[log_pixels];
  const float* const dy = step.dy;
  for (int32_t row = 0; row < f->block_rows; ++row) {
    step.dy = dy + (int64_t)row * f->r * f->dy_plane * kSamples;
    step.outputs = coppice_conv_block_outputs(f, row);
    for (int32_t block = item->part_begin; block < item->part_end; ++block) {
      step.start = coppice_conv_tap_starts(f, row, block);
      run(&step);
    }
  }
}

/* One run of pixels of a channel that no weight adds to. */
static void run_idle(const dx_step* s, int32_t channel, int32_t pixels) {
  for (int32_t p = 0; p < pixels; ++p)
    for (int i = 0; i < kSamples; i += LANES) {
      const int64_t at = p * s->column + i;
      vec v = s->begin == kZeros ? v_zero() : v_load(s->begin + channel * s->begin_plane + at);
      if (s->mask) v = v_gate(v, v_load(s->mask + channel * s->mask_plane + at));
      v_store(s->dx + channel * s->plane + at, v);
    }
}

/* The inner pixels of a value shaped as dx; NULL where it is not there. */
static float* inner(const coppice_tiled* value, const coppice_run_state* rs, int32_t tile, int64_t row) {
  return value->width ? coppice_tile(value, rs, tile) + value->halo * row + (int64_t)value->halo * kSamples
                      : NULL;
}

static void dx_tile(const coppice_conv_blocks_dx_args* a, const coppice_run_state* rs,
                    const coppice_item* item, int32_t tile) {
  const coppice_conv_blocks* f = a->weights;
  const int32_t stride = f->stride, halo = a->dx.halo;
  const int32_t first = item->part_begin * f->block_channels, blocks_end = item->part_end * f->block_channels;
  const int32_t channels = (blocks_end < f->channels ? blocks_end : f->channels) - first;
  const int64_t row = (int64_t)(f->x_width + 2 * halo) * kSamples, plane = (f->x_height + 2 * halo) * row;
  float* const dx = inner(&a->dx, rs, tile, row);
  const float* dy = coppice_tile(&a->dy, rs, tile);
  const int64_t mask_row = (int64_t)(f->x_width + 2 * a->mask.halo) * kSamples;
  const int64_t addend_row = (int64_t)(f->x_width + 2 * a->addend.halo) * kSamples;
  const float *mask = inner(&a->mask, rs, tile, mask_row), *addend = inner(&a->addend, rs, tile, addend_row);
  dx_step step = {
      .f = f,
      .plane = plane,
      .mask_plane = (f->x_height + 2 * a->mask.halo) * mask_row,
      .begin = kZeros,
      .begin_plane = addend ? (f->x_height + 2 * a->addend.halo) * addend_row : 0,
      .column = (int64_t)stride * kSamples,
  };
  for (int32_t top = 0; top < f->x_height; top += stride) {
    const int32_t height = f->x_height - top < stride ? f->x_height - top : stride;
    for (int32_t phase = 0; phase < height * stride; ++phase) {
      const int32_t out_x = phase % stride, y = top + phase / stride;
      const int32_t width = out_x < f->x_width ? (f->x_width - out_x + stride - 1) / stride : 0;
      for (int32_t x = 0, log_pixels = kLogRun; x < width;) {
        while (x + (1 << log_pixels) > width) --log_pixels;
        step.dx = dx + y * row + ((int64_t)x * stride + out_x) * kSamples;
        step.dy = dy + ((int64_t)(top / stride) * f->dy_row_step + x) * kSamples;
        if (mask) step.mask = mask + y * mask_row + ((int64_t)x * stride + out_x) * kSamples;
        if (addend) step.begin = addend + y * addend_row + ((int64_t)x * stride + out_x) * kSamples;
        step.tap_begin = f->phase_tap[phase];
        step.tap_end = f->phase_tap[phase + 1];
        run_pixels(item, step, log_pixels);
        const int32_t* idle = f->idle_start + phase * f->blocks;
        for (int32_t i = idle[item->part_begin]; i < idle[item->part_end]; ++i)
          run_idle(&step, f->idle[i], 1 << log_pixels);
        x += 1 << log_pixels;
      }
    }
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
