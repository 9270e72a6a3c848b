/* SPDX-License-Identifier: Apache-2.0
 * How the fast convolutions cut an image: into register tiles of up to kMaxPixels pixels of 16 samples each.
 * A tile is 4 pixels wide where the image allows, 2 or 1 in what is left of a row, and as many rows high as
 * registers allow. */
#ifndef COPPICE_CONV_TILES_H
#define COPPICE_CONV_TILES_H

#include "kernels_simd.h"

enum { kSamples = 16, kPixelVectors = kSamples / LANES };

/* Binary logarithms: of the pixels of a register tile, and of its largest width. */
#if LANES == 16
enum { kLogPixels = 3, kLogWidth = 2 };
#define FOR_EACH_TILE(def) \
  def(2, 4) def(1, 4) def(4, 2) def(2, 2) def(1, 2) def(8, 1) def(4, 1) def(2, 1) def(1, 1)
#define TILE_TABLE(name)                                                                    \
  {                                                                                         \
    {name##_1x1, name##_2x1, name##_4x1, name##_8x1}, {name##_1x2, name##_2x2, name##_4x2}, \
        {name##_1x4, name##_2x4},                                                           \
  }
#elif LANES == 8
enum { kLogPixels = 2, kLogWidth = 2 };
#define FOR_EACH_TILE(def) def(1, 4) def(2, 2) def(1, 2) def(4, 1) def(2, 1) def(1, 1)
#define TILE_TABLE(name)                                                           \
  {                                                                                \
    {name##_1x1, name##_2x1, name##_4x1}, {name##_1x2, name##_2x2}, { name##_1x4 } \
  }
#else
enum { kLogPixels = 1, kLogWidth = 1 };
#define FOR_EACH_TILE(def) def(1, 2) def(2, 1) def(1, 1)
#define TILE_TABLE(name)                     \
  {                                          \
    {name##_1x1, name##_2x1}, { name##_1x2 } \
  }
#endif

/* Keeps a vector that several FMAs read in a register: compilers would rather load it again for each. */
#if defined(COPPICE_ISA_avx512)
#define KEEP_VECTOR(v) __asm__("" : "+v"(v))
#elif defined(COPPICE_ISA_avx2)
#define KEEP_VECTOR(v) __asm__("" : "+x"(v))
#else
#define KEEP_VECTOR(v) __asm__("" : "+w"(v))
#endif
/* Keeps an address in a register of its own: an FMA with an index register would be two operations. */
#define KEEP_ADDRESS(p) __asm__("" : "+r"(p))

/* r, c, j run over the rows, columns and vectors of a register tile; VECTOR numbers them. */
#define FOR_EACH_VECTOR                                                          \
  UNROLL for (int r = 0; r < rows; ++r) UNROLL for (int c = 0; c < columns; ++c) \
      UNROLL for (int j = 0; j < kPixelVectors; ++j)
#define VECTOR ((r * columns + c) * kPixelVectors + j)

/* Strides in floats between the planes of neighbouring rows of a gather, and between its pixels. at == NULL:
 * absent. */
typedef struct conv_image {
  float* at;
  int64_t plane, row, column;
} conv_image;

/* One register tile, one block of one panel. */
typedef struct conv_step {
  const coppice_segment *segment, *segment_end;
  const int32_t* offset;
  const float* value;
  const float* in;
  int64_t in_row, in_column;
  conv_image out, x, start, mask; /* at the panel's first row; start: what sums of dX begin with */
  const float* bias;              /* of the panel; NULL: none */
  float* lanes;                   /* backward: sums over pixels, [weight][16] */
  int first, last, relu;
} conv_step;

typedef void (*conv_run)(const conv_step* step);
typedef conv_run conv_runs[kLogWidth + 1][kLogPixels + 1];

/* A gather over one batch tile. */
typedef struct conv_walk {
  const coppice_gather* gather;
  int32_t panel_begin, panel_end;
  const float* in;
  conv_image out, x, addend, mask; /* at the gather's first pixel of row 0 */
  const float* bias;
  float* lanes; /* of weight first_weight, [weight][16]; NULL: forward */
  int32_t first_weight;
  int relu;
  const conv_runs* runs;
} conv_walk;

/* The inner pixels of a value whose planes are height x width, as one gather writes them. */
INLINE conv_image conv_image_of(const coppice_tiled* value, const coppice_run_state* rs, int32_t tile,
                                const coppice_conv_weights* w, const coppice_gather* g) {
  if (!value->width) return (conv_image){NULL, 0, 0, 0};
  const int64_t row = (int64_t)(w->out_width + 2 * value->halo) * kSamples;
  float* first = coppice_tile(value, rs, tile) + (value->halo + g->out_y) * row +
                 (int64_t)(value->halo + g->out_x) * kSamples;
  return (conv_image){first, (w->out_height + 2 * value->halo) * row, g->out_step * row,
                      (int64_t)g->out_step * kSamples};
}

INLINE conv_image conv_image_at(const conv_image* image, int64_t row, int64_t y, int64_t x) {
  conv_image result = *image;
  if (image->at) result.at += row * image->plane + y * image->row + x * image->column;
  return result;
}

/* Register tiles of columns [x, end) of one strip of rows. Block by block, so that neighbouring tiles find
 * the gathered pixels that they share, and the weights, in the L1. */
INLINE void conv_walk_strip(const conv_walk* w, int32_t y, int32_t x, int32_t end, int32_t columns,
                            conv_run run) {
  const coppice_gather* g = w->gather;
  for (int32_t block = 0; block < g->blocks; ++block)
    for (int32_t panel = w->panel_begin; panel < w->panel_end; ++panel) {
      const int32_t index = panel * (g->blocks + 1) + block, weight = g->weight_start[index];
      const int64_t row = (int64_t)panel * g->panel_rows;
      conv_step step = {
          .segment = g->segments + g->segment_start[index],
          .segment_end = g->segments + g->segment_start[index + 1],
          .offset = g->offset + weight,
          .value = g->value + weight,
          .in_row = (int64_t)g->in_row_step * kSamples,
          .in_column = (int64_t)g->in_column_step * kSamples,
          .bias = w->bias ? w->bias + row : NULL,
          .first = block == 0,
          .last = block == g->blocks - 1,
          .relu = w->relu,
      };
      if (w->lanes) step.lanes = w->lanes + (int64_t)(weight - w->first_weight) * kSamples;
      for (int32_t at = x; at < end; at += columns) {
        step.in = w->in + y * step.in_row + at * step.in_column;
        step.out = conv_image_at(&w->out, row, y, at);
        step.x = conv_image_at(&w->x, row, y, at);
        step.start = block == 0 ? conv_image_at(&w->addend, row, y, at) : step.out;
        step.mask = conv_image_at(&w->mask, row, y, at);
        run(&step);
      }
    }
}

/* Rows [begin, end) of a gather. */
INLINE void conv_walk_rows(const conv_walk* w, int32_t begin, int32_t end) {
  const int32_t width = w->gather->width;
  int32_t x = 0;
  for (int columns = kLogWidth; columns >= 0; --columns) {
    const int32_t right = x + ((width - x) >> columns << columns);
    int32_t y = begin;
    for (int rows = kLogPixels - columns; rows >= 0 && x < right; --rows)
      for (; y + (1 << rows) <= end; y += 1 << rows)
        conv_walk_strip(w, y, x, right, 1 << columns, (*w->runs)[columns][rows]);
    x = right;
  }
}

#endif
