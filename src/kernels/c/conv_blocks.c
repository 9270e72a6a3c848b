/* SPDX-License-Identifier: Apache-2.0
 * dX and dW of a convolution in blocks in plain C, weight by weight. */
#include "coppice_halo.h"
#include "kernels/c/plain.h"

enum { kSamples = 16 };

/* Planes of x's shape. */
typedef struct planes {
  float* base; /* of a tile; NULL: not there */
  int64_t plane, row;
  int32_t halo;
} planes;

static planes planes_of(const coppice_conv_blocks* f, const coppice_tiled* value, const coppice_run_state* rs,
                        int32_t tile) {
  if (!value->width) return (planes){NULL, 0, 0, 0};
  const int64_t row = (int64_t)(f->x_width + 2 * value->halo) * kSamples;
  return (planes){coppice_tile(value, rs, tile), (f->x_height + 2 * value->halo) * row, row, value->halo};
}

static float* pixel(const planes* p, int32_t channel, int32_t y, int32_t x) {
  return p->base + channel * p->plane + (y + p->halo) * p->row + (int64_t)(x + p->halo) * kSamples;
}

/* One weight over all pixels of its phase; `dy` is what the first of them reads. */
static void add_weight(const coppice_conv_blocks* f, int32_t phase, int32_t channel, float w, const float* dy,
                       const planes* dx) {
  const int32_t s = f->stride;
  for (int32_t y = phase / s; y < f->x_height; y += s)
    for (int32_t x = phase % s; x < f->x_width; x += s) {
      const float* from = dy + ((int64_t)(y / s) * f->dy_row_step + x / s) * kSamples;
      float* to = pixel(dx, channel, y, x);
      for (int32_t i = 0; i < kSamples; ++i) to[i] += w * from[i];
    }
}

/* All weights that read channels of one block. */
static void dx_block(const coppice_conv_blocks* f, int32_t block, const float* dy, const planes* dx) {
  for (int32_t row = 0; row < f->block_rows; ++row) {
    const int32_t* start = coppice_conv_tap_starts(f, row, block);
    for (int32_t phase = 0; phase < f->stride * f->stride; ++phase)
      for (int32_t tap = f->phase_tap[phase]; tap < f->phase_tap[phase + 1]; ++tap)
        for (int32_t k = start[tap]; k < start[tap + 1]; ++k)
          for (int32_t i = 0; i < coppice_conv_block_outputs(f, row); ++i)
            add_weight(f, phase, f->channel[k], f->value[(int64_t)k * f->r + i],
                       dy + ((int64_t)(row * f->r + i) * f->dy_plane) * kSamples + f->dy_offset[tap], dx);
  }
}

static void dx_part(const coppice_conv_blocks_dx_args* a, const coppice_run_state* rs, int32_t block,
                    int32_t tile) {
  const coppice_conv_blocks* f = a->weights;
  const planes dx = planes_of(f, &a->dx, rs, tile), mask = planes_of(f, &a->mask, rs, tile);
  const planes addend = planes_of(f, &a->addend, rs, tile);
  const int32_t begin = block * f->block_channels;
  const int32_t end = begin + f->block_channels < f->channels ? begin + f->block_channels : f->channels;
  for (int32_t c = begin; c < end; ++c)
    for (int32_t y = 0; y < f->x_height; ++y)
      for (int32_t i = 0; i < f->x_width * kSamples; ++i)
        pixel(&dx, c, y, 0)[i] = addend.base ? pixel(&addend, c, y, 0)[i] : 0;
  dx_block(f, block, coppice_tile(&a->dy, rs, tile), &dx);
  for (int32_t c = begin; c < end; ++c) {
    for (int32_t y = 0; mask.base && y < f->x_height; ++y)
      for (int32_t i = 0; i < f->x_width * kSamples; ++i)
        if (!(pixel(&mask, c, y, 0)[i] > 0)) pixel(&dx, c, y, 0)[i] = 0;
    coppice_fill_halo(dx.base + c * dx.plane, f->x_height, f->x_width, kSamples, dx.halo, a->dx.wrap);
  }
}

void coppice_conv_blocks_dx_c(const void* args, const coppice_run_state* rs, const coppice_item* item) {
  for (int32_t tile = item->tile_begin; tile < item->tile_end; ++tile)
    for (int32_t part = item->part_begin; part < item->part_end; ++part)
      if (coppice_valid(rs, kSamples, tile) > 0)
        dx_part((const coppice_conv_blocks_dx_args*)args, rs, part, tile);
}

/* Gradient of one weight; `dy` is the inner first pixel of its output. */
static float dw_weight(const coppice_conv_blocks* f, const float* x, const float* dy) {
  float lanes[kSamples] = {0}, sum = 0;
  for (int32_t py = 0; py < f->y_height; ++py)
    for (int32_t px = 0; px < f->y_width; ++px)
      for (int32_t s = 0; s < kSamples; ++s)
        lanes[s] += x[((int64_t)py * f->x_row_step + (int64_t)px * f->stride) * kSamples + s] *
                    dy[((int64_t)py * f->dy_row_step + px) * kSamples + s];
  for (int32_t s = 0; s < kSamples; ++s) sum += lanes[s];
  return sum;
}

static void dw_tile(const coppice_conv_blocks_dw_args* a, const coppice_run_state* rs, int32_t part,
                    int32_t tile, float* gradient, int add) {
  const coppice_conv_blocks* f = a->weights;
  const float* x = coppice_tile(&a->x, rs, tile);
  const float* dy = coppice_tile(&a->dy, rs, tile);
  const int64_t inner = ((int64_t)a->dy.halo * f->dy_row_step + a->dy.halo) * kSamples;
  for (int32_t i = coppice_conv_panel_start(f, part); i < coppice_conv_panel_start(f, part + 1);
       ++i, ++gradient) {
    const int32_t k = i / f->r;
    int32_t row = part * f->part_block_rows;
    while (*coppice_conv_tap_starts(f, row + 1, 0) <= k) ++row;
    const int32_t output = row * f->r + i % f->r;
    const float sum = output < f->rows ? dw_weight(f, x + f->offset[k],
                                                   dy + (int64_t)output * f->dy_plane * kSamples + inner)
                                       : 0.0f;
    *gradient = add ? *gradient + sum : sum;
  }
}

void coppice_conv_blocks_dw_c(const void* args, const coppice_run_state* rs, const coppice_item* item) {
  const coppice_conv_blocks_dw_args* a = (const coppice_conv_blocks_dw_args*)args;
  for (int32_t part = item->part_begin; part < item->part_end; ++part)
    for (int32_t tile = item->tile_begin; tile < item->tile_end; ++tile) {
      if (coppice_valid(rs, kSamples, tile) == 0) continue;
      const int32_t begin = coppice_conv_panel_start(a->weights, part);
      float* gradient = a->gradient ? a->gradient + begin : (float*)item->scratch;
      if (a->tile_gradients.width)
        dw_tile(a, rs, part, tile, coppice_tile(&a->tile_gradients, rs, tile) + begin, 0);
      else
        dw_tile(a, rs, part, tile, gradient, (a->gradient && rs->accumulate) || tile > item->tile_begin);
    }
}
