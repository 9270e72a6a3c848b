/* SPDX-License-Identifier: Apache-2.0
 * The kernels of the runtime: their arguments, and the table that one instruction set fills.
 *
 * Rules that all kernels keep:
 *  - A kernel does the tiles and parts of its item and nothing else. The bits of an output element depend
 * neither on how the work was cut into items nor on the number of threads: each is summed by one thread in a
 * fixed order.
 *  - Of a tile with v valid samples it computes coppice_columns() columns: v rounded up to 16, at most S. The
 * columns past v may hold any finite value on input and must stay finite (zero, in gradients); those past
 *    coppice_columns() are neither read nor written. Empty tiles are skipped.
 *  - It never touches rows at or past `rows`, nor allocates, nor fails. */
#ifndef COPPICE_KERNELS_H
#define COPPICE_KERNELS_H

#include "coppice_planes.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum coppice_activation {
  COPPICE_ACT_NONE,
  COPPICE_ACT_RELU, /* max(x, 0); a NaN passes, so that a network that diverges shows it in its loss */
} coppice_activation;

/* ---- weight formats of linear layers
 * -----------------------------------------------------------------------------
 *
 * Single weights (1x1). The columns are cut into blocks of block_cols (a gathered tile of that many rows fits
 * the L1), the rows into panels of panel_rows. Storage order: panel, block, then segments (the weights of one
 * row in this block), sorted by length so that the trip count is predictable. Every row of a panel has a
 * segment in the first block (it starts the sums) and in the last (it ends them), an empty one if need be; in
 * the blocks between, rows without weights have none. */
typedef struct coppice_segment {
  uint16_t row;   /* within the panel */
  uint16_t count; /* weights */
} coppice_segment;

typedef struct coppice_segments {
  int32_t rows, cols;
  int32_t block_cols, blocks;
  int32_t panel_rows, panels;
  const int32_t* segment_start; /* [panels * blocks + 1], index panel * blocks + block */
  const int32_t* weight_start;  /* [panels * blocks + 1] */
  const coppice_segment* segments;
  const uint16_t* column; /* [weights], within the block; 4 readable entries follow the last */
  float* value;           /* [weights] */
} coppice_segments;

/* Blocks of r neighbouring rows that share a column (r = 4 or 16); `rows` need not be a multiple of r: the
 * rows past it have weight 0 and are never read or written in activations. Storage order: panel of block
 * rows, column block, block row, column. One format for forward, dX and dW. The full pattern (dense) is
 * column == NULL: then every block row has every column of its column block, in order. A part is a range of
 * part_block_rows block rows within one column block (for dW), a range of part_block_rows block rows
 * (forward), or one column block (dX). */
typedef struct coppice_blocks {
  int32_t rows, cols;
  int32_t r, block_rows; /* block_rows = ceil(rows / r) */
  int32_t block_cols, blocks;
  int32_t part_block_rows, panels; /* panels = ceil(block_rows / part_block_rows) */
  const int32_t* start;            /* [blocks * block_rows + 1], in storage order; counts blocks of weights */
  const uint16_t*
      column;   /* [count], within the column block; 16 readable entries follow the last. NULL: dense */
  float* value; /* [count][r]; 64-byte aligned */
} coppice_blocks;

/* Block rows of a panel; the last one may have fewer. */
static inline int32_t coppice_panel_block_rows(const coppice_blocks* f, int32_t panel) {
  const int32_t left = f->block_rows - panel * f->part_block_rows;
  return left < f->part_block_rows ? left : f->part_block_rows;
}

/* Where the block rows of a panel start within a column block: one entry each, and one that ends the last. */
static inline const int32_t* coppice_block_starts(const coppice_blocks* f, int32_t panel, int32_t block) {
  return f->start + (int64_t)panel * f->part_block_rows * f->blocks +
         (int64_t)block * coppice_panel_block_rows(f, panel);
}

/* Compressed sparse rows, canonical order. */
typedef struct coppice_csr {
  int32_t rows, cols;
  const int32_t* indptr;
  const int32_t* indices;
  float* value;
} coppice_csr;

/* y = act(W x + bias). x [tiles][cols][S]  y [tiles][rows][S]. bias may be NULL.
 * Parts: panels of rows. Forward of a layer; with a transposed format also its dX. If mask.width is not 0,
 * output element (row, s) is multiplied by (mask[row][s] > 0) at the end: relu's gradient, mask being relu's
 * output. */
