/* SPDX-License-Identifier: Apache-2.0
 * Walking a tiled image: [channels][height + 2 halo][width + 2 halo][S]. A flat value is an image of 1 x 1
 * pixels. */
#ifndef COPPICE_IMAGE_H
#define COPPICE_IMAGE_H

#include "coppice_program.h"

typedef struct coppice_extent {
  int32_t channels, height, width;
} coppice_extent;

/* First float of pixel (channel, y, 0) of a tile that starts at `tile`; the row's pixels follow, S floats
 * each. */
static inline float* coppice_pixel_row(const coppice_tiled* value, float* tile, coppice_extent e,
                                       int32_t channel, int32_t y) {
  const int64_t row = e.width + 2 * value->halo, plane = row * (e.height + 2 * value->halo);
  return tile + (channel * plane + (y + value->halo) * row + value->halo) * value->width;
}

/* Writes the pixels around the plane of one channel: zeros, or the opposite edge. */
static inline void coppice_fill_halo(const coppice_tiled* value, float* tile, coppice_extent e,
                                     int32_t channel) {
  const int32_t halo = value->halo, width = value->width;
  if (halo == 0) return;
  for (int32_t y = -halo; y < e.height + halo; ++y) {
    const int inside = y >= 0 && y < e.height;
    const int32_t from_y = ((y % e.height) + e.height) % e.height;
    float* row = coppice_pixel_row(value, tile, e, channel, y);
    const float* from = coppice_pixel_row(value, tile, e, channel, from_y);
    for (int32_t x = -halo; x < e.width + halo; ++x) {
      if (inside && x == 0) x = e.width; /* the row itself */
      if (x >= e.width + halo) break;
      const int32_t from_x = ((x % e.width) + e.width) % e.width;
      for (int32_t s = 0; s < width; ++s)
        row[(int64_t)x * width + s] = value->wrap ? from[(int64_t)from_x * width + s] : 0.0f;
    }
  }
}

#endif
