/* SPDX-License-Identifier: Apache-2.0
 * Where the dense gradient reads, shared by its plain and its fast kernel. The pixels of a batch lie in
 * lines: a row of pixels, or, where an image is one pixel, the same features of all tiles. */
#ifndef COPPICE_DENSE_DW_LINES_H
#define COPPICE_DENSE_DW_LINES_H

#include "kernels/train_kernels.h"

/* Some lines, each of `pixels` pixels of `samples` samples; distances in floats. */
typedef struct dense_dw_lines {
  const float *x, *dy; /* first pixel of channel 0 and output 0; x: where tap (0, 0) of it reads */
  int64_t x_line, dy_line, x_pixel, dy_pixel;
  int32_t lines, pixels, samples;
} dense_dw_lines;

typedef struct dense_dw_planes {
  int64_t x_channel, x_tap_row, x_tap_column, dy_output;
} dense_dw_planes;

static inline dense_dw_planes dense_dw_planes_of(const coppice_dense_dw_args* a) {
  const coppice_conv_shape* c = &a->shape;
  const int64_t x_row = (int64_t)(c->width + 2 * a->x.halo) * a->x.width;
  const int64_t dy_row = (int64_t)(c->out_width + 2 * a->dy.halo) * a->dy.width;
  const dense_dw_planes planes = {(c->height + 2 * a->x.halo) * x_row, c->dilation_h * x_row,
                                  (int64_t)c->dilation_w * a->x.width,
                                  (c->out_height + 2 * a->dy.halo) * dy_row};
  return planes;
}

/* The lines of `first` and after, at most `most` of them; lines == 0 where there are none left. Lines are
 * numbered through the tiles of the item, and those of one answer are equally far apart. */
static inline dense_dw_lines dense_dw_lines_from(const coppice_dense_dw_args* a, const coppice_run_state* rs,
                                                 const coppice_item* item, int32_t first, int32_t most) {
  const coppice_conv_shape* c = &a->shape;
  const int32_t width = a->x.width, whole = c->out_height * c->out_width == 1;
  const int32_t of_tile = whole ? 1 : c->out_height;
  const int32_t tile = item->tile_begin + first / of_tile, row = first % of_tile;
  dense_dw_lines l = {0};
  if (tile >= item->tile_end || coppice_valid(rs, width, tile) == 0) return l;
  const int64_t x_row = (int64_t)(c->width + 2 * a->x.halo) * width;
  const int64_t dy_row = (int64_t)(c->out_width + 2 * a->dy.halo) * width;
  const int64_t up = a->x.halo - c->pad_h, left = a->x.halo - c->pad_w;
  l.samples = coppice_columns(rs, width, tile);
  l.pixels = c->out_width;
  l.x_pixel = (int64_t)c->stride_w * width;
  l.dy_pixel = width;
  l.x_line = whole ? a->x.tile_stride : c->stride_h * x_row;
  l.dy_line = whole ? a->dy.tile_stride : dy_row;
  l.x = coppice_tile(&a->x, rs, tile) + (row * c->stride_h + up) * x_row + left * width;
  l.dy = coppice_tile(&a->dy, rs, tile) + (row + a->dy.halo) * dy_row + (int64_t)a->dy.halo * width;
  if (whole)
    while (l.lines < most && tile + l.lines < item->tile_end &&
           coppice_columns(rs, width, tile + l.lines) == l.samples)
      ++l.lines;
  else
    l.lines = of_tile - row < most ? of_tile - row : most;
  return l;
}

/* A column of a row: channel of the group, tap y, tap x. offset: where it reads, relative to
 * dense_dw_lines.x. */
typedef struct dense_dw_column {
  int64_t offset;
  int32_t tap_y, tap_x;
} dense_dw_column;

static inline dense_dw_column dense_dw_first_column(const coppice_conv_shape* c,
                                                    const dense_dw_planes* planes, int32_t group) {
  const dense_dw_column first = {(int64_t)group * (c->channels / c->groups) * planes->x_channel, 0, 0};
  return first;
}

static inline void dense_dw_next_column(const coppice_conv_shape* c, const dense_dw_planes* planes,
                                        dense_dw_column* at) {
  at->offset += planes->x_tap_column;
  if (++at->tap_x < c->kernel_w) return;
  at->tap_x = 0;
  at->offset += planes->x_tap_row - c->kernel_w * planes->x_tap_column;
  if (++at->tap_y < c->kernel_h) return;
  at->tap_y = 0;
  at->offset += planes->x_channel - c->kernel_h * planes->x_tap_row;
}

#endif
