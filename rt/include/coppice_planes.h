/* SPDX-License-Identifier: Apache-2.0
 * Convolutions of one sample, and everything between matrix products: planes of pixels, in 32-bit floats or
 * in 8-bit integers, whose answers are the same bits on every machine. Pixels of a row are innermost, so a
 * weight multiplies a run of them, whatever its pattern.
 *
 * The rules of coppice_kernels.h hold; items have one tile, which is the sample. */
#ifndef COPPICE_PLANES_H
#define COPPICE_PLANES_H

#include "coppice_apply.h"

#ifdef __cplusplus
extern "C" {
#endif

/* [channels][height + 2 halo][width + 2 halo] of float or int8. COPPICE_PLANE_SLACK bytes behind it are
 * readable. Whoever writes it fills the halo: with `fill` (0; the zero point of integers), or, if `wrap`,
 * with the pixels of the opposite edge. A flat value is channels x 1 x 1. */
typedef struct coppice_plane {
  coppice_vector at;
  int32_t channels, height, width, halo, wrap, fill;
} coppice_plane;

enum { COPPICE_PLANE_SLACK = 64 };

static inline int64_t coppice_plane_pitch(const coppice_plane* p) { return (int64_t)p->width + 2 * p->halo; }
static inline int64_t coppice_plane_area(const coppice_plane* p) {
  return ((int64_t)p->height + 2 * p->halo) * coppice_plane_pitch(p);
}

/* ---- weights one by one, for any pattern of single weights. The columns of a row ascend: the first one is
 * delta[start[row]], each other one the one before plus its delta. An entry whose delta spans more than 255
 * columns has others with weight 0 before it. delta == NULL: every row has all columns, and start[row] is
 * row * cols. */
typedef struct coppice_rows {
  int32_t rows, cols;
  int32_t part_rows;
  const uint32_t* start; /* [rows + 1] */
  const uint8_t* delta;  /* [entries]; 8 readable ones follow the last */
  const void* value;     /* [entries] float or int8; 8 readable ones follow the last */
} coppice_rows;

/* y = max(W x + bias, low) of vectors. Parts: ranges of part_rows rows. */
typedef struct coppice_rows_f32_args {
  const coppice_rows* weights; /* value: float; or int8, each to be multiplied with scale[row] */
  const float* scale;          /* [rows] of int8 values, or NULL: they are floats */
  const float* bias;           /* [rows], or NULL */
  coppice_vector x, y;         /* float [cols], [rows] */
  float low;
} coppice_rows_f32_args;

/* As coppice_apply_i8_args say it; value: int8. bias starts the sums: the zero point of x is taken off. */
typedef struct coppice_rows_i8_args {
  const coppice_rows* weights;
  const int32_t* bias;               /* [rows] */
  coppice_vector x, y;               /* int8 [cols]; int8 or float [rows] */
  const int32_t *multiplier, *shift; /* [rows]; NULL: y is float */
  int32_t zero_point, low, high;
  const float* scale; /* [rows] */
  float low_float;
} coppice_rows_i8_args;

/* ---- the same weights laid out anew, for vectors that look numbers of x up in registers: rows by sixteens,
 * those with the most weights first, columns by ranges of as many as those registers hold. In a range the 16
 * rows take steps together, as many as the one with the most weights wants; a step has `each` weights of
 * every row, and where a row has no more they are 0. A session makes this of coppice_rows where there is a
 * kernel for it. */
enum { COPPICE_LOOKUP_RANGES = 4096 }; /* at most */
typedef struct coppice_lookup {
  int32_t rows, cols;
  int32_t bits, each;     /* a range has 2^bits columns; each: 4 where x is int8, 1 where it is float */
  int32_t groups, ranges; /* ceil(rows / 16); how many ranges have all columns */
  int32_t part_groups;
  const int32_t* order;   /* [groups * 16]: which row it is; the last ones may not exist */
  const uint16_t* steps;  /* [groups][ranges] */
  const uint32_t* start;  /* [groups + 1], counts steps */
  const uint8_t* index;   /* [steps][16][each], of a column in its range */
  const void* value;      /* [steps][16][each] float or int8; 64-byte aligned, as index is */
  const int32_t* row_sum; /* where x is int8: [groups * 16], in that order, as in coppice_apply_i8 */
} coppice_lookup;

/* As coppice_rows_f32_args say it. Parts: ranges of part_groups groups. */
typedef struct coppice_lookup_f32_args {
  const coppice_lookup* weights;
  const float *scale, *bias;
  coppice_vector x, y;
  float low;
} coppice_lookup_f32_args;

/* As coppice_apply_i8_args say it, but for their weights; what there is of each row comes in the order of the
 * groups. Scratch: x, filled up to a whole range. */
typedef struct coppice_lookup_i8_args {
  const coppice_lookup* weights;
  const int32_t* bias; /* [groups * 16] */
  coppice_apply_i8_args as;
} coppice_lookup_i8_args;

/* ---- convolutions: y[row][p] = max(bias[row] + sum over k of w[row][k] * x[offset[k] + p] + add[row][p],
 * low), where p = v * pitch + u is pixel (v, u) of y and pitch that of x. So a step of one pixel: a larger
 * stride reads phases that coppice_copy_args made. offset is counted in elements from the start of x's group
 * of channels: group_channels of them for each group_rows rows, all of them for a convolution that has no
 * groups. It is at least 0, and no output reads past the last plane of its group. Weights are coppice_rows,
 * or, in a call of the other kernel, 16 rows together as coppice_apply.h has them; group_rows is a multiple
 * of 16 then, or all rows. Parts: ranges of the weights' part_rows, or part_block_rows. Where pitch and halo
 * of y are those of x, sums may be stored in place and the halo be filled behind them.
 * part_height: see below. Bands of less than COPPICE_PLANE_LEAST_BAND pixels at the pitch of x may add the
 * floats of coppice_rows in another order. */
enum { COPPICE_PLANE_LEAST_BAND = 64 };
typedef struct coppice_plane_conv {
  const int32_t* offset; /* [cols rounded up to 4] */
  coppice_plane x, y;
  int32_t group_rows, group_channels;
  int32_t part_height;
} coppice_plane_conv;

typedef struct coppice_plane_conv_f32_args {
  coppice_plane_conv conv;
  const void* weights;      /* coppice_rows, or coppice_apply_f32 */
  const float* scale;       /* of coppice_rows with int8 values, or NULL: they are floats */
  const float* bias;        /* [rows], or NULL */
  const coppice_plane* add; /* of the size of y, its halo may be another; may be y itself. Or NULL */
  float low;
} coppice_plane_conv_f32_args;

/* No addend. Sums as in coppice_apply_i8_args; y is int8, or float where multiplier is NULL. */
typedef struct coppice_plane_conv_i8_args {
  coppice_plane_conv conv;
  const void* weights; /* coppice_rows with int8 values, or coppice_apply_i8 (which has a bias) */
  const int32_t* bias; /* [rows], of coppice_rows */
  const int32_t *multiplier, *shift; /* [rows rounded up to 16]; NULL: y is float */
  int32_t zero_point, low, high;
  const float* scale; /* [rows rounded up to 16] */
  float low_float;
} coppice_plane_conv_i8_args;

/* Bytes of scratch that the convolution kernels want: 16 rows of sums at the pitch of x, and what integers
 * are prepared in. */
static inline int64_t coppice_plane_conv_scratch(const coppice_plane_conv* c) {
  return (c->y.height * coppice_plane_pitch(&c->x) + 64) * 16 * 4;
}

/* ---- the rest. Parts: ranges of part_channels channels of y, and, where part_height is not 0, of each of
 * these ranges of part_height rows of pixels of y, one after the other: whatever writes planes can be cut so.
 */

/* Windows over each channel, clipped to the pixels that exist, of which there is at least one. Integers: the
 * maximum is int8 with the zero point of x; a mean is float: ((float)(sum - count * x.fill) * scale) /
 * (float)divisor, as x.fill is the zero point of x. `divisor` is the number of pixels that exist, or, if
 * count_padding, of the whole window. */
typedef struct coppice_plane_pool_args {
  coppice_plane x, y;
  int32_t kernel[2], stride[2], padding[2]; /* y, x; padding: how far the first windows reach out */
  int32_t maximum, count_padding;
  float scale; /* of int8 x */
  int32_t part_channels, part_height;
} coppice_plane_pool_args;

/* f32: y = max(a + b, low), or max(a * b, low) where `product`. b may have one pixel for each channel.
 * int8 (sums only): y = clamp((a * multiplier_a + b * multiplier_b + offset) >> shift, low, high) in 32 bits,
 * which nothing overflows; the shift, in [1, 30], rounds towards minus infinity: offset has half of 2^shift
 * and the zero points. */
typedef struct coppice_plane_add_args {
  coppice_plane a, b, y;
  int32_t product;
  float low;
  int32_t multiplier_a, multiplier_b, offset, shift, low_i8, high_i8;
  int32_t part_channels, part_height;
} coppice_plane_add_args;

typedef enum coppice_function {
  COPPICE_FN_CLIP,       /* max(min(x, q), p); relu is p = 0, q = infinity. A NaN passes */
  COPPICE_FN_LEAKY_RELU, /* x < 0 ? p * x : x */
  COPPICE_FN_ELU,        /* x < 0 ? p * (exp(x) - 1) : x */
  COPPICE_FN_SIGMOID,
  COPPICE_FN_TANH,
  COPPICE_FN_SILU,
  COPPICE_FN_GELU,         /* x * (1 + erf(x / sqrt 2)) / 2 */
  COPPICE_FN_GELU_TANH,    /* by tanh */
  COPPICE_FN_HARD_SIGMOID, /* clip(x / 6 + 1/2, 0, 1) */
  COPPICE_FN_HARD_SWISH,
  COPPICE_FN_COUNT
} coppice_function;

/* y = f(x), as the training kernels compute it. int8: y = table[x + 128]. */
typedef struct coppice_plane_map_args {
  coppice_plane x, y;
  int32_t function;
  float p, q;
  const int8_t* table; /* [256] */
  int32_t part_channels, part_height;
} coppice_plane_map_args;

/* y = s * z + t with z = x, or x * slope where x < 0 and there are slopes; then max(., low). All are
 * [channels]; any of scale and shift, or slope, may be NULL. */
typedef struct coppice_plane_affine_args {
  coppice_plane x, y;
  const float *scale, *shift, *slope;
  float low;
  int32_t part_channels, part_height;
} coppice_plane_affine_args;

/* y = scale * (x - mean) / sqrt(variance + epsilon) + shift over all numbers of the sample. One part. */
typedef struct coppice_plane_norm_args {
  coppice_plane x, y;
  const float *scale, *shift; /* [channels][height][width], without halo */
  float epsilon;
} coppice_plane_norm_args;

/* Copies float or int8, as the kernel says: pixel (v, u) of channel y_channel + (c * phases + i) * phases + j
 * of y is pixel (top + v * step_y + i, left + u * step_x + j) of channel
 * x_channel + c * step_c of x, for c in [0, channels) and i, j in [0, phases). Where x has none, it is
 * y.fill, or, if `wrap`, the pixel at the opposite edge. With phases = 1: slices, padding, concatenation;
 * with phases = step_y = step_x = stride what a convolution with that stride reads. Parts: ranges of
 * part_channels of `channels`. Halos of y are filled for the channels written. */
typedef struct coppice_plane_copy_args {
  coppice_plane x, y;
  int32_t x_channel, step_c, y_channel, channels;
  int32_t top, left, step_y, step_x;
  int32_t phases, wrap;
  int32_t part_channels, part_height;
} coppice_plane_copy_args;

/* to int8: y = clamp(rint(x * inverse_scale) + zero_point, -128, 127), halves to even, a NaN is the zero
 * point. To float: y = (float)(x - zero_point) * scale. */
typedef struct coppice_plane_quantise_args {
  coppice_plane x, y;
  float scale, inverse_scale;
  int32_t zero_point;
  int32_t part_channels, part_height;
} coppice_plane_quantise_args;

/* y[b][a] = x[a][b] of floats: the samples of a tile one after the other become, feature by feature, samples
 * side by side, which is how a step of planes takes them for pixels; or the way back. Heights are 1, halos 0.
 * Parts: ranges of part_channels channels of y. */
typedef struct coppice_plane_turn_args {
  coppice_plane x, y;
  int32_t part_channels;
} coppice_plane_turn_args;

/* The kernels of one instruction set. */
typedef struct coppice_plane_kernels {
  coppice_kernel rows_f32, rows_i8;     /* coppice_rows_f32_args, coppice_rows_i8_args */
  coppice_kernel lookup_f32, lookup_i8; /* coppice_lookup_f32_args, coppice_lookup_i8_args; or NULL */
  int32_t lookup_f32_bits, lookup_i8_bits;
  coppice_kernel conv_rows_f32,
      conv_blocks_f32; /* coppice_plane_conv_f32_args: coppice_rows, coppice_apply_f32 */
  coppice_kernel conv_rows_i8,
      conv_blocks_i8;                  /* coppice_plane_conv_i8_args: coppice_rows, coppice_apply_i8 */
  coppice_kernel pool_f32, pool_i8;    /* coppice_plane_pool_args */
  coppice_kernel add_f32, add_i8;      /* coppice_plane_add_args */
  coppice_kernel map_f32, map_i8;      /* coppice_plane_map_args */
  coppice_kernel affine;               /* coppice_plane_affine_args */
  coppice_kernel norm;                 /* coppice_plane_norm_args */
  coppice_kernel copy_f32, copy_i8;    /* coppice_plane_copy_args */
  coppice_kernel quantise, dequantise; /* coppice_plane_quantise_args */
  coppice_kernel turn;                 /* coppice_plane_turn_args */
} coppice_plane_kernels;

#ifdef __cplusplus
}
#endif
#endif
