/* SPDX-License-Identifier: Apache-2.0
 * The general convolution: any kernel, stride, dilation, groups and padding, one live weight at a time over whole
 * planes. What nothing faster covers runs here. */
#include "portable.h"

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

void KERNEL(general_conv)(const void* raw, const coppice_run_state* rs, const coppice_item* item) {
  const coppice_general_conv_args* args = (const coppice_general_conv_args*)raw;
  const coppice_conv_shape* c = &args->shape;
  const coppice_csr* w = args->weights;
  const int32_t width = args->y.width;
  const int64_t positions = (int64_t)c->out_height * c->out_width;
  for (int32_t tile = item->tile_begin; tile < item->tile_end; ++tile) {
    const int32_t columns = columns_of(rs, width, tile);
    const float* x = coppice_tile(&args->x, rs, tile);
    for (int32_t o = 0; o < c->outputs; ++o) {
      float* y = coppice_tile(&args->y, rs, tile) + o * positions * width;
      const float start = args->bias ? args->bias[o] : 0.0f;
      for (int64_t i = 0; i < positions * width; ++i) y[i] = start;
      for (int32_t k = w->indptr[o]; k < w->indptr[o + 1]; ++k) {
        const conv_tap tap = tap_of(c, o, w->indices[k]);
        const float weight = w->value[k];
        const float* plane = x + (int64_t)tap.channel * c->height * c->width * width;
        for (int32_t p = 0; p < c->out_height; ++p) {
          const int32_t row = source(p, c->stride_h, tap.dy, c->height, c->wrap);
          if (row < 0) continue;
          for (int32_t q = 0; q < c->out_width; ++q) {
            const int32_t column = source(q, c->stride_w, tap.dx, c->width, c->wrap);
            if (column < 0) continue;
            const float* in = plane + ((int64_t)row * c->width + column) * width;
            float* out = y + ((int64_t)p * c->out_width + q) * width;
            for (int32_t s = 0; s < columns; ++s) out[s] += weight * in[s];
          }
        }
      }
      if (args->activation)
        for (int64_t i = 0; i < positions * width; ++i) y[i] = y[i] > 0.0f ? y[i] : 0.0f;
    }
  }
}

void KERNEL(general_conv_dx)(const void* raw, const coppice_run_state* rs, const coppice_item* item) {
  const coppice_general_conv_args* args = (const coppice_general_conv_args*)raw;
  const coppice_conv_shape* c = &args->shape;
  const coppice_csr* w = args->weights;
  const int32_t width = args->x.width;
  const int64_t positions = (int64_t)c->out_height * c->out_width;
  for (int32_t tile = item->tile_begin; tile < item->tile_end; ++tile) {
    const int32_t columns = columns_of(rs, width, tile);
    float* dx = coppice_tile(&args->x, rs, tile);
    for (int64_t i = 0; i < (int64_t)c->channels * c->height * c->width * width; ++i) dx[i] = 0.0f;
    for (int32_t o = 0; o < c->outputs; ++o) {
      const float* dy = coppice_tile(&args->y, rs, tile) + o * positions * width;
      for (int32_t k = w->indptr[o]; k < w->indptr[o + 1]; ++k) {
        const conv_tap tap = tap_of(c, o, w->indices[k]);
        const float weight = w->value[k];
        float* plane = dx + (int64_t)tap.channel * c->height * c->width * width;
        for (int32_t p = 0; p < c->out_height; ++p) {
          const int32_t row = source(p, c->stride_h, tap.dy, c->height, c->wrap);
          if (row < 0) continue;
          for (int32_t q = 0; q < c->out_width; ++q) {
            const int32_t column = source(q, c->stride_w, tap.dx, c->width, c->wrap);
            if (column < 0) continue;
            float* to = plane + ((int64_t)row * c->width + column) * width;
            const float* g = dy + ((int64_t)p * c->out_width + q) * width;
            for (int32_t s = 0; s < columns; ++s) to[s] += weight * g[s];
          }
        }
      }
    }
  }
}

/* Sum over the lanes in a fixed order that vectorises: 16 partial sums, then one after the other. */
static float lane_sum(const float* lanes) {
  float sum = 0.0f;
  for (int32_t s = 0; s < 16; ++s) sum += lanes[s];
  return sum;
}

void KERNEL(general_conv_dw)(const void* raw, const coppice_run_state* rs, const coppice_item* item) {
  const coppice_general_conv_args* args = (const coppice_general_conv_args*)raw;
  const coppice_conv_shape* c = &args->shape;
  const coppice_csr* w = args->weights;
  const int32_t width = args->y.width;
  const int64_t positions = (int64_t)c->out_height * c->out_width;
  for (int32_t part = item->part_begin; part < item->part_end; ++part) {
    const int32_t begin = args->part_start[part], end = args->part_start[part + 1];
    int32_t o = 0;
    for (int32_t k = begin; k < end; ++k) {
      while (w->indptr[o + 1] <= k) ++o;
      const conv_tap tap = tap_of(c, o, w->indices[k]);
      float lanes[16] = {0};
      for (int32_t tile = item->tile_begin; tile < item->tile_end; ++tile) {
        const int32_t columns = columns_of(rs, width, tile);
        const float* dy = coppice_tile(&args->y, rs, tile) + o * positions * width;
        const float* plane =
            coppice_tile(&args->x, rs, tile) + (int64_t)tap.channel * c->height * c->width * width;
        for (int32_t p = 0; p < c->out_height; ++p) {
          const int32_t row = source(p, c->stride_h, tap.dy, c->height, c->wrap);
          if (row < 0) continue;
          for (int32_t q = 0; q < c->out_width; ++q) {
            const int32_t column = source(q, c->stride_w, tap.dx, c->width, c->wrap);
            if (column < 0) continue;
            const float* in = plane + ((int64_t)row * c->width + column) * width;
            const float* g = dy + ((int64_t)p * c->out_width + q) * width;
            for (int32_t s = 0; s < columns; ++s) lanes[s % 16] += g[s] * in[s];
          }
        }
      }
      float* to = args->gradient ? args->gradient + k : (float*)item->scratch + (k - begin);
      *to = (args->gradient && rs->accumulate ? *to : 0.0f) + lane_sum(lanes);
    }
  }
}

void KERNEL(channel_sum)(const void* raw, const coppice_run_state* rs, const coppice_item* item) {
  const coppice_channel_sum_args* args = (const coppice_channel_sum_args*)raw;
  const int32_t width = args->dy.width;
  for (int32_t part = item->part_begin; part < item->part_end; ++part) {
    const int32_t begin = part * args->part_channels;
    const int32_t end = begin + args->part_channels < args->channels ? begin + args->part_channels : args->channels;
    for (int32_t channel = begin; channel < end; ++channel) {
      float lanes[16] = {0};
      for (int32_t tile = item->tile_begin; tile < item->tile_end; ++tile) {
        const int32_t columns = columns_of(rs, width, tile);
        const float* dy = coppice_tile(&args->dy, rs, tile) + (int64_t)channel * args->positions * width;
        for (int32_t p = 0; p < args->positions; ++p)
          for (int32_t s = 0; s < columns; ++s) lanes[s % 16] += dy[(int64_t)p * width + s];
      }
      float* to = args->gradient ? args->gradient + channel : (float*)item->scratch + (channel - begin);
      *to = (args->gradient && rs->accumulate ? *to : 0.0f) + lane_sum(lanes);
    }
  }
}
