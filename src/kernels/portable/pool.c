/* SPDX-License-Identifier: Apache-2.0
 * Pooling over windows of pixels, and its gradients. Padding counts for nothing: a maximum is over the pixels
 * that exist, an average divides by the whole window (as PyTorch's default) unless told to leave it out. */
#include "coppice_image.h"
#include "portable.h"

enum { S = 16 };

/* The window of output (p, q), cut at the edges. */
typedef struct window {
  int32_t y0, y1, x0, x1;
} window;

static window window_of(const coppice_pool_args* args, int32_t p, int32_t q) {
  const int32_t y = p * args->stride[0] - args->padding[0], x = q * args->stride[1] - args->padding[1];
  const int32_t y_end = y + args->kernel[0], x_end = x + args->kernel[1];
  const window w = {y < 0 ? 0 : y, y_end < args->x_extent.height ? y_end : args->x_extent.height,
                    x < 0 ? 0 : x, x_end < args->x_extent.width ? x_end : args->x_extent.width};
  return w;
}

/* What an average multiplies the pixels of a window with. */
static float share_of(const coppice_pool_args* args, window w) {
  if (args->leaves_padding_out) return 1.0f / ((float)(w.y1 - w.y0) * (float)(w.x1 - w.x0));
  return 1.0f / ((float)args->kernel[0] * (float)args->kernel[1]);
}

/* Runs BODY for each output pixel: `out` points at it, `w` is its window, c its channel. */
#define FOR_EACH_WINDOW(OUT, BODY)                                                \
  for (int32_t c = 0; c < oe.channels; ++c) {                                     \
    for (int32_t p = 0; p < oe.height; ++p)                                       \
      for (int32_t q = 0; q < oe.width; ++q) {                                    \
        float* out = coppice_pixel_row(&args->y, OUT, oe, c, p) + (int64_t)q * S; \
        const window w = window_of(args, p, q);                                   \
        BODY                                                                      \
      }                                                                           \
  }

void KERNEL(max_pool)(const void* raw, const coppice_run_state* rs, const coppice_item* item) {
  const coppice_pool_args* args = (const coppice_pool_args*)raw;
  const coppice_extent oe = args->y_extent;
  for (int32_t tile = item->tile_begin; tile < item->tile_end; ++tile) {
    float* x_tile = coppice_tile(&args->x, rs, tile);
    float* y_tile = coppice_tile(&args->y, rs, tile);
    FOR_EACH_WINDOW(y_tile, {
      for (int32_t s = 0; s < S; ++s) out[s] = -INFINITY;
      for (int32_t y = w.y0; y < w.y1; ++y)
        for (int32_t x = w.x0; x < w.x1; ++x) {
          const float* in = coppice_pixel_row(&args->x, x_tile, args->x_extent, c, y) + (int64_t)x * S;
          /* Once NaN, a maximum stays NaN. */
          for (int32_t s = 0; s < S; ++s) out[s] = in[s] > out[s] || in[s] != in[s] ? in[s] : out[s];
        }
    })
    for (int32_t c = 0; c < oe.channels; ++c) coppice_fill_halo(&args->y, y_tile, oe, c);
  }
}

static void clear(const coppice_tiled* value, float* tile, coppice_extent e) {
  for (int32_t c = 0; c < e.channels; ++c) {
    for (int32_t y = 0; y < e.height; ++y) {
      float* row = coppice_pixel_row(value, tile, e, c, y);
      for (int32_t i = 0; i < e.width * S; ++i) row[i] = 0.0f;
    }
    coppice_fill_halo(value, tile, e, c);
  }
}

/* The first pixel of the window that equals the maximum receives the gradient. y: the pool's output, dy its
 * gradient. */
void KERNEL(max_pool_grad)(const void* raw, const coppice_run_state* rs, const coppice_item* item) {
  const coppice_pool_args* args = (const coppice_pool_args*)raw;
  const coppice_extent oe = args->y_extent;
  for (int32_t tile = item->tile_begin; tile < item->tile_end; ++tile) {
    float* x_tile = coppice_tile(&args->x, rs, tile);
    float* dx_tile = coppice_tile(&args->dx, rs, tile);
    float* dy_tile = coppice_tile(&args->dy, rs, tile);
    clear(&args->dx, dx_tile, args->x_extent);
    FOR_EACH_WINDOW(coppice_tile(&args->y, rs, tile), {
      const float* dy = coppice_pixel_row(&args->dy, dy_tile, oe, c, p) + (int64_t)q * S;
      float left[S];
      for (int32_t s = 0; s < S; ++s) left[s] = dy[s];
      for (int32_t y = w.y0; y < w.y1; ++y)
        for (int32_t x = w.x0; x < w.x1; ++x) {
          const float* in = coppice_pixel_row(&args->x, x_tile, args->x_extent, c, y) + (int64_t)x * S;
          float* to = coppice_pixel_row(&args->dx, dx_tile, args->x_extent, c, y) + (int64_t)x * S;
          for (int32_t s = 0; s < S; ++s) {
            const float take = in[s] == out[s] ? left[s] : 0.0f;
            to[s] += take;
            left[s] = in[s] == out[s] ? 0.0f : left[s];
          }
        }
    })
    for (int32_t c = 0; c < args->x_extent.channels; ++c)
      coppice_fill_halo(&args->dx, dx_tile, args->x_extent, c);
  }
}

