/* SPDX-License-Identifier: Apache-2.0
 * How the plain C kernels walk weights, and the pixels that these read. */
#ifndef COPPICE_PLANE_WEIGHTS_H
#define COPPICE_PLANE_WEIGHTS_H

#include "planes.h"

/* The column of entry `at` of a row; before: that of the entry before it, 0 for the first. */
static inline int32_t column_of(const coppice_rows* f, uint32_t at, uint32_t start, int32_t before) {
  if (!f->delta) return (int32_t)(at - start);
  return before + f->delta[at];
}

static inline float weight_of(const coppice_rows* f, const float* scale, int32_t row, uint32_t at) {
  return scale ? (float)((const int8_t*)f->value)[at] * scale[row] : ((const float*)f->value)[at];
}

/* The pixels of a band of a convolution: sums of `count` of them, at the pitch of x, lie in scratch. */
typedef struct conv_run {
  const coppice_plane_conv* conv;
  const coppice_run_state* rs;
  const coppice_item* item;
  const plane_band* band;
  int64_t pitch;
  int32_t count;
} conv_run;

static inline conv_run run_of(const coppice_plane_conv* conv, const coppice_run_state* rs,
                              const coppice_item* item, const plane_band* band) {
  const int64_t pitch = coppice_plane_pitch(&conv->x);
  const int32_t count = (int32_t)((band->bottom - band->top - 1) * pitch) + conv->y.width;
  const conv_run run = {conv, rs, item, band, pitch, count};
  return run;
}

static inline const char* group_of(const conv_run* run, int32_t row, int32_t size) {
  const coppice_plane_conv* conv = run->conv;
  return plane_channel(&conv->x, run->rs, run->item, row / conv->group_rows * conv->group_channels, size) +
         run->band->top * run->pitch * size;
}

#endif
