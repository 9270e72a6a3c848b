/* SPDX-License-Identifier: Apache-2.0
 * What the kernels over planes share. Those that only read, compute and write pixel by pixel have one text:
 * the files of rt/c are compiled as plain C and, by way of rt/simd, once for each instruction set. */
#ifndef COPPICE_RT_PLANES_H
#define COPPICE_RT_PLANES_H

#include "coppice_halo.h"
#include "coppice_planes.h"

#ifndef COPPICE_ISA_NAME
#define COPPICE_ISA_NAME c
#endif
#define COPPICE_PLANE_JOIN_(name, isa) coppice_plane_##name##_##isa
#define COPPICE_PLANE_JOIN(name, isa) COPPICE_PLANE_JOIN_(name, isa)
/* PLANE(pool_f32) is coppice_plane_pool_f32_avx2 and so on. */
#define PLANE(name) COPPICE_PLANE_JOIN(name, COPPICE_ISA_NAME)
#define PLANE_KERNEL(name) \
  void PLANE(name)(const void* args, const coppice_run_state* rs, const coppice_item* item)

PLANE_KERNEL(rows_f32);
PLANE_KERNEL(rows_i8);
PLANE_KERNEL(conv_rows_f32);
PLANE_KERNEL(conv_blocks_f32);
PLANE_KERNEL(conv_rows_i8);
PLANE_KERNEL(conv_blocks_i8);
PLANE_KERNEL(pool_f32);
PLANE_KERNEL(pool_i8);
PLANE_KERNEL(add_f32);
PLANE_KERNEL(add_i8);
PLANE_KERNEL(map_f32);
PLANE_KERNEL(map_i8);
PLANE_KERNEL(affine);
PLANE_KERNEL(norm);
PLANE_KERNEL(copy_f32);
PLANE_KERNEL(copy_i8);
PLANE_KERNEL(quantise);
PLANE_KERNEL(dequantise);
PLANE_KERNEL(turn);

/* conv_rows_i8 and conv_blocks_i8 are given, as they may be those of another instruction set, and what looks
 * numbers up, as there may be no such thing. */
#define PLANE_TABLE(with_conv_rows_i8, with_conv_blocks_i8, with_lookup_f32, f32_bits, with_lookup_i8,      \
                    i8_bits)                                                                                \
  {                                                                                                         \
    .rows_f32 = PLANE(rows_f32), .rows_i8 = PLANE(rows_i8), .conv_rows_f32 = PLANE(conv_rows_f32),          \
    .conv_blocks_f32 = PLANE(conv_blocks_f32), .conv_rows_i8 = with_conv_rows_i8,                           \
    .conv_blocks_i8 = with_conv_blocks_i8, .pool_f32 = PLANE(pool_f32), .pool_i8 = PLANE(pool_i8),          \
    .add_f32 = PLANE(add_f32), .add_i8 = PLANE(add_i8), .map_f32 = PLANE(map_f32), .map_i8 = PLANE(map_i8), \
    .affine = PLANE(affine), .norm = PLANE(norm), .copy_f32 = PLANE(copy_f32), .copy_i8 = PLANE(copy_i8),   \
    .lookup_f32 = with_lookup_f32, .lookup_i8 = with_lookup_i8, .lookup_f32_bits = f32_bits,                \
    .lookup_i8_bits = i8_bits, .quantise = PLANE(quantise), .dequantise = PLANE(dequantise),                \
    .turn = PLANE(turn),                                                                                    \
  }

/* Before a loop whose output may be its input, element by element: without it the compiler tests whether they
 * overlap, and takes the slow way where they are the same. */
#if defined(__clang__)
#define SAME_ELEMENT _Pragma("clang loop vectorize(assume_safety)")
#elif defined(__GNUC__)
#define SAME_ELEMENT _Pragma("GCC ivdep")
#else
#define SAME_ELEMENT
#endif

static inline int32_t plane_least(int32_t a, int32_t b) { return a < b ? a : b; }
static inline int32_t plane_most(int32_t a, int32_t b) { return a > b ? a : b; }

/* Which of [0, count) the parts of an item are, in ranges of part_size. */
typedef struct plane_range {
  int32_t begin, end;
} plane_range;

static inline plane_range plane_parts(const coppice_item* item, int32_t part_size, int32_t count) {
  const plane_range range = {plane_least(item->part_begin * part_size, count),
                             plane_least(item->part_end * part_size, count)};
  return range;
}

