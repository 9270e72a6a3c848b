/* SPDX-License-Identifier: Apache-2.0
 * Batch normalisation (Ioffe and Szegedy 2015). Sums are kept per tile and added in tile order, in double;
 * they are taken around the running mean, so that a mean far from 0 costs no digits. */
#include <math.h>

#include "coppice_image.h"
#include "portable.h"

enum { S = 16 };

/* The 16 samples of a pixel. A vector type, as sums in a plain array are stored and loaded for every pixel.
 */
typedef float pixel __attribute__((vector_size(64), aligned(4), may_alias));

static inline double channel_total(const coppice_tiled* sums, const coppice_run_state* rs, int32_t index) {
  double total = 0.0;
  for (int32_t tile = 0; tile < coppice_tile_count(rs, S); ++tile)
    total += (double)coppice_tile(sums, rs, tile)[index];
  return total;
}

static inline float lane_total(const pixel* lanes, int32_t valid) {
  float total = 0.0f;
  for (int32_t s = 0; s < valid; ++s) total += (*lanes)[s];
  return total;
}

/* sums[c] = sum of (x - shift), sums[C + c] = sum of (x - shift)^2 over the tile's valid samples; shift:
 * running mean. */
void KERNEL(batch_norm_sums)(const void* raw, const coppice_run_state* rs, const coppice_item* item) {
  const coppice_batch_norm_args* args = (const coppice_batch_norm_args*)raw;
  const coppice_extent e = args->extent;
  if (!rs->training) return;
  for (int32_t tile = item->tile_begin; tile < item->tile_end; ++tile) {
    const int32_t valid = coppice_valid(rs, S, tile);
    float* x_tile = coppice_tile(&args->x, rs, tile);
    float* sums = coppice_tile(&args->sums, rs, tile);
    for (int32_t c = 0; c < e.channels; ++c) {
      /* Two chains each, so that an addition need not wait for the one before. */
      pixel one = {0.0f}, two = one, one_b = one, two_b = one;
      const float shift = args->running_mean[c];
      for (int32_t y = 0; y < e.height; ++y) {
        const pixel* x = (const pixel*)coppice_pixel_row(&args->x, x_tile, e, c, y);
        int32_t i = 0;
        for (; i + 1 < e.width; i += 2) {
          const pixel v = x[i] - shift, w = x[i + 1] - shift;
          one += v;
          one_b += w;
          two += v * v;
          two_b += w * w;
        }
        if (i < e.width) {
          const pixel v = x[i] - shift;
          one += v;
          two += v * v;
        }
      }
      one += one_b;
      two += two_b;
      sums[c] = lane_total(&one, valid);
      sums[e.channels + c] = lane_total(&two, valid);
    }
  }
}

/* From the sums (training; also moves the running statistics) or the running statistics (evaluation): mean
 * and 1 / sqrt(variance + epsilon). The running variance is unbiased, as PyTorch keeps it. */
void KERNEL(batch_norm_finish)(const void* raw, const coppice_run_state* rs, const coppice_item* item) {
  const coppice_batch_norm_args* args = (const coppice_batch_norm_args*)raw;
  const int32_t channels = args->extent.channels;
  const double count = (double)rs->samples * args->extent.height * args->extent.width;
  (void)item;
  for (int32_t c = 0; c < channels; ++c) {
    double mean = (double)args->running_mean[c], variance = (double)args->running_variance[c];
    if (rs->training) {
      const double one = channel_total(&args->sums, rs, c) / count;
      const double two = channel_total(&args->sums, rs, channels + c) / count;
      mean += one;
      variance = two - one * one > 0.0 ? two - one * one : 0.0;
      const double m = (double)args->momentum,
                   unbiased = count > 1.0 ? variance * count / (count - 1.0) : variance;
      args->running_mean[c] = (float)((1.0 - m) * (double)args->running_mean[c] + m * mean);
      args->running_variance[c] = (float)((1.0 - m) * (double)args->running_variance[c] + m * unbiased);
    }
    args->mean[c] = (float)mean;
    args->inverse_deviation[c] = (float)(1.0 / sqrt(variance + (double)args->epsilon));
  }
}

void KERNEL(batch_norm)(const void* raw, const coppice_run_state* rs, const coppice_item* item) {
  const coppice_batch_norm_args* args = (const coppice_batch_norm_args*)raw;
  const coppice_extent e = args->extent;
  const float floor = args->activation ? 0.0f : -INFINITY;
  for (int32_t tile = item->tile_begin; tile < item->tile_end; ++tile) {
    float* x_tile = coppice_tile(&args->x, rs, tile);
    float* y_tile = coppice_tile(&args->y, rs, tile);
    float* residual = args->residual.width ? coppice_tile(&args->residual, rs, tile) : 0;
    for (int32_t c = 0; c < e.channels; ++c) {
      const float scale = args->scale[c] * args->inverse_deviation[c],
                  shift = args->bias[c] - args->mean[c] * scale;
      for (int32_t y = 0; y < e.height; ++y) {
        const float* in = coppice_pixel_row(&args->x, x_tile, e, c, y);
        float* out = coppice_pixel_row(&args->y, y_tile, e, c, y);
        if (residual) {
          const float* add = coppice_pixel_row(&args->residual, residual, e, c, y);
          for (int32_t i = 0; i < e.width * S; ++i) {
            const float v = in[i] * scale + shift + add[i];
            out[i] = v < floor ? floor : v;
          }
          continue;
        }
        for (int32_t i = 0; i < e.width * S; ++i) {
          const float v = in[i] * scale + shift;
          out[i] = v < floor ? floor : v;
        }
      }
      coppice_fill_halo(&args->y, y_tile, e, c);
    }
  }
}

