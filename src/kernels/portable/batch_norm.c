/* SPDX-License-Identifier: Apache-2.0
 * Batch normalisation (Ioffe and Szegedy 2015). Mean and squared deviation are kept per tile and joined in
 * tile order, in double (Chan, Golub and LeVeque 1979). */
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

static inline double lane_total(const pixel* lanes, int32_t valid) {
  double total = 0.0;
  for (int32_t s = 0; s < valid; ++s) total += (double)(*lanes)[s];
  return total;
}

/* sums[c] = mean of x over the tile's valid samples, sums[C + c] = sum of (x - mean)^2. x is summed around a
 * shift near the mean, the pixel in the middle averaged over the samples: where the mean is large against the
 * deviation, sums around 0 or around running statistics that do not know it yet would cancel out. */
void KERNEL(batch_norm_sums)(const void* raw, const coppice_run_state* rs, const coppice_item* item) {
  const coppice_batch_norm_args* args = (const coppice_batch_norm_args*)raw;
  const coppice_extent e = args->extent;
  for (int32_t tile = item->tile_begin; tile < item->tile_end; ++tile) {
    const int32_t valid = coppice_valid(rs, S, tile);
    float* x_tile = coppice_tile(&args->x, rs, tile);
    float* sums = coppice_tile(&args->sums, rs, tile);
    for (int32_t c = 0; c < e.channels; ++c) {
      /* Two chains each, so that an addition need not wait for the one before. */
      pixel one = {0.0f}, two = one, one_b = one, two_b = one;
      const pixel* middle =
          (const pixel*)coppice_pixel_row(&args->x, x_tile, e, c, e.height / 2) + e.width / 2;
      const float shift = (float)(lane_total(middle, valid) / valid);
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
      const double sum = lane_total(&one, valid), square = lane_total(&two, valid);
      const double mean = sum / ((double)valid * e.height * e.width);
      sums[c] = (float)((double)shift + mean);
      sums[e.channels + c] = (float)(square - sum * mean);
    }
  }
}

/* Joins the tiles: returns the mean, and the sum of squared deviations from it. */
static double join_tiles(const coppice_batch_norm_args* args, const coppice_run_state* rs, int32_t channel,
                         double* deviation) {
  const int32_t tiles = coppice_tile_count(rs, S), channels = args->extent.channels;
  double sum = 0.0, square = 0.0;
  for (int32_t tile = 0; tile < tiles; ++tile)
    sum += coppice_valid(rs, S, tile) * (double)coppice_tile(&args->sums, rs, tile)[channel];
  const double mean = sum / rs->samples, pixels = (double)args->extent.height * args->extent.width;
  for (int32_t tile = 0; tile < tiles; ++tile) {
    const float* sums = coppice_tile(&args->sums, rs, tile);
    const double off = (double)sums[channel] - mean;
    square += (double)sums[channels + channel] + coppice_valid(rs, S, tile) * pixels * off * off;
  }
  *deviation = square;
  return mean;
}

static inline float inverse_deviation(double variance, float epsilon) {
  return (float)(1.0 / sqrt(variance + (double)epsilon));
}

/* From the sums: mean and 1 / sqrt(variance + epsilon); moves the running statistics, of which the variance
 * is unbiased, as PyTorch keeps it. */
void KERNEL(batch_norm_finish)(const void* raw, const coppice_run_state* rs, const coppice_item* item) {
  const coppice_batch_norm_args* args = (const coppice_batch_norm_args*)raw;
  const int32_t channels = args->extent.channels;
  const double count = (double)rs->samples * args->extent.height * args->extent.width;
  (void)item;
  for (int32_t c = 0; c < channels; ++c) {
    double square;
    const double mean = join_tiles(args, rs, c, &square);
    /* A NaN passes. */
    const double variance = square < 0.0 ? 0.0 : square / count;
    const double m = (double)args->momentum,
                 unbiased = count > 1.0 ? variance * count / (count - 1.0) : variance;
    args->running_mean[c] = (float)((1.0 - m) * (double)args->running_mean[c] + m * mean);
    args->running_variance[c] = (float)((1.0 - m) * (double)args->running_variance[c] + m * unbiased);
    args->mean[c] = (float)mean;
    args->inverse_deviation[c] = inverse_deviation(variance, args->epsilon);
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
      const float mean = args->mean ? args->mean[c] : args->running_mean[c];
      const float inverse = args->mean ? args->inverse_deviation[c]
                                       : inverse_deviation((double)args->running_variance[c], args->epsilon);
      const float scale = args->scale[c] * inverse, bias = args->bias[c];
      for (int32_t y = 0; y < e.height; ++y) {
        const float* in = coppice_pixel_row(&args->x, x_tile, e, c, y);
        float* out = coppice_pixel_row(&args->y, y_tile, e, c, y);
        if (residual) {
          const float* add = coppice_pixel_row(&args->residual, residual, e, c, y);
          for (int32_t i = 0; i < e.width * S; ++i) {
            const float v = (in[i] - mean) * scale + bias + add[i];
            out[i] = v < floor ? floor : v;
          }
          continue;
        }
        for (int32_t i = 0; i < e.width * S; ++i) {
          const float v = (in[i] - mean) * scale + bias;
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
      const float scale = args->scale[c] * inverse, bias = args->bias[c];
      const float bar = args->activation ? 0.0f : -INFINITY;
      pixel one = {0.0f}, two = one;
      for (int32_t y = 0; y < e.height; ++y) {
        const float* x = coppice_pixel_row(&args->x, x_tile, e, c, y);
        const float* dy = coppice_pixel_row(&args->y, dy_tile, e, c, y);
        for (int32_t i = 0; i < e.width; ++i) {
          pixel g, product;
          for (int32_t s = 0; s < S; ++s) {
            const float v = x[i * S + s] - mean;
            g[s] = coppice_select(v * scale + bias > bar, dy[i * S + s], 0.0f);
            product[s] = g[s] * (v * inverse);
          }
          one += g;
          two += product;
        }
      }
      /* dy is 0 in padding columns. */
      sums[c] = (float)lane_total(&one, S);
      sums[e.channels + c] = (float)lane_total(&two, S);
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
      const float scale = args->scale[c] * inverse, bias = args->bias[c];
      const float bar = args->activation ? 0.0f : -INFINITY;
      const float one = args->totals[c] / count, two = args->totals[e.channels + c] / count * inverse;
      for (int32_t y = 0; y < e.height; ++y) {
        const float* x = coppice_pixel_row(&args->x, x_tile, e, c, y);
        const float* dy = coppice_pixel_row(&args->y, dy_tile, e, c, y);
        float* dx = coppice_pixel_row(&args->dx, dx_tile, e, c, y);
        for (int32_t i = 0; i < e.width; ++i)
          for (int32_t s = 0; s < S; ++s) {
            const float v = x[i * S + s] - mean;
            const float g = coppice_select(v * scale + bias > bar, dy[i * S + s], 0.0f);
            dx[i * S + s] = scale * (g - one - v * two) * keep[s];
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