typedef struct coppice_linear_args {
  const void* weights; /* coppice_segments or coppice_blocks, as the kernel says */
  const float* bias;   /* [rows] */
  coppice_tiled x, y, mask;
  int32_t activation;
} coppice_linear_args;

/* A convolution, x [C][H][W][S], y [O][P][Q][S]. Padding is zero, or wraps around (a torus). */
typedef struct coppice_conv_shape {
  int32_t channels, height, width, outputs, out_height, out_width;
  int32_t kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w, groups;
  int32_t wrap;
} coppice_conv_shape;

/* ---- convolution as a gather
 * ---------------------------------------------------------------------------------------
 *
 * One gather: for every row (an output channel) and every position (y, x) in [0, height) x [0, width)
 *   out[row][y * out_step + out_y][x * out_step + out_x] =
 *     sum over the row's weights k of value[k] * in[offset[k] + (y * in_row_step + x * in_column_step) * S]
 * where out's pixel is counted without its halo, `offset` is in floats of a tile for S = 16 and includes in's
 * halo, and in_row_step / in_column_step are in pixels of in's padded rows. All reads lie inside in's padded
 * planes: that was verified when the weights were encoded. The forward pass is one gather (in_*_step carries
 * the stride); dX of stride s is s * s gathers, one for each phase (out_y, out_x) of the strided grid. A
 * gather may have no pixels (a phase of an image smaller than the stride): then its offsets are never used.
 * Storage: panel (of rows), gather, block (of gathered channels, so that their pixels stay in the L1),
 * segments sorted by length, longest first. Exactly the live weights: no padding. Every row of a panel has a
 * segment in the first block (it starts the sums) and in the last (it ends them), an empty one if need be. */
typedef struct coppice_gather {
  int32_t rows, height, width;
  int32_t in_row_step, in_column_step;
  int32_t out_step, out_y, out_x;
  int32_t blocks, panel_rows, panels;
  /* A panel's blocks follow each other: [panels * (blocks + 1)], index panel * (blocks + 1) + block. */
  const int32_t* segment_start;
  const int32_t* weight_start; /* into offset and value */
  const coppice_segment* segments;
  const int32_t* offset;
  float* value;
} coppice_gather;

typedef struct coppice_conv_weights {
  int32_t gathers; /* 1, or stride * stride */
  int32_t panels;  /* of each gather */
  const coppice_gather* gather;
  /* Shapes of the gathered and of the written image, without halo. */
  int32_t in_channels, in_height, in_width, in_halo;
  int32_t out_channels, out_height, out_width;
} coppice_conv_weights;

/* ---- convolution in blocks
 * ---------------------------------------------------------------------------------------
 *
 * Blocks of r neighbouring outputs (r = 4 or 16) that share one input channel and tap of the kernel; one
 * layout for forward, dX and dW. `rows` need not be a multiple of r: the outputs past it have weight 0 and
 * are never computed. The channels are cut into blocks of block_channels (their pixels of a register tile fit
 * the L1). Storage order: block row, block of channels, tap, channel. The taps are numbered so that those of
 * one phase of dX's strided grid follow each other: phase p = out_y * stride + out_x has the taps
 * [phase_tap[p], phase_tap[p + 1]).
 *   forward: y[o][py][px] += w * x[offset[k] + (py * x_row_step + px * stride) pixels]
 *   dX, phase p: dx[channel[k]][qy * stride + out_y][qx * stride + out_x] +=
 *                w * dy[o][dy_offset[tap] + (qy * dy_row_step + qx) pixels]
 * Offsets are in floats of a tile (dy_offset: of a plane) and include the halo of what is read. `full`: every
 * block of channels of every block row has all its weights. Parts: panels of part_block_rows block rows
 * (forward, dW), blocks of channels (dX). */
