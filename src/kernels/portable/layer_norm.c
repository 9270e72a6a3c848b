/* SPDX-License-Identifier: Apache-2.0
 * Layer normalisation (Ba, Kiros and Hinton 2016). A sample is a column of its tile, so a vector of them is
 * normalised side by side, without a sum over lanes. */
#include "coppice_image.h"
#include "portable.h"

/* An element of 16 samples; of 8 for AVX2, where gcc 12 moves what is wider than a register by way of integer
 * registers (twice the time). */
#if defined(COPPICE_ISA_avx2)
enum { LANES = 8 };
#else
enum { LANES = 16 };
#endif
typedef float pixel __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

static inline pixel* at(float* row, int32_t index) { return (pixel*)(row + index); }

static inline float elements_of(coppice_extent e) { return (float)((double)e.channels * e.height * e.width); }

/* Mean, what its rounding lost, and 1 / deviation of LANES samples. */
typedef struct statistics {
  pixel mean, lost, inverse;
} statistics;

static inline statistics read_statistics(const coppice_layer_norm_args* args, float* tile, int32_t column) {
  const int32_t width = args->statistics.width;
  const statistics out = {*at(tile, column), *at(tile, width + column), *at(tile, 2 * width + column)};
  return out;
}

static inline pixel normalised(pixel x, const statistics* of) {
  return ((x - of->mean) - of->lost) * of->inverse;
}

/* Sums of x - shift and of its square. */
static inline void sums_around(const coppice_layer_norm_args* args, float* x_tile, int32_t column,
                               pixel shift, pixel* sum, pixel* square) {
  const coppice_extent e = args->extent;
  const int32_t width = args->x.width;
  pixel sums = {0.0f}, squares = sums;
  for (int32_t c = 0; c < e.channels; ++c)
    for (int32_t y = 0; y < e.height; ++y) {
      float* x = coppice_pixel_row(&args->x, x_tile, e, c, y) + column;
      /* Two chains each, so that an addition need not wait for the one before; a row at a time, so that long
       * sums do not lose the digits of their terms. */
      pixel one = {0.0f}, two = one, one_b = one, two_b = one;
      int32_t i = 0;
      for (; i + 1 < e.width; i += 2) {
        const pixel v = *at(x, i * width) - shift, w = *at(x, (i + 1) * width) - shift;
        one += v;
        one_b += w;
        two += v * v;
        two_b += w * w;
      }
      if (i < e.width) {
        const pixel v = *at(x, i * width) - shift;
        one += v;
        two += v * v;
      }
      sums += one + one_b;
      squares += two + two_b;
    }
  *sum = sums;
  *square = squares;
}

/* Two passes: the sums around the mean give the variance without cancellation, and by how much the mean is
 * off. Where it is large against the deviation, that is more than a float can say, so it is kept beside it.
 */
static inline statistics find_statistics(const coppice_layer_norm_args* args, float* x_tile, int32_t column) {
  const float n = elements_of(args->extent);
  const pixel zero = {0.0f};
  pixel sum, square;
  statistics out;
  sums_around(args, x_tile, column, zero, &sum, &square);
  out.mean = sum / n;
  sums_around(args, x_tile, column, out.mean, &sum, &square);
  out.lost = sum / n;
  const pixel variance = square / n - out.lost * out.lost;
  for (int32_t s = 0; s < LANES; ++s) {
    /* A NaN passes. */
    const double v = variance[s] < 0.0f ? 0.0 : (double)variance[s];
    out.inverse[s] = (float)(1.0 / sqrt(v + (double)args->epsilon));
  }
  return out;
}

/* Reads x, writes statistics and y = scale * normalised x + bias. */
void KERNEL(layer_norm)(const void* raw, const coppice_run_state* rs, const coppice_item* item) {
  const coppice_layer_norm_args* args = (const coppice_layer_norm_args*)raw;
  const coppice_extent e = args->extent;
  const int32_t width = args->x.width;
  for (int32_t tile = item->tile_begin; tile < item->tile_end; ++tile) {
    float* x_tile = coppice_tile(&args->x, rs, tile);
    float* y_tile = coppice_tile(&args->y, rs, tile);
    float* kept = coppice_tile(&args->statistics, rs, tile);
    for (int32_t column = 0; column < columns_of(rs, width, tile); column += LANES) {
      const statistics of = find_statistics(args, x_tile, column);
      *at(kept, column) = of.mean;
      *at(kept, width + column) = of.lost;
      *at(kept, 2 * width + column) = of.inverse;
      for (int32_t c = 0, k = 0; c < e.channels; ++c)
        for (int32_t y = 0; y < e.height; ++y) {
          float* in = coppice_pixel_row(&args->x, x_tile, e, c, y) + column;
          float* out = coppice_pixel_row(&args->y, y_tile, e, c, y) + column;
          for (int32_t i = 0; i < e.width; ++i, ++k)
            *at(out, i * width) = normalised(*at(in, i * width), &of) * args->scale[k] + args->bias[k];
        }
    }
    for (int32_t c = 0; c < e.channels; ++c) coppice_fill_halo(&args->y, y_tile, e, c);
  }
}

