// SPDX-License-Identifier: Apache-2.0
// The ops that are read: one row each. docs/import.md is this table for people.
#include "onnx/ops.h"

namespace coppice::onnx {
namespace {

constexpr bool kMoves = true;

constexpr OpRow kRows[] = {
    {"Add", import_add},
    {"AveragePool", import_average_pool},
    {"BatchNormalization", import_batch_norm},
    {"Cast", import_cast},
    {"Clip", import_clip},
    {"Concat", import_concat, kMoves},
    {"Conv", import_conv},
    {"DequantizeLinear", import_dequantize_linear, kMoves},
    {"Div", import_div},
    {"Dropout", import_dropout, kMoves},
    {"Elu", import_elu},
    {"Flatten", import_flatten, kMoves},
    {"Gelu", import_gelu},
    {"Gemm", import_gemm},
    {"GlobalAveragePool", import_global_pool},
    {"HardSigmoid", import_hard_sigmoid},
    {"HardSwish", import_hard_swish},
    {"Identity", import_identity, kMoves},
    {"LayerNormalization", import_layer_norm},
    {"LeakyRelu", import_leaky_relu},
    {"LogSoftmax", import_log_softmax},
    {"MatMul", import_matmul},
    {"Max", import_max},
    {"MaxPool", import_max_pool, kMoves},
    {"Min", import_min},
    {"Mul", import_mul},
    {"PRelu", import_prelu},
    {"Pad", import_pad, kMoves},
    {"QuantizeLinear", import_quantize_linear},
    {"ReduceMean", import_reduce_mean},
    {"Relu", import_relu},
    {"Reshape", import_reshape, kMoves},
    {"Sigmoid", import_sigmoid},
    {"Slice", import_slice, kMoves},
    {"Softmax", import_softmax},
    {"Squeeze", import_squeeze, kMoves},
    {"Sub", import_constant},
    {"Tanh", import_tanh},
    {"Transpose", import_transpose, kMoves},
    {"Unsqueeze", import_unsqueeze, kMoves},
};

}  // namespace

const OpRow* find_op_row(const std::string& op) {
  for (const OpRow& row : kRows)
    if (op == row.op) return &row;
  return nullptr;
}

}  // namespace coppice::onnx
