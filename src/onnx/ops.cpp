// SPDX-License-Identifier: Apache-2.0
// The ops that are read: one row each. docs/import.md is this table for people.
#include "onnx/ops.h"

namespace coppice::onnx {
namespace {

constexpr OpRow kRows[] = {
    {"Add", import_add},
    {"AveragePool", import_average_pool},
    {"BatchNormalization", import_batch_norm},
    {"Cast", import_cast},
    {"Clip", import_clip},
    {"Concat", import_concat},
    {"Conv", import_conv},
    {"Div", import_div},
    {"Dropout", import_dropout},
    {"Elu", import_elu},
    {"Flatten", import_flatten},
    {"Gelu", import_gelu},
    {"Gemm", import_gemm},
    {"GlobalAveragePool", import_global_pool},
    {"HardSigmoid", import_hard_sigmoid},
    {"HardSwish", import_hard_swish},
    {"Identity", import_identity},
    {"LayerNormalization", import_layer_norm},
    {"LeakyRelu", import_leaky_relu},
    {"LogSoftmax", import_log_softmax},
    {"MatMul", import_matmul},
    {"MaxPool", import_max_pool},
    {"Mul", import_mul},
    {"PRelu", import_prelu},
    {"Pad", import_pad},
    {"ReduceMean", import_reduce_mean},
    {"Relu", import_relu},
    {"Reshape", import_reshape},
    {"Sigmoid", import_sigmoid},
    {"Slice", import_slice},
    {"Softmax", import_softmax},
    {"Squeeze", import_squeeze},
    {"Sub", import_constant},
    {"Tanh", import_tanh},
    {"Transpose", import_transpose},
    {"Unsqueeze", import_unsqueeze},
};

}  // namespace

const OpRow* find_op_row(const std::string& op) {
  for (const OpRow& row : kRows)
    if (op == row.op) return &row;
  return nullptr;
}

}  // namespace coppice::onnx