/* dx = (g - mean of g - normalised x * mean of (g * normalised x)) / deviation, g = scale * dy, both means
 * over the sample. dy is 0 in padding columns, so dx is. */
void KERNEL(layer_norm_dx)(const void* raw, const coppice_run_state* rs, const coppice_item* item) {
  const coppice_layer_norm_args* args = (const coppice_layer_norm_args*)raw;
  const coppice_extent e = args->extent;
  const int32_t width = args->x.width;
  const float n = elements_of(e);
  for (int32_t tile = item->tile_begin; tile < item->tile_end; ++tile) {
    float* x_tile = coppice_tile(&args->x, rs, tile);
    float* dy_tile = coppice_tile(&args->y, rs, tile);
    float* dx_tile = coppice_tile(&args->dx, rs, tile);
    for (int32_t column = 0; column < columns_of(rs, width, tile); column += LANES) {
      const statistics of = read_statistics(args, coppice_tile(&args->statistics, rs, tile), column);
      pixel one = {0.0f}, two = one;
      for (int32_t c = 0, k = 0; c < e.channels; ++c)
        for (int32_t y = 0; y < e.height; ++y) {
          float* x = coppice_pixel_row(&args->x, x_tile, e, c, y) + column;
          float* dy = coppice_pixel_row(&args->y, dy_tile, e, c, y) + column;
          for (int32_t i = 0; i < e.width; ++i, ++k) {
            const pixel g = *at(dy, i * width) * args->scale[k];
            one += g;
            two += g * normalised(*at(x, i * width), &of);
          }
        }
      one /= n;
      two /= n;
      for (int32_t c = 0, k = 0; c < e.channels; ++c)
        for (int32_t y = 0; y < e.height; ++y) {
          float* x = coppice_pixel_row(&args->x, x_tile, e, c, y) + column;
          float* dy = coppice_pixel_row(&args->y, dy_tile, e, c, y) + column;
          float* dx = coppice_pixel_row(&args->dx, dx_tile, e, c, y) + column;
          for (int32_t i = 0; i < e.width; ++i, ++k) {
            const pixel g = *at(dy, i * width) * args->scale[k];
            *at(dx, i * width) = (g - one - normalised(*at(x, i * width), &of) * two) * of.inverse;
          }
        }
    }
    for (int32_t c = 0; c < e.channels; ++c) coppice_fill_halo(&args->dx, dx_tile, e, c);
  }
}

/* sums[k] = sum over the tile of dy[k] (the gradient of the bias), or, if x is there, of dy[k] * normalised
 * x[k] (that of the scale). dy is 0 in padding columns. */
void KERNEL(layer_norm_sums)(const void* raw, const coppice_run_state* rs, const coppice_item* item) {
  const coppice_layer_norm_args* args = (const coppice_layer_norm_args*)raw;
  const coppice_extent e = args->extent;
  const int32_t width = args->y.width;
  for (int32_t tile = item->tile_begin; tile < item->tile_end; ++tile) {
    float* dy_tile = coppice_tile(&args->y, rs, tile);
    float* x_tile = args->x.width ? coppice_tile(&args->x, rs, tile) : NULL;
    float* kept = x_tile ? coppice_tile(&args->statistics, rs, tile) : NULL;
    float* sums = coppice_tile(&args->sums, rs, tile);
    const int32_t columns = columns_of(rs, width, tile);
    for (int32_t c = 0; c < e.channels; ++c)
      for (int32_t y = 0; y < e.height; ++y) {
        float* dy = coppice_pixel_row(&args->y, dy_tile, e, c, y);
        float* x = x_tile ? coppice_pixel_row(&args->x, x_tile, e, c, y) : NULL;
        for (int32_t i = 0; i < e.width; ++i) {
          pixel sum = {0.0f};
          for (int32_t column = 0; column < columns; column += LANES) {
            pixel term = *at(dy, i * width + column);
            if (x) {
              const statistics of = read_statistics(args, kept, column);
              term *= normalised(*at(x, i * width + column), &of);
            }
            sum += term;
          }
          float total = 0.0f;
          for (int32_t s = 0; s < LANES; ++s) total += sum[s];
          *sums++ = total;
        }
      }
  }
}