/* A step over planes may be cut both ways: its parts are ranges of part_size channels (or rows of weights),
 * and of these ranges of part_height rows of pixels, one after the other; part_height is 0 where rows stay
 * together. A band is what some parts have in common: channels [begin, end), rows [top, bottom). */
typedef struct plane_band {
  int32_t begin, end, top, bottom;
  int32_t part; /* the next one */
} plane_band;

/* The next band of an item; 0: there is none. */
static inline int plane_next_band(plane_band* band, const coppice_item* item, int32_t part_size,
                                  int32_t count, int32_t part_height, int32_t height) {
  const int32_t left = item->part_end - band->part;
  if (left <= 0) return 0;
  const int32_t each = part_height > 0 ? (height + part_height - 1) / part_height : 1;
  const int32_t at = band->part / each, first = band->part % each;
  const int whole = first == 0 && left >= each;
  const int32_t parts = whole ? left / each * each : plane_least(each - first, left);
  band->begin = plane_least(at * part_size, count);
  band->end = plane_least((at + (whole ? parts / each : 1)) * part_size, count);
  band->top = whole ? 0 : first * part_height;
  band->bottom = whole ? height : plane_least((first + parts) * part_height, height);
  band->part += parts;
  return 1;
}

#define PLANE_BANDS(band, item, part_size, count, part_height, height) \
  for (plane_band band = {.part = (item)->part_begin};                 \
       plane_next_band(&(band), item, part_size, count, part_height, height);)

/* Those of a call that writes all channels of y. */
#define EACH_BAND(band, item, args) \
  PLANE_BANDS(band, item, (args)->part_channels, (args)->y.channels, (args)->part_height, (args)->y.height)

/* The first byte of a channel, its halo included, of elements of `size` bytes. */
static inline char* plane_channel(const coppice_plane* p, const coppice_run_state* rs,
                                  const coppice_item* item, int32_t channel, int32_t size) {
  return (char*)coppice_vector_of(&p->at, rs, item->tile_begin) + channel * coppice_plane_area(p) * size;
}

/* The first pixel behind the halo. */
static inline char* plane_pixels(const coppice_plane* p, const coppice_run_state* rs,
                                 const coppice_item* item, int32_t channel, int32_t size) {
  return plane_channel(p, rs, item, channel, size) + p->halo * (coppice_plane_pitch(p) + 1) * size;
}

/* The first one of a row of pixels. */
static inline char* plane_row(const coppice_plane* p, const coppice_run_state* rs, const coppice_item* item,
                              int32_t channel, int32_t row, int32_t size) {
  return plane_pixels(p, rs, item, channel, size) + row * coppice_plane_pitch(p) * size;
}

/* What the rows of a band owe of the halo. channel: of plane_channel(). Floats have 0 around them. */
static inline void plane_fill_halo(const coppice_plane* p, char* channel, int32_t size,
                                   const plane_band* band) {
  if (p->halo == 0) return;
  if (p->wrap)
    coppice_halo_wrap(channel, p->height, p->width, size, p->halo, band->top, band->bottom);
  else
    coppice_halo_fill(channel, p->height, p->width, size, p->halo, size == 1 ? p->fill : 0, band->top,
                      band->bottom);
}

/* How the pixels of a band are walked: row by row, or, where all planes have one pitch, at once with the halo
 * between the rows, which is filled afterwards. */
typedef struct plane_runs {
  int32_t count;
  int32_t length;
} plane_runs;

static inline plane_runs plane_runs_of(const plane_band* band, const coppice_plane* y, int one_pitch) {
  plane_runs runs = {band->bottom - band->top, y->width};
  if (one_pitch) {
    runs.length = (int32_t)((runs.count - 1) * coppice_plane_pitch(y)) + y->width;
    runs.count = 1;
  }
  return runs;
}

/* Where no plane has a halo, the channels of a band of all rows follow each other, and are walked as one run:
 * a flat value has one pixel in each. dense: of all planes but y. */
static inline int plane_dense(const coppice_plane* p, const coppice_plane* y) {
  return p->halo == 0 && p->width == y->width && p->height == y->height;
}

static inline void plane_join(const coppice_plane* y, int dense, plane_band* band, plane_runs* runs) {
  const int64_t length = coppice_plane_area(y) * (band->end - band->begin);
  if (y->halo != 0 || !dense || band->bottom - band->top != y->height || length <= 0 || length > INT32_MAX)
    return;
  band->end = band->begin + 1;
  runs->count = 1;
  runs->length = (int32_t)length;
}

#endif
