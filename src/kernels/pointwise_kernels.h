/* SPDX-License-Identifier: Apache-2.0
 * Kernels of the ops between matrix products: activations, losses, pooling, and the general convolution. One plain C source
 * (src/kernels/portable), compiled for every instruction set; samples are innermost, so the compiler vectorises them.
 * The rules of coppice_kernels.h hold: padding columns stay finite, and zero in gradients. Rows are S floats apart. */
#ifndef COPPICE_POINTWISE_KERNELS_H
#define COPPICE_POINTWISE_KERNELS_H

#include "coppice_kernels.h"

#ifdef __cplusplus
extern "C" {
#endif

/* out = f(a) or f(a, b) on `rows` rows. One part. */
typedef struct coppice_map_args {
  coppice_tiled a, b, out;
  int32_t rows;
  float parameter; /* dropout: probability of zero */
  uint64_t stream; /* dropout: key of its random numbers */
} coppice_map_args;

/* Losses. logits [rows][S]; target: int32 class labels [1][S], or float [rows][S]. loss [1][S], one number a sample, 0
 * in padding. gradient [rows][S] = d loss / d logits * rs->loss_scale, 0 in padding. */
typedef struct coppice_loss_args {
  coppice_tiled logits, target, out;
  int32_t rows;
  float smoothing; /* label smoothing of softmax cross-entropy */
} coppice_loss_args;

/* Copies tiles of one width into tiles of another (rows stay): flatten, and back. */
typedef struct coppice_retile_args {
  coppice_tiled in, out;
  int32_t rows;
} coppice_retile_args;

/* Convolution over the canonical pattern: x [C][H][W][S], y [O][P][Q][S], row o of the pattern holds the live
 * (channel within the group, ky, kx) of output o. Padding is zero, or wraps around (a torus). */
typedef struct coppice_conv_shape {
  int32_t channels, height, width, outputs, out_height, out_width;
  int32_t kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w, groups;
  int32_t wrap;
} coppice_conv_shape;

typedef struct coppice_general_conv_args {
  coppice_conv_shape shape;
  const coppice_csr* weights;
  const float* bias;      /* may be NULL */
  coppice_tiled x, y;     /* forward: y out. dX: y is dy, x is dx (out). dW: both in */
  int32_t activation;     /* forward: coppice_activation */
  const int32_t* part_start; /* dW: ranges of weights */
  float* gradient;        /* dW: as coppice_linear_dw_args */
} coppice_general_conv_args;

/* Sums dy over positions and samples. Part: range of channels, as coppice_bias_dw_args. */
typedef struct coppice_channel_sum_args {
  coppice_tiled dy;
  int32_t channels, positions, part_channels;
  float* gradient;
} coppice_channel_sum_args;

typedef struct coppice_pointwise_table {
  coppice_kernel relu, relu_grad; /* relu_grad: a = dy, b = y */
  coppice_kernel sigmoid, sigmoid_grad;
  coppice_kernel add;
  coppice_kernel dropout; /* also its gradient: the same mask on dy */
  coppice_kernel softmax_cross_entropy, softmax_cross_entropy_grad;
  coppice_kernel binary_cross_entropy, binary_cross_entropy_grad; /* of logits */
  coppice_kernel mean_squared_error, mean_squared_error_grad;
  coppice_kernel retile;
  coppice_kernel general_conv, general_conv_dx, general_conv_dw;
  coppice_kernel channel_sum;
} coppice_pointwise_table;

extern const coppice_pointwise_table coppice_pointwise_c;
#if defined(__x86_64__)
extern const coppice_pointwise_table coppice_pointwise_avx2;
extern const coppice_pointwise_table coppice_pointwise_avx512;
#elif defined(__aarch64__)
extern const coppice_pointwise_table coppice_pointwise_neon;
#endif

#ifdef __cplusplus
}
#endif
#endif