/* Sums of dy and of dy * normalised x over the tile; with an activation dy counts where the output is above
 * 0. */
void KERNEL(batch_norm_grad_sums)(const void* raw, const coppice_run_state* rs, const coppice_item* item) {
  const coppice_batch_norm_args* args = (const coppice_batch_norm_args*)raw;
  const coppice_extent e = args->extent;
  for (int32_t tile = item->tile_begin; tile < item->tile_end; ++tile) {
    float* x_tile = coppice_tile(&args->x, rs, tile);
    float* dy_tile = coppice_tile(&args->y, rs, tile);
    float* sums = coppice_tile(&args->sums, rs, tile);
    for (int32_t c = 0; c < e.channels; ++c) {
      const float mean = args->mean[c], inverse = args->inverse_deviation[c];
      const float scale = args->scale[c] * inverse, shift = args->bias[c] - mean * scale;
      const float bar = args->activation ? 0.0f : -INFINITY;
      pixel one = {0.0f}, two = one;
      for (int32_t y = 0; y < e.height; ++y) {
        const float* x = coppice_pixel_row(&args->x, x_tile, e, c, y);
        const float* dy = coppice_pixel_row(&args->y, dy_tile, e, c, y);
        for (int32_t i = 0; i < e.width; ++i) {
          pixel g, product;
          for (int32_t s = 0; s < S; ++s) {
            const float v = x[i * S + s];
            g[s] = v * scale + shift > bar ? dy[i * S + s] : 0.0f;
            product[s] = g[s] * ((v - mean) * inverse);
          }
          one += g;
          two += product;
        }
      }
      /* dy is 0 in padding columns. */
      sums[c] = lane_total(&one, S);
      sums[e.channels + c] = lane_total(&two, S);
    }
  }
}

/* totals[i] = sum over tiles of sums[i]; i < 2C: the gradients of bias and scale. */
void KERNEL(batch_norm_totals)(const void* raw, const coppice_run_state* rs, const coppice_item* item) {
  const coppice_batch_norm_args* args = (const coppice_batch_norm_args*)raw;
  (void)item;
  for (int32_t i = 0; i < 2 * args->extent.channels; ++i)
    args->totals[i] = (float)channel_total(&args->sums, rs, i);
}

/* dx = scale / deviation * (dy - sum(dy) / n - normalised x * sum(dy * normalised x) / n), 0 in padding
 * columns. */
void KERNEL(batch_norm_dx)(const void* raw, const coppice_run_state* rs, const coppice_item* item) {
  const coppice_batch_norm_args* args = (const coppice_batch_norm_args*)raw;
  const coppice_extent e = args->extent;
  const float count = (float)((double)rs->samples * e.height * e.width);
  for (int32_t tile = item->tile_begin; tile < item->tile_end; ++tile) {
    const int32_t valid = coppice_valid(rs, S, tile);
    float keep[S];
    for (int32_t s = 0; s < S; ++s) keep[s] = s < valid ? 1.0f : 0.0f;
    float* x_tile = coppice_tile(&args->x, rs, tile);
    float* dy_tile = coppice_tile(&args->y, rs, tile);
    float* dx_tile = coppice_tile(&args->dx, rs, tile);
    for (int32_t c = 0; c < e.channels; ++c) {
      const float mean = args->mean[c], inverse = args->inverse_deviation[c];
      const float scale = args->scale[c] * inverse, shift = args->bias[c] - mean * scale;
      const float bar = args->activation ? 0.0f : -INFINITY;
      const float one = args->totals[c] / count, two = args->totals[e.channels + c] / count * inverse;
      for (int32_t y = 0; y < e.height; ++y) {
        const float* x = coppice_pixel_row(&args->x, x_tile, e, c, y);
        const float* dy = coppice_pixel_row(&args->y, dy_tile, e, c, y);
        float* dx = coppice_pixel_row(&args->dx, dx_tile, e, c, y);
        for (int32_t i = 0; i < e.width; ++i)
          for (int32_t s = 0; s < S; ++s) {
            const float v = x[i * S + s], g = v * scale + shift > bar ? dy[i * S + s] : 0.0f;
            dx[i * S + s] = scale * (g - one - (v - mean) * two) * keep[s];
          }
      }
      coppice_fill_halo(&args->dx, dx_tile, e, c);
    }
  }
}

/* The gradient of scale or bias is a range of the totals. Parts as in gradients of vectors. */
void KERNEL(batch_norm_dw)(const void* raw, const coppice_run_state* rs, const coppice_item* item) {
  const coppice_vector_gradient_args* args = (const coppice_vector_gradient_args*)raw;
  for (int32_t part = item->part_begin; part < item->part_end; ++part) {
    const int32_t begin = part * args->part_length;
    const int32_t end = begin + args->part_length < args->length ? begin + args->part_length : args->length;
    for (int32_t i = begin; i < end; ++i) {
      float* to = args->gradient ? args->gradient + i : (float*)item->scratch + (i - begin);
      *to = (args->gradient && rs->accumulate ? *to : 0.0f) + args->totals[args->first + i];
    }
  }
}
