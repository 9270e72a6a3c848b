/* SPDX-License-Identifier: Apache-2.0
 * The loop of kernels that map each element on its own. */
#ifndef COPPICE_PORTABLE_MAP_H
#define COPPICE_PORTABLE_MAP_H

#include "coppice_image.h"
#include "portable.h"

/* Runs BODY for every i of every row of pixels: a[i], b[i] and out[i] belong to each other. CHANNEL is done
 * once for each channel c. */
#define MAP_CHANNELS(CHANNEL, BODY)                                                                \
  const coppice_map_args* args = (const coppice_map_args*)raw;                                     \
  const coppice_extent e = args->extent;                                                           \
  const int32_t width = args->out.width;                                                           \
  for (int32_t tile = item->tile_begin; tile < item->tile_end; ++tile) {                           \
    const int32_t count = e.height * e.width == 1 ? columns_of(rs, width, tile) : e.width * width; \
    float* a_tile = coppice_tile(&args->a, rs, tile);                                              \
    float* b_tile = args->b.width ? coppice_tile(&args->b, rs, tile) : a_tile;                     \
    const coppice_tiled* b_value = args->b.width ? &args->b : &args->a;                            \
    float* out_tile = coppice_tile(&args->out, rs, tile);                                          \
    for (int32_t c = 0; c < e.channels; ++c) {                                                     \
      CHANNEL                                                                                      \
      for (int32_t y = 0; y < e.height; ++y) {                                                     \
        const float* a = coppice_pixel_row(&args->a, a_tile, e, c, y);                             \
        const float* b = coppice_pixel_row(b_value, b_tile, e, c, y);                              \
        float* out = coppice_pixel_row(&args->out, out_tile, e, c, y);                             \
        for (int32_t i = 0; i < count; ++i) BODY                                                   \
      }                                                                                            \
      coppice_fill_halo(&args->out, out_tile, e, c);                                               \
    }                                                                                              \
  }

#define MAP(BODY) MAP_CHANNELS(, BODY)

#endif
