// SPDX-License-Identifier: Apache-2.0
// What the rows of the table of ONNX ops call. Each gives its node's output a meaning by At::is(), or fails
// with the reason.
#pragma once

#include "onnx/importer.h"

namespace coppice::onnx {

// Layers with weights, and norms (onnx/layers.cpp).
Status import_gemm(At& at);
Status import_matmul(At& at);
Status import_conv(At& at);
Status import_constant(At& at);  // Add, Sub, Mul or Div with one
Status import_batch_norm(At& at);
Status import_layer_norm(At& at);
Status import_prelu(At& at);

// Activations, sums and ends (onnx/maps.cpp).
Status import_relu(At& at);
Status import_tanh(At& at);
Status import_sigmoid(At& at);
Status import_hard_sigmoid(At& at);
Status import_hard_swish(At& at);
Status import_leaky_relu(At& at);
Status import_elu(At& at);
Status import_clip(At& at);
Status import_max(At& at);
Status import_min(At& at);
Status import_gelu(At& at);
Status import_div(At& at);
Status import_mul(At& at);
Status import_add(At& at);
Status import_softmax(At& at);
Status import_log_softmax(At& at);
Status import_dropout(At& at);
Status import_identity(At& at);
Status import_cast(At& at);

// Rounding to bytes, and back (onnx/roundings.cpp).
Status import_quantize_linear(At& at);
Status import_dequantize_linear(At& at);

// Windows and shapes (onnx/shapes.cpp).
Status import_max_pool(At& at);
Status import_average_pool(At& at);
Status import_global_pool(At& at);
Status import_reduce_mean(At& at);
Status import_pad(At& at);
Status import_slice(At& at);
Status import_concat(At& at);
Status import_flatten(At& at);
Status import_reshape(At& at);
Status import_squeeze(At& at);
Status import_unsqueeze(At& at);
Status import_transpose(At& at);

// Windows that go over the places of a picture: kernel, strides, dilations and pads of h and w.
struct Windows {
  int64_t kernel[2], stride[2], dilation[2], before[2], after[2];
};
// Reads kernel_shape (or takes `kernel`), strides, dilations, pads and auto_pad; one-dimensional ones get an
// h of
// 1. x is chw.
Result<Windows> read_windows(At& at, const Shape& x, const Sizes& kernel);
// One number for both axes, as ops here have it: an axis that has one window does not care. Fails where they
// differ.
Result<int64_t> common_stride(const Windows& windows, const Shape& x);
// Pads x by what is left of `before` and `after` once all sides have `common`.
Result<ValueId> padded(At& at, const std::string& name, ValueId x, const Windows& windows, int64_t common);
// {c, h, w} as ONNX sees a value of so many axes of places.
Sizes sizes_like(const Sizes& x, const Shape& ours);

}  // namespace coppice::onnx
