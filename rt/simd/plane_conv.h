/* SPDX-License-Identifier: Apache-2.0
 * What the convolutions of one sample share: pixels run flat over a plane at the pitch of x, and where y has
 * that pitch, too, its rows and the halo between them are written as one run. */
#ifndef COPPICE_PLANE_CONV_H
#define COPPICE_PLANE_CONV_H

#include "../c/planes.h"
#include "kernels_simd.h"

typedef struct conv_pixels {
  plane_band band;
  int64_t pitch;  /* of x */
  int32_t count;  /* from the first pixel to the last one, at that pitch */
  int32_t direct; /* y has that pitch */
  int64_t room;   /* in y: from the first pixel to the end of what the band writes */
} conv_pixels;

/* The last band has the halo below; one before has that of the last row and the next one's, unless halos
 * repeat pixels: then each row has its own, and those below and above belong to whoever has the pixels. */
INLINE int64_t conv_room_behind(const coppice_plane* y, const plane_band* band) {
  if (y->wrap && band->bottom - band->top != y->height) return y->halo;
  return band->bottom == y->height ? y->halo * (coppice_plane_pitch(y) + 1) : 2 * (int64_t)y->halo;
}

INLINE conv_pixels conv_pixels_of(const coppice_plane_conv* conv, const plane_band* band) {
  const coppice_plane* y = &conv->y;
  conv_pixels pixels = {.band = *band};
  pixels.pitch = coppice_plane_pitch(&conv->x);
  pixels.count = (int32_t)((band->bottom - band->top - 1) * pixels.pitch) + y->width;
  pixels.direct = coppice_plane_pitch(y) == pixels.pitch;
  pixels.room = pixels.count + conv_room_behind(y, band);
  return pixels;
}

/* The planes that a row's weights read, where the band begins. */
INLINE const char* conv_group(const coppice_plane_conv* conv, const conv_pixels* pixels,
                              const coppice_run_state* rs, const coppice_item* item, int32_t row,
                              int32_t size) {
  return plane_channel(&conv->x, rs, item, row / conv->group_rows * conv->group_channels, size) +
         pixels->band.top * pixels->pitch * size;
}

/* Rows from `row` on that read the same planes, as many as scratch has room for. */
INLINE int32_t conv_rows_together(const coppice_plane_conv* conv, int32_t row, int32_t end) {
  const int32_t group_end = (row / conv->group_rows + 1) * conv->group_rows;
  return plane_least(plane_least(group_end, end) - row, COPPICE_APPLY_ROWS);
}

/* Where a row's sums lie in scratch, if they cannot go to y. */
INLINE int64_t conv_scratch_row(const conv_pixels* pixels) { return pixels->count + 64; }

#endif
