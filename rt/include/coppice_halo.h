/* SPDX-License-Identifier: Apache-2.0
 * The rim of pixels around a plane that a convolution reads instead of asking where the image ends. */
#ifndef COPPICE_HALO_H
#define COPPICE_HALO_H

#include <stdint.h>
#include <string.h>

/* The pixel that stands at coordinate `at` of an axis that wraps around. */
static inline int32_t coppice_wrapped(int32_t at, int32_t size) { return (at % size + size) % size; }

/* Equal bytes. */
static inline void coppice_halo_set(char* to, int32_t fill, int64_t bytes) {
  const uint64_t all = (uint64_t)(uint8_t)fill * 0x0101010101010101u;
  if (bytes >= 8 && bytes <= 32) {
    for (int64_t i = 0; i + 8 < bytes; i += 8) memcpy(to + i, &all, 8);
    memcpy(to + bytes - 8, &all, 8);
  } else {
    memset(to, fill, (size_t)bytes);
  }
}

/* What lies between rows of pixels, `count` times. Rims of small planes are many: to ask for each how wide it
 * is would take longer than to fill it. */
static inline void coppice_halo_sides(char* to, int64_t row, int32_t count, int32_t fill, int64_t bytes) {
  const uint64_t all = (uint64_t)(uint8_t)fill * 0x0101010101010101u;
  if (bytes == 2)
    for (int32_t i = 0; i < count; ++i) memcpy(to + i * row, &all, 2);
  else if (bytes == 8)
    for (int32_t i = 0; i < count; ++i) memcpy(to + i * row, &all, 8);
  else
    for (int32_t i = 0; i < count; ++i) coppice_halo_set(to + i * row, fill, bytes);
}

/* The rim, every byte of it `fill`, as far as rows [top, bottom) of pixels are responsible for it: threads
 * may share the rows. What ends a row and begins the next one lies together, and is of the former. */
static inline void coppice_halo_fill(char* plane, int32_t height, int32_t width, int32_t pixel, int32_t halo,
                                     int32_t fill, int32_t top, int32_t bottom) {
  const int64_t row = (int64_t)(width + 2 * halo) * pixel, side = (int64_t)halo * pixel;
  if (top == 0) coppice_halo_set(plane, fill, halo * row + side);
  const int32_t between = bottom == height ? bottom - top - 1 : bottom - top;
  coppice_halo_sides(plane + (halo + top + 1) * row - side, row, between, fill, 2 * side);
  if (bottom == height) coppice_halo_set(plane + (halo + height) * row - side, fill, halo * row + side);
}

/* The rim, with the pixels of the opposite edge: what repeats rows [top, bottom) of pixels. */
static inline void coppice_halo_wrap(char* plane, int32_t height, int32_t width, int32_t pixel, int32_t halo,
                                     int32_t top, int32_t bottom) {
  const int64_t row = (int64_t)(width + 2 * halo) * pixel, side = (int64_t)halo * pixel;
  for (int32_t y = halo + top; y < halo + bottom; ++y) {
    char* inner = plane + y * row + side;
    for (int32_t i = 0; i < halo; ++i) {
      const int64_t at = (int64_t)i * pixel;
      memcpy(inner - side + at, inner + (int64_t)coppice_wrapped(i - halo, width) * pixel, (size_t)pixel);
      memcpy(inner + (int64_t)width * pixel + at, inner + (int64_t)coppice_wrapped(i, width) * pixel,
             (size_t)pixel);
    }
  }
  for (int32_t y = -halo; y < height + halo; y += y == -1 ? height + 1 : 1) {
    const int32_t from = coppice_wrapped(y, height);
    if (from >= top && from < bottom)
      memcpy(plane + (halo + y) * row, plane + (halo + from) * row, (size_t)row);
  }
}

/* Fills the halo of one plane [height + 2 halo][width + 2 halo][samples] whose inner pixels are written: with
 * zeros, or with the pixels of the opposite edge. */
static inline void coppice_fill_halo(float* plane, int32_t height, int32_t width, int32_t samples,
                                     int32_t halo, int32_t wrap) {
  const int32_t pixel = samples * (int32_t)sizeof(float);
  if (halo == 0) return;
  if (wrap)
    coppice_halo_wrap((char*)plane, height, width, pixel, halo, 0, height);
  else
    coppice_halo_fill((char*)plane, height, width, pixel, halo, 0, 0, height);
}

#endif
