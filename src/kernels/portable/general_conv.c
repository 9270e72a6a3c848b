/* SPDX-License-Identifier: Apache-2.0
 * The general convolution: any kernel, stride, dilation, groups and padding, one live weight at a time over
 * whole planes. What nothing faster covers runs here. */
#include "coppice_image.h"
#include "portable.h"

enum { S = 16 };

/* Where a live weight reads: input channel, and the offset of its tap before striding. */
typedef struct conv_tap {
  int32_t channel, dy, dx;
} conv_tap;

static conv_tap tap_of(const coppice_conv_shape* c, int32_t output, int32_t index) {
  const int32_t taps = c->kernel_h * c->kernel_w, per_group = c->channels / c->groups;
  const int32_t group = output / (c->outputs / c->groups);
  const conv_tap tap = {group * per_group + index / taps,
                        index % taps / c->kernel_w * c->dilation_h - c->pad_h,
                        index % c->kernel_w * c->dilation_w - c->pad_w};
  return tap;
}

/* The input coordinate of output p, or -1 in zero padding. */
static inline int32_t source(int32_t p, int32_t stride, int32_t offset, int32_t size, int32_t wrap) {
  const int32_t at = p * stride + offset;
  if (at >= 0 && at < size) return at;
  return wrap ? ((at % size) + size) % size : -1;
}

/* Runs BODY for every pair of pixels that the tap joins: x at input pixel, y at output pixel, 16 samples
 * each. */
#define FOR_EACH_PAIR(BODY)                                                     \
  for (int32_t p = 0; p < c->out_height; ++p) {                                 \
    const int32_t row = source(p, c->stride_h, tap.dy, c->height, c->wrap);     \
    if (row < 0) continue;                                                      \
    float* x_row = coppice_pixel_row(&args->x, x_tile, xe, tap.channel, row);   \
    float* y_row = coppice_pixel_row(&args->y, y_tile, ye, o, p);               \
    for (int32_t q = 0; q < c->out_width; ++q) {                                \
      const int32_t column = source(q, c->stride_w, tap.dx, c->width, c->wrap); \
      if (column < 0) continue;                                                 \
      float *x = x_row + (int64_t)column * S, *y = y_row + (int64_t)q * S;      \
      for (int32_t s = 0; s < S; ++s) BODY                                      \
    }                                                                           \
  }

static coppice_extent x_extent(const coppice_conv_shape* c) {
  const coppice_extent e = {c->channels, c->height, c->width};
  return e;
}
static coppice_extent y_extent(const coppice_conv_shape* c) {
  const coppice_extent e = {c->outputs, c->out_height, c->out_width};
  return e;
}

void KERNEL(general_conv)(const void* raw, const coppice_run_state* rs, const coppice_item* item) {
  const coppice_general_conv_args* args = (const coppice_general_conv_args*)raw;
  const coppice_conv_shape* c = &args->shape;
  const coppice_csr* w = args->weights;
  const coppice_extent xe = x_extent(c), ye = y_extent(c);
  for (int32_t tile = item->tile_begin; tile < item->tile_end; ++tile) {
    float *x_tile = coppice_tile(&args->x, rs, tile), *y_tile = coppice_tile(&args->y, rs, tile);
    for (int32_t o = 0; o < c->outputs; ++o) {
      const float start = args->bias ? args->bias[o] : 0.0f;
      for (int32_t p = 0; p < c->out_height; ++p) {
        float* row = coppice_pixel_row(&args->y, y_tile, ye, o, p);
        for (int32_t i = 0; i < c->out_width * S; ++i) row[i] = start;
      }
      for (int32_t k = w->indptr[o]; k < w->indptr[o + 1]; ++k) {
        const conv_tap tap = tap_of(c, o, w->indices[k]);
        const float weight = w->value[k];
        FOR_EACH_PAIR({ y[s] += weight * x[s]; })
      }
      for (int32_t p = 0; args->activation && p < c->out_height; ++p) {
        float* row = coppice_pixel_row(&args->y, y_tile, ye, o, p);
        for (int32_t i = 0; i < c->out_width * S; ++i) row[i] = row[i] < 0.0f ? 0.0f : row[i];
      }
      coppice_fill_halo(&args->y, y_tile, ye, o);
    }
  }
}