void KERNEL(avg_pool)(const void* raw, const coppice_run_state* rs, const coppice_item* item) {
  const coppice_pool_args* args = (const coppice_pool_args*)raw;
  const coppice_extent oe = args->y_extent;
  for (int32_t tile = item->tile_begin; tile < item->tile_end; ++tile) {
    float* x_tile = coppice_tile(&args->x, rs, tile);
    float* y_tile = coppice_tile(&args->y, rs, tile);
    FOR_EACH_WINDOW(y_tile, {
      const float scale = share_of(args, w);
      for (int32_t s = 0; s < S; ++s) out[s] = 0.0f;
      for (int32_t y = w.y0; y < w.y1; ++y)
        for (int32_t x = w.x0; x < w.x1; ++x) {
          const float* in = coppice_pixel_row(&args->x, x_tile, args->x_extent, c, y) + (int64_t)x * S;
          for (int32_t s = 0; s < S; ++s) out[s] += in[s] * scale;
        }
    })
    for (int32_t c = 0; c < oe.channels; ++c) coppice_fill_halo(&args->y, y_tile, oe, c);
  }
}

void KERNEL(avg_pool_grad)(const void* raw, const coppice_run_state* rs, const coppice_item* item) {
  const coppice_pool_args* args = (const coppice_pool_args*)raw;
  const coppice_extent oe = args->y_extent;
  for (int32_t tile = item->tile_begin; tile < item->tile_end; ++tile) {
    float* dx_tile = coppice_tile(&args->dx, rs, tile);
    clear(&args->dx, dx_tile, args->x_extent);
    /* y stands for dy here: the same shape. */
    FOR_EACH_WINDOW(coppice_tile(&args->y, rs, tile), {
      const float scale = share_of(args, w);
      for (int32_t y = w.y0; y < w.y1; ++y)
        for (int32_t x = w.x0; x < w.x1; ++x) {
          float* to = coppice_pixel_row(&args->dx, dx_tile, args->x_extent, c, y) + (int64_t)x * S;
          for (int32_t s = 0; s < S; ++s) to[s] += out[s] * scale;
        }
    })
    for (int32_t c = 0; c < args->x_extent.channels; ++c)
      coppice_fill_halo(&args->dx, dx_tile, args->x_extent, c);
  }
}

/* x [C][H][W][16] -> y [C][S of y]: the tiles of y hold several of x. */
void KERNEL(global_pool)(const void* raw, const coppice_run_state* rs, const coppice_item* item) {
  const coppice_pool_args* args = (const coppice_pool_args*)raw;
  const coppice_extent e = args->x_extent;
  const int32_t to = args->y.width;
  const float scale = args->sums ? 1.0f : 1.0f / (float)(e.height * e.width);
  for (int32_t tile = item->tile_begin; tile < item->tile_end; ++tile) {
    float* y_tile = coppice_tile(&args->y, rs, tile);
    for (int32_t s0 = 0; s0 < to; s0 += S) {
      const int32_t source = (tile * to + s0) / S;
      const int exists = source < coppice_tile_count(rs, S);
      float* x_tile = exists ? coppice_tile(&args->x, rs, source) : NULL;
      for (int32_t c = 0; c < e.channels; ++c) {
        float sum[S] = {0};
        for (int32_t y = 0; exists && y < e.height; ++y) {
          const float* row = coppice_pixel_row(&args->x, x_tile, e, c, y);
          for (int32_t x = 0; x < e.width; ++x)
            for (int32_t s = 0; s < S; ++s) sum[s] += row[(int64_t)x * S + s];
        }
        for (int32_t s = 0; s < S; ++s) y_tile[(int64_t)c * to + s0 + s] = sum[s] * scale;
      }
    }
  }
}

/* y stands for dy: [C][S of y]. Tiles are those of dx. */
void KERNEL(global_pool_grad)(const void* raw, const coppice_run_state* rs, const coppice_item* item) {
  const coppice_pool_args* args = (const coppice_pool_args*)raw;
  const coppice_extent e = args->x_extent;
  const int32_t from = args->y.width;
  const float scale = args->sums ? 1.0f : 1.0f / (float)(e.height * e.width);
  for (int32_t tile = item->tile_begin; tile < item->tile_end; ++tile) {
    float* dx_tile = coppice_tile(&args->dx, rs, tile);
    const float* dy_tile = coppice_tile(&args->y, rs, tile * S / from) + tile * S % from;
    for (int32_t c = 0; c < e.channels; ++c) {
      const float* dy = dy_tile + (int64_t)c * from;
      for (int32_t y = 0; y < e.height; ++y) {
        float* row = coppice_pixel_row(&args->dx, dx_tile, e, c, y);
        for (int32_t x = 0; x < e.width; ++x)
          for (int32_t s = 0; s < S; ++s) row[(int64_t)x * S + s] = dy[s] * scale;
      }
      coppice_fill_halo(&args->dx, dx_tile, e, c);
    }
  }
}
