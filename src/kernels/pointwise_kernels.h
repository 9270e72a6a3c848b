/* SPDX-License-Identifier: Apache-2.0
 * Kernels of the ops between matrix products: activations, losses, pooling, and the general convolution. One
 * plain C source (src/kernels/portable), compiled for every instruction set; samples are innermost, so the
 * compiler vectorises them. The rules of coppice_kernels.h hold: padding columns stay finite, and zero in
 * gradients. Rows are S floats apart. */
#ifndef COPPICE_POINTWISE_KERNELS_H
#define COPPICE_POINTWISE_KERNELS_H

#include "coppice_image.h"
#include "coppice_kernels.h"

#ifdef __cplusplus
extern "C" {
#endif

/* out = f(a) or f(a, b), element by element. One part. */
typedef struct coppice_map_args {
  coppice_tiled a, b, out;
  coppice_extent extent;
  int32_t activation;  /* add: coppice_activation after the sum */
  float parameter;     /* dropout: probability of zero; leaky_relu: slope; elu: alpha; fake_quantise: scale */
  float low, high;     /* clip; fake_quantise: in steps, from -255 to 255 */
  uint64_t stream;     /* dropout: key of its random numbers */
  const float* slopes; /* prelu: that of channel c is slopes[c * slope_step] */
  int32_t slope_step;
} coppice_map_args;

/* Gradient of the slopes of prelu over one tile: one for each channel, or one for all of them.
 * sums [tiles][slopes]; coppice_tile_sum_args add them up. */
typedef struct coppice_prelu_sums_args {
  coppice_tiled x, dy, sums;
  coppice_extent extent;
  int32_t slopes;
} coppice_prelu_sums_args;

/* Losses; no operand has a halo. logits [rows][S]; target: int32 class labels [1][S], or float [rows][S].
 * loss [1][S], one number a sample, 0 in padding. gradient [rows][S] = d loss / d logits * rs->loss_scale, 0
 * in padding. */
typedef struct coppice_loss_args {
  coppice_tiled logits, target, out;
  int32_t rows;
  /* Softmax cross-entropy: label smoothing; what a teacher counts beside the labels, 0 without one, its
   * logits [rows][S] and the temperature of both. */
  float smoothing, teacher_share, temperature;
  coppice_tiled teacher;
} coppice_loss_args;

/* Copies a value into another shape with as many elements, and tiles of another width: flatten, and back. */
typedef struct coppice_retile_args {
  coppice_tiled in, out;
  coppice_extent in_extent, out_extent;
} coppice_retile_args;

/* Strided slices, padding, concatenation and their gradients; see the kernel. Index order: channel, y, x. */
typedef struct coppice_window_args {
  coppice_tiled in, out;
  coppice_extent in_extent, out_extent;
  int32_t multiply[3], offset[3], divide[3];
  int32_t channel_begin, channel_end;
} coppice_window_args;

/* S of x and dx is 16. Gradients read dy through `dy` (max_pool) or `y` (the others). Of y and x: size and
 * step of the windows, and how far the first ones reach out of the picture. */
typedef struct coppice_pool_args {
  coppice_tiled x, y, dx, dy;
  coppice_extent x_extent, y_extent;
  int32_t kernel[2], stride[2], padding[2];
  int32_t leaves_padding_out; /* avg_pool: divides by the number of pixels that exist */
  int32_t sums;               /* global_pool and its gradient: of sums, not of means */
} coppice_pool_args;

/* Batch norm over [channels], S is 16. In gradients y stands for dy. Each kernel says in its comment what it
 * reads. */
typedef struct coppice_batch_norm_args {
  coppice_tiled x, y, dx;
  coppice_tiled residual; /* batch_norm: added before the activation, unless its width is 0 */
  coppice_tiled sums;     /* [tiles][2 * channels]: of the forward pass mean and squared deviation */
  coppice_extent extent;
  const float *scale, *bias;
  float *running_mean, *running_variance;
  float *mean, *inverse_deviation; /* of this batch */
  float* totals;                   /* [2 * channels]: sum of dy, sum of dy * normalised x */
  float momentum, epsilon;
  int32_t activation;
} coppice_batch_norm_args;

/* Layer norm over all elements of a sample, each of which is a column of its tile; S is a multiple of 16. In
 * gradients y stands for dy. Each kernel says in its comment what it reads. */
typedef struct coppice_layer_norm_args {
  coppice_tiled x, y, dx;
  coppice_tiled statistics;  /* [tiles][3][S]: mean, what its rounding lost, 1 / deviation */
  coppice_tiled sums;        /* [tiles][elements] */
  coppice_extent extent;     /* a flat value is a row of pixels: {1, 1, elements} */
  const float *scale, *bias; /* [elements] */
  float epsilon;
} coppice_layer_norm_args;

/* gradient[i] = totals[first + i]. Parts: ranges of part_length. gradient as in coppice_linear_dw_args. */
typedef struct coppice_vector_gradient_args {
  float* totals;
  int32_t first, length, part_length;
  float* gradient;
} coppice_vector_gradient_args;

/* Convolution over the canonical pattern: row o of it holds the live (channel within the group, ky, kx) of
 * output o. */
typedef struct coppice_general_conv_args {
  coppice_conv_shape shape;
  const coppice_csr* weights;
  const float* bias;         /* may be NULL */
  coppice_tiled x, y;        /* forward: y out. dX: y is dy, x is dx (out). dW: both in */
  int32_t activation;        /* forward: coppice_activation */
  const int32_t* part_start; /* dW: ranges of weights */
  float* gradient;           /* dW: as coppice_linear_dw_args */
} coppice_general_conv_args;

/* Gradient of a bias: gradient[channel] = sum of dy over positions and samples. Parts: ranges of
 * part_channels. gradient as in coppice_linear_dw_args. */
typedef struct coppice_channel_sum_args {
  coppice_tiled dy;
  coppice_extent extent;
  int32_t part_channels;
  float* gradient;
} coppice_channel_sum_args;

typedef struct coppice_pointwise_table {
  coppice_kernel copy;
  coppice_kernel relu, relu_grad; /* relu_grad: a = dy, b = y */
  coppice_kernel sigmoid, sigmoid_grad;
  /* Gradients of these read x, but y where that says it all: tanh, leaky_relu, clip, hard_sigmoid. */
  coppice_kernel tanh, tanh_grad, silu, silu_grad;
  coppice_kernel gelu, gelu_grad, gelu_tanh, gelu_tanh_grad;
  coppice_kernel elu, elu_grad;
  coppice_kernel leaky_relu, leaky_relu_grad, clip, clip_grad;
  coppice_kernel fake_quantise, fake_quantise_grad;
  coppice_kernel hard_sigmoid, hard_sigmoid_grad, hard_swish, hard_swish_grad;
  coppice_kernel prelu, prelu_dx; /* prelu_dx: a = dy, b = x */
  coppice_kernel prelu_sums;
  coppice_kernel add, mul;
  coppice_kernel dropout; /* also its gradient: the same mask on dy */
  coppice_kernel softmax_cross_entropy, softmax_cross_entropy_grad;
  coppice_kernel binary_cross_entropy, binary_cross_entropy_grad; /* of logits */
  coppice_kernel mean_squared_error, mean_squared_error_grad;
  coppice_kernel retile, window;
  coppice_kernel max_pool, max_pool_grad, avg_pool, avg_pool_grad, global_pool, global_pool_grad;
  /* One tile at a time, but for finish and totals, which add the tiles up, and dw, which has parts. */
  coppice_kernel batch_norm_sums, batch_norm_finish, batch_norm;
  coppice_kernel batch_norm_grad_sums, batch_norm_totals, batch_norm_dx, batch_norm_dw;
  coppice_kernel layer_norm, layer_norm_dx, layer_norm_sums;
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
