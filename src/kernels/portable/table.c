/* SPDX-License-Identifier: Apache-2.0 */
#include "portable.h"

const coppice_pointwise_table KERNEL(pointwise) = {
    .relu = KERNEL(relu),
    .relu_grad = KERNEL(relu_grad),
    .sigmoid = KERNEL(sigmoid),
    .sigmoid_grad = KERNEL(sigmoid_grad),
    .add = KERNEL(add),
    .dropout = KERNEL(dropout),
    .softmax_cross_entropy = KERNEL(softmax_cross_entropy),
    .softmax_cross_entropy_grad = KERNEL(softmax_cross_entropy_grad),
    .binary_cross_entropy = KERNEL(binary_cross_entropy),
    .binary_cross_entropy_grad = KERNEL(binary_cross_entropy_grad),
    .mean_squared_error = KERNEL(mean_squared_error),
    .mean_squared_error_grad = KERNEL(mean_squared_error_grad),
    .retile = KERNEL(retile),
    .general_conv = KERNEL(general_conv),
    .general_conv_dx = KERNEL(general_conv_dx),
    .general_conv_dw = KERNEL(general_conv_dw),
    .channel_sum = KERNEL(channel_sum),
};