typedef struct coppice_conv_blocks {
  int32_t rows, channels;
  int32_t r, block_rows; /* block_rows = ceil(rows / r) */
  int32_t part_block_rows, panels;
  int32_t block_channels, blocks;
  int32_t taps, stride, full;
  int32_t x_height, x_width, y_height, y_width; /* without halo */
  int32_t x_plane, x_row_step;                  /* in pixels: padded plane of x, and `stride` rows of it */
  int32_t dy_plane, dy_row_step;                /* in pixels: padded plane of dy, and a row of it */
  int32_t dw_rows; /* rows of dy that dW takes at a time, so that those of 8 outputs stay in the L1 */
  const int32_t* phase_tap; /* [stride * stride + 1] */
  const int32_t* dy_offset; /* [taps] */
  const int32_t* start;     /* [block_rows * blocks * taps + 1], in storage order; counts blocks of weights */
  const int32_t* offset;    /* [count] */
  const int32_t* channel;   /* [count] */
  const uint8_t* turn;      /* [count], of coppice_conv_turn */
  /* Channels that a phase of dX does not reach: idle[idle_start[i]] on, i = phase * blocks + block. */
  const int32_t *idle_start, *idle;
  float* value; /* [count][r]; 64-byte aligned */
} coppice_conv_blocks;

/* Whether a block of weights is the first of its channel in its phase, in storage order, or the last. */
typedef enum coppice_conv_turn { COPPICE_CONV_FIRST = 1, COPPICE_CONV_LAST = 2 } coppice_conv_turn;

/* Where the taps of a block row start in a block of channels: one entry each, and one that ends the last. */
static inline const int32_t* coppice_conv_tap_starts(const coppice_conv_blocks* f, int32_t block_row,
                                                     int32_t block) {
  return f->start + ((int64_t)block_row * f->blocks + block) * f->taps;
}

/* Outputs of a block row; the last one may have fewer than r. */
static inline int32_t coppice_conv_block_outputs(const coppice_conv_blocks* f, int32_t block_row) {
  const int32_t left = f->rows - block_row * f->r;
  return left < f->r ? left : f->r;
}

/* The first weight of a panel. */
static inline int32_t coppice_conv_panel_start(const coppice_conv_blocks* f, int32_t panel) {
  const int32_t row = panel * f->part_block_rows;
  return f->r * *coppice_conv_tap_starts(f, row < f->block_rows ? row : f->block_rows, 0);
}

/* dW takes this many weights of a block row through all pixels before the next (16 sums for each stay in the
 * L2). */
enum { COPPICE_CONV_BLOCKS_TOGETHER = 1024 };

/* y = act(conv(x) + bias). Parts: panels. Fills y's halo. S is 16. */
typedef struct coppice_conv_args {
  const void* weights; /* coppice_conv_weights or coppice_conv_blocks, as the kernel says */
  const float* bias;
  coppice_tiled x, y;
  int32_t activation;
} coppice_conv_args;

/* The backward pass takes panels together as long as they have no more weights than this (16 sums for each
 * stay in the L2). */
enum { COPPICE_CONV_TOGETHER = 4096 };

/* The kernels that one instruction set brings for inference and for the forward pass. */
typedef struct coppice_kernel_table {
  const char* isa;                /* "c", "avx2", "avx512", "neon" */
  coppice_kernel linear_segments; /* coppice_linear_args, coppice_segments */
  coppice_kernel linear_blocks;   /* coppice_linear_args, coppice_blocks with r = 4 or 16, sparse or dense */
  coppice_kernel conv;            /* coppice_conv_args, coppice_conv_weights */
  coppice_kernel conv_blocks;     /* coppice_conv_args, coppice_conv_blocks */
  coppice_kernel apply_f32;       /* coppice_apply_f32_args */
  coppice_kernel apply_i8;        /* coppice_apply_i8_args */
  coppice_plane_kernels planes;   /* of one sample, as coppice_planes.h has them */
  int64_t (*fma_loop)(
      int32_t rounds); /* multiplies and adds on registers at full rate; returns the FLOPs done */
  float (*read_loop)(const float* data,
                     int32_t count); /* the sum, at the rate of the loads; 128 divides count */
} coppice_kernel_table;

extern const coppice_kernel_table coppice_kernels_c;
#if defined(__x86_64__)
extern const coppice_kernel_table coppice_kernels_avx2;
extern const coppice_kernel_table coppice_kernels_avx512;
extern const coppice_kernel_table coppice_kernels_avx512_no_vbmi; /* the same, but looks no bytes up */
extern const coppice_kernel_table coppice_kernels_avx512_no_vnni; /* nor that, its integers by AVX2 */
#elif defined(__aarch64__)
extern const coppice_kernel_table coppice_kernels_neon;
extern const coppice_kernel_table coppice_kernels_neon_dot; /* the same, its integers by dot products */
#endif

#ifdef __cplusplus
}
#endif
#endif
