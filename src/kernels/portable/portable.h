/* SPDX-License-Identifier: Apache-2.0
 * Common to the portable kernels: names with the suffix of the instruction set, and the columns of a tile. */
#ifndef COPPICE_PORTABLE_H
#define COPPICE_PORTABLE_H

#include <math.h>

#include "coppice_math.h"
#include "kernels/pointwise_kernels.h"

#ifndef COPPICE_ISA_NAME
#define COPPICE_ISA_NAME c
#endif
#define COPPICE_JOIN_(a, b) coppice_##a##_##b
#define COPPICE_JOIN(a, b) COPPICE_JOIN_(a, b)
/* KERNEL(relu) is coppice_relu_avx2 and so on: each file is compiled once for each instruction set. */
#define KERNEL(name) COPPICE_JOIN(name, COPPICE_ISA_NAME)
#define DECLARE_KERNEL(name) void KERNEL(name)(const void*, const coppice_run_state*, const coppice_item*)

DECLARE_KERNEL(relu);
DECLARE_KERNEL(relu_grad);
DECLARE_KERNEL(sigmoid);
DECLARE_KERNEL(sigmoid_grad);
DECLARE_KERNEL(tanh);
DECLARE_KERNEL(tanh_grad);
DECLARE_KERNEL(silu);
DECLARE_KERNEL(silu_grad);
DECLARE_KERNEL(gelu);
DECLARE_KERNEL(gelu_grad);
DECLARE_KERNEL(gelu_tanh);
DECLARE_KERNEL(gelu_tanh_grad);
DECLARE_KERNEL(leaky_relu);
DECLARE_KERNEL(leaky_relu_grad);
DECLARE_KERNEL(elu);
DECLARE_KERNEL(elu_grad);
DECLARE_KERNEL(clip);
DECLARE_KERNEL(clip_grad);
DECLARE_KERNEL(fake_quantise);
DECLARE_KERNEL(fake_quantise_grad);
DECLARE_KERNEL(hard_sigmoid);
DECLARE_KERNEL(hard_sigmoid_grad);
DECLARE_KERNEL(hard_swish);
DECLARE_KERNEL(hard_swish_grad);
DECLARE_KERNEL(prelu);
DECLARE_KERNEL(prelu_dx);
DECLARE_KERNEL(prelu_sums);
DECLARE_KERNEL(add);
DECLARE_KERNEL(mul);
DECLARE_KERNEL(dropout);
DECLARE_KERNEL(softmax_cross_entropy);
DECLARE_KERNEL(softmax_cross_entropy_grad);
DECLARE_KERNEL(binary_cross_entropy);
DECLARE_KERNEL(binary_cross_entropy_grad);
DECLARE_KERNEL(mean_squared_error);
DECLARE_KERNEL(mean_squared_error_grad);
DECLARE_KERNEL(retile);
DECLARE_KERNEL(copy);
DECLARE_KERNEL(window);
DECLARE_KERNEL(max_pool);
DECLARE_KERNEL(max_pool_grad);
DECLARE_KERNEL(avg_pool);
DECLARE_KERNEL(avg_pool_grad);
DECLARE_KERNEL(global_pool);
DECLARE_KERNEL(global_pool_grad);
DECLARE_KERNEL(batch_norm_sums);
DECLARE_KERNEL(batch_norm_finish);
DECLARE_KERNEL(batch_norm);
DECLARE_KERNEL(batch_norm_grad_sums);
DECLARE_KERNEL(batch_norm_totals);
DECLARE_KERNEL(batch_norm_dx);
DECLARE_KERNEL(batch_norm_dw);
DECLARE_KERNEL(layer_norm);
DECLARE_KERNEL(layer_norm_dx);
DECLARE_KERNEL(layer_norm_sums);
DECLARE_KERNEL(general_conv);
DECLARE_KERNEL(general_conv_dx);
DECLARE_KERNEL(general_conv_dw);
DECLARE_KERNEL(channel_sum);

/* Columns worth computing: the valid samples, rounded up to whole vectors. */
static inline int32_t columns_of(const coppice_run_state* rs, int32_t width, int32_t tile) {
  const int32_t valid = coppice_valid(rs, width, tile), rounded = (valid + 15) / 16 * 16;
  return rounded < width ? rounded : width;
}

/* Sum over 16 lanes in a fixed order: the loop that fills them vectorises. */
static inline float lane_sum(const float* lanes) {
  float sum = 0.0f;
  for (int32_t s = 0; s < 16; ++s) sum += lanes[s];
  return sum;
}

#endif