void KERNEL(general_conv_dx)(const void* raw, const coppice_run_state* rs, const coppice_item* item) {
  const coppice_general_conv_args* args = (const coppice_general_conv_args*)raw;
  const coppice_conv_shape* c = &args->shape;
  const coppice_csr* w = args->weights;
  const coppice_extent xe = x_extent(c), ye = y_extent(c);
  for (int32_t tile = item->tile_begin; tile < item->tile_end; ++tile) {
    float *x_tile = coppice_tile(&args->x, rs, tile), *y_tile = coppice_tile(&args->y, rs, tile);
    for (int32_t channel = 0; channel < c->channels; ++channel)
      for (int32_t p = 0; p < c->height; ++p) {
        float* row = coppice_pixel_row(&args->x, x_tile, xe, channel, p);
        for (int32_t i = 0; i < c->width * S; ++i) row[i] = 0.0f;
      }
    for (int32_t o = 0; o < c->outputs; ++o)
      for (int32_t k = w->indptr[o]; k < w->indptr[o + 1]; ++k) {
        const conv_tap tap = tap_of(c, o, w->indices[k]);
        const float weight = w->value[k];
        FOR_EACH_PAIR({ x[s] += weight * y[s]; })
      }
    for (int32_t channel = 0; channel < c->channels; ++channel)
      coppice_fill_halo(&args->x, x_tile, xe, channel);
  }
}

void KERNEL(general_conv_dw)(const void* raw, const coppice_run_state* rs, const coppice_item* item) {
  const coppice_general_conv_args* args = (const coppice_general_conv_args*)raw;
  const coppice_conv_shape* c = &args->shape;
  const coppice_csr* w = args->weights;
  const coppice_extent xe = x_extent(c), ye = y_extent(c);
  for (int32_t part = item->part_begin; part < item->part_end; ++part) {
    const int32_t begin = args->part_start[part], end = args->part_start[part + 1];
    int32_t o = 0;
    for (int32_t k = begin; k < end; ++k) {
      while (w->indptr[o + 1] <= k) ++o;
      const conv_tap tap = tap_of(c, o, w->indices[k]);
      float lanes[S] = {0};
      for (int32_t tile = item->tile_begin; tile < item->tile_end; ++tile) {
        float *x_tile = coppice_tile(&args->x, rs, tile), *y_tile = coppice_tile(&args->y, rs, tile);
        FOR_EACH_PAIR({ lanes[s] += x[s] * y[s]; })
      }
      float* to = args->gradient ? args->gradient + k : (float*)item->scratch + (k - begin);
      *to = (args->gradient && rs->accumulate ? *to : 0.0f) + lane_sum(lanes);
    }
  }
}

void KERNEL(channel_sum)(const void* raw, const coppice_run_state* rs, const coppice_item* item) {
  const coppice_channel_sum_args* args = (const coppice_channel_sum_args*)raw;
  const coppice_extent e = args->extent;
  const int32_t width = args->dy.width;
  for (int32_t part = item->part_begin; part < item->part_end; ++part) {
    const int32_t begin = part * args->part_channels;
    const int32_t end = begin + args->part_channels < e.channels ? begin + args->part_channels : e.channels;
    for (int32_t channel = begin; channel < end; ++channel) {
      float lanes[16] = {0};
      for (int32_t tile = item->tile_begin; tile < item->tile_end; ++tile) {
        /* Pixels have 16 samples each; a flat value has one pixel of as many columns as are worth reading. */
        const int32_t count = e.height * e.width == 1 ? columns_of(rs, width, tile) : e.width * width;
        float* dy_tile = coppice_tile(&args->dy, rs, tile);
        for (int32_t y = 0; y < e.height; ++y) {
          const float* dy = coppice_pixel_row(&args->dy, dy_tile, e, channel, y);
          for (int32_t i = 0; i < count; i += 16)
            for (int32_t s = 0; s < 16; ++s) lanes[s] += dy[i + s];
        }
      }
      float* to = args->gradient ? args->gradient + channel : (float*)item->scratch + (channel - begin);
      *to = (args->gradient && rs->accumulate ? *to : 0.0f) + lane_sum(lanes);
    }
  }
}
