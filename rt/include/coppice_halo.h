/* SPDX-License-Identifier: Apache-2.0
 * The rim of pixels around a plane that a convolution reads instead of asking where the image ends. */
#ifndef COPPICE_HALO_H
#define COPPICE_HALO_H

#include <stdint.h>
#include <string.h>

/* The pixel that stands at coordinate `at` of an axis that wraps around. */
static inline int32_t coppice_wrapped(int32_t at, int32_t size) { return (at % size + size) % size; }

static inline void coppice_halo_copy(float* to, const float* from, int64_t floats) {
  memcpy(to, from, (size_t)floats * sizeof(float));
}
static inline void coppice_halo_clear(float* to, int64_t floats) {
  memset(to, 0, (size_t)floats * sizeof(float));
}

/* Fills the halo of one plane [height + 2 halo][width + 2 halo][samples] whose inner pixels are written: with
 * zeros, or with the pixels of the opposite edge. */
static inline void coppice_fill_halo(float* plane, int32_t height, int32_t width, int32_t samples,
                                     int32_t halo, int32_t wrap) {
  if (halo == 0) return;
  const int64_t row = (int64_t)(width + 2 * halo) * samples, side = (int64_t)halo * samples;
  for (int32_t y = halo; y < halo + height; ++y) {
    float* left = plane + y * row;
    float* right = left + side + (int64_t)width * samples;
    if (!wrap) {
      coppice_halo_clear(left, side);
      coppice_halo_clear(right, side);
      continue;
    }
    for (int32_t i = 0; i < halo; ++i) {
      const int64_t at = (int64_t)i * samples;
      coppice_halo_copy(left + at, left + side + (int64_t)coppice_wrapped(i - halo, width) * samples,
                        samples);
      coppice_halo_copy(right + at, left + side + (int64_t)coppice_wrapped(i, width) * samples, samples);
    }
  }
  float* bottom = plane + (int64_t)(halo + height) * row;
  if (!wrap) {
    coppice_halo_clear(plane, halo * row);
    coppice_halo_clear(bottom, halo * row);
    return;
  }
  for (int32_t i = 0; i < halo; ++i) {
    coppice_halo_copy(plane + i * row, plane + (halo + coppice_wrapped(i - halo, height)) * row, row);
    coppice_halo_copy(bottom + i * row, plane + (halo + coppice_wrapped(i, height)) * row, row);
  }
}

#endif
