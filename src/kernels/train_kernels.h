/* SPDX-License-Identifier: Apache-2.0
 * Kernels that only training needs. The rules of coppice_kernels.h hold. Gradients of columns past the valid
 * samples are zero (up to coppice_columns), so a sum over samples may run over whole vectors. Sums over
 * samples add the tiles in their order. */
#ifndef COPPICE_TRAIN_KERNELS_H
#define COPPICE_TRAIN_KERNELS_H

#include "coppice_kernels.h"

#ifdef __cplusplus
extern "C" {
#endif

/* dX of a block format: dx[col] = sum over rows of w * dy[row], times (mask > 0) if mask.width is not 0.
 * Parts: column blocks. dx [tiles][cols][S], dy [tiles][rows][S], mask [tiles][cols][S]. */
typedef struct coppice_linear_dx_args {
  const coppice_blocks* weights;
  coppice_tiled dy, dx, mask;
} coppice_linear_dx_args;

/* dy [tiles][rows][S] -> out [tiles][ceil(rows/r)][S*r/16][r][16/r]: one vector then holds r rows x 16/r
 * samples, and dW needs no sum over lanes. Rows past `rows` become 0. S is a multiple of 16. Tile-local, one
 * part. */
typedef struct coppice_interleave_args {
  coppice_tiled dy, out;
  int32_t rows, r;
} coppice_interleave_args;

/* Gradient of the live weights, in the order of the format.
 * Part: one (panel, column block) pair, index panel * blocks + block; the weights of a part are contiguous.
 * gradient != NULL: written to (or, with rs->accumulate, added to) gradient[weight index]. gradient == NULL:
 * written to item->scratch, first weight of the part first; the item then has exactly one part. segments: dy
 * [tiles][rows][S]. blocks: dy interleaved as above. x [tiles][cols][S]. */
typedef struct coppice_linear_dw_args {
  const void* weights;
  coppice_tiled x, dy;
  float* gradient;
} coppice_linear_dw_args;

/* Convolution backward in one pass: dX and the gradient of the live weights. `weights` are the gathers of dX:
 * rows are x's channels, gathered is dy. A part is a panel of x's channels: it writes these channels of dx
 * (and their halo) for all tiles, and the gradient of its weights, in their order: the weights of a panel
 * over all gathers and blocks are contiguous from part_start[panel] on, gathers outermost, then blocks.
 * dx.width == 0: a first layer, dW alone. If addend.width is not 0, dx is added to it; then, if
 * mask.width is not 0, dx counts where mask > 0. item->scratch
 * also holds 16 sums for each weight at work (conv_bwd_scratch in formats/gather.h). tile_gradients.width ==
 * 0: an item has all tiles, and gradient is as in coppice_linear_dw_args. Else the gradient of each tile
 * alone is written to tile_gradients ([tiles][weights]; the rest of a tile is left as it is), an item may
 * have any tiles and parts, and coppice_tile_sum_args add them up: for images of many pixels
 * (conv_bwd_by_tiles in formats/gather.h), as a tile's dy is then read from far memory once instead of once
 * for each panel, and a layer of few channels has work for as many threads as there are tiles. */
typedef struct coppice_conv_bwd_args {
  const coppice_conv_weights* weights;
  coppice_tiled x, dy, dx, addend, mask;
  const int32_t* part_start; /* [panels + 1] */
  float* gradient;
  coppice_tiled tile_gradients;
} coppice_conv_bwd_args;

/* dX of a convolution in blocks, addend and mask as in coppice_conv_bwd_args. Parts: blocks of channels; a
 * part writes these channels of dx and their halo. */
typedef struct coppice_conv_blocks_dx_args {
  const coppice_conv_blocks* weights;
  coppice_tiled dy, dx, addend, mask;
} coppice_conv_blocks_dx_args;

/* Gradient of the weights of a convolution in blocks, in the order of the format; that of padding is 0.
 * Parts: panels of block rows, whose weights are contiguous. gradient and tile_gradients are as in
 * coppice_conv_bwd_args. item->scratch also holds 16 sums for each weight at work
 * (conv_blocks_dw_scratch in formats/conv_blocks.h). */
typedef struct coppice_conv_blocks_dw_args {
  const coppice_conv_blocks* weights;
  coppice_tiled x, dy;
  float* gradient;
  coppice_tiled tile_gradients;
} coppice_conv_blocks_dw_args;

/* The whole gradient of some rows of a weight, also where no weight lives: what is grown is chosen by it.
 * gradient[column][row] = sum over pixels and samples of dy[row][pixel] * x[what the column reads for it],
 * for the rows of a part and all columns (channel of the group, tap y, tap x), to item->scratch. An item has
 * one part and all tiles. Parts: COPPICE_DENSE_DW_ROWS rows, of which the last may have fewer: those that it
 * lacks are 0. x has a halo of at least the padding, with zeros or wrapped as the shape says. A linear layer
 * is a convolution of 1x1 on one pixel. */
typedef struct coppice_dense_dw_args {
  coppice_conv_shape shape;
  coppice_tiled x, dy;
} coppice_dense_dw_args;

/* As many as the largest block has, so that a part holds whole blocks. */
enum { COPPICE_DENSE_DW_ROWS = 16 };

static inline int64_t coppice_dense_dw_columns(const coppice_conv_shape* c) {
  return (int64_t)(c->channels / c->groups) * c->kernel_h * c->kernel_w;
}

/* Writes the places of those of the numbers [0, count) whose magnitude is not below the bar (a NaN is not) to
 * places, ascending. Returns how many they are, of which places has room for all. */
typedef int64_t (*coppice_screen)(const float* numbers, int64_t count, float bar, uint32_t* places);

/* gradient[i] = sum over the item's tiles of their i-th number, in their order. Parts are those of
 * part_start; gradient as in coppice_linear_dw_args. */
typedef struct coppice_tile_sum_args {
  coppice_tiled tiles;
  const int32_t* part_start;
  float* gradient;
} coppice_tile_sum_args;

/* Optimizer over flat arrays. part_start [parts + 1] cuts them; gradient == NULL: the part's gradient is in
 * item->scratch. The gradient is multiplied by rs->gradient_scale.
 * SGD (Sutskever's form, as PyTorch): g += decay*w; m = momentum*m + g; w -= lr * (nesterov ? g + momentum*m
 * : m). momentum == 0: moment1 is NULL. Adam (Kingma and Ba 2015): m = b1*m + (1-b1)*g; v = b2*v +
 * (1-b2)*g^2; w -= lr * (m*moment1_correction) / (sqrt(v*moment2_correction) + epsilon). decay is added to
 * the gradient (L2), or with decoupled = 1 w -= lr*decay*w comes first (AdamW). born may be NULL; where it is
 * not 0, Adam's corrections are those of the weight's own age: correction1/2[n] after n updates before this
 * one, n = rs->step - born, at most corrections - 1. */
typedef struct coppice_update_args {
  const int32_t* part_start;
  float* value;
  float* gradient;
  float* moment1;
  float* moment2;
  float beta1, beta2, epsilon; /* SGD: beta1 is the momentum */
  float decay;
  int32_t nesterov, decoupled;
  float* born;
  const float *correction1, *correction2; /* [corrections] */
  int32_t corrections;
} coppice_update_args;

static inline int32_t coppice_age(const coppice_update_args* a, const coppice_run_state* rs, float born) {
  const int64_t age = (int64_t)rs->step - (int64_t)born;
  if (age < 0) return 0;
  return age < a->corrections ? (int32_t)age : a->corrections - 1;
}

/* Refreshes a transposed copy: target[i] = source[position[i]]. Parts: ranges of part_weights entries. */
typedef struct coppice_refresh_args {
  float* target;
  const float* source;
  const int32_t* position;
  int32_t count, part_weights;
} coppice_refresh_args;

typedef struct coppice_train_table {
  const char* isa;
  coppice_kernel linear_blocks_dx;   /* coppice_linear_dx_args */
  coppice_kernel interleave;         /* coppice_interleave_args */
  coppice_kernel linear_segments_dw; /* coppice_linear_dw_args, coppice_segments */
  coppice_kernel linear_blocks_dw;   /* coppice_linear_dw_args, coppice_blocks */
  coppice_kernel conv_bwd;           /* coppice_conv_bwd_args */
  coppice_kernel conv_blocks_dx;     /* coppice_conv_blocks_dx_args */
  coppice_kernel conv_blocks_dw;     /* coppice_conv_blocks_dw_args */
  coppice_kernel tile_sum;           /* coppice_tile_sum_args */
  coppice_kernel dense_dw;           /* coppice_dense_dw_args */
  coppice_screen screen;
  coppice_kernel sgd, adam; /* coppice_update_args */
  coppice_kernel refresh;   /* coppice_refresh_args */
} coppice_train_table;

extern const coppice_train_table coppice_train_c;
#if defined(__x86_64__)
extern const coppice_train_table coppice_train_avx2;
extern const coppice_train_table coppice_train_avx512;
#elif defined(__aarch64__)
extern const coppice_train_table coppice_train_neon;
#endif

#ifdef __cplusplus
}
#endif
#endif
