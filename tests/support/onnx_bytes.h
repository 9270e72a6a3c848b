// SPDX-License-Identifier: Apache-2.0
// ONNX files put together by hand: what exporters write, and what nobody should.
#pragma once

#include <bit>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "io/protobuf_writer.h"

namespace coppice::testing {

inline constexpr int64_t kOnnxFloat = 1, kOnnxUint8 = 2, kOnnxInt8 = 3, kOnnxInt32 = 6, kOnnxInt64 = 7,
                         kOnnxHalf = 10, kOnnxDouble = 11;

inline ProtoWriter onnx_raw_tensor(const std::string& name, const std::vector<int64_t>& dims, int64_t type,
                                   std::string_view raw) {
  ProtoWriter out;
  out.integers(1, dims).integer(2, type).bytes(8, name).bytes(9, raw);
  return out;
}
template <class T>
ProtoWriter onnx_tensor_of(const std::string& name, const std::vector<int64_t>& dims, int64_t type,
                           const std::vector<T>& values) {
  return onnx_raw_tensor(name, dims, type,
                         {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)});
}
inline ProtoWriter onnx_floats(const std::string& name, const std::vector<int64_t>& dims,
                               const std::vector<float>& values) {
  return onnx_tensor_of(name, dims, kOnnxFloat, values);
}
inline ProtoWriter onnx_integers(const std::string& name, const std::vector<int64_t>& values) {
  return onnx_tensor_of(name, {static_cast<int64_t>(values.size())}, kOnnxInt64, values);
}

// Attributes, with their types.
inline ProtoWriter onnx_real(const std::string& name, float value) {
  return ProtoWriter().bytes(1, name).real(2, value).integer(20, 1);
}
inline ProtoWriter onnx_integer(const std::string& name, int64_t value) {
  return ProtoWriter().bytes(1, name).integer(3, value).integer(20, 2);
}
inline ProtoWriter onnx_text(const std::string& name, const std::string& value) {
  return ProtoWriter().bytes(1, name).bytes(4, value).integer(20, 3);
}
inline ProtoWriter onnx_list(const std::string& name, const std::vector<int64_t>& values) {
  return ProtoWriter().bytes(1, name).integers(8, values).integer(20, 7);
}
inline ProtoWriter onnx_value(const std::string& name, const ProtoWriter& tensor) {
  return ProtoWriter().bytes(1, name).message(5, tensor).integer(20, 4);
}

struct OnnxFile {
  int64_t ir = 8, opset = 17;
  ProtoWriter graph;

  // Sizes with the batch; -1: left open, by a name.
  OnnxFile& input(const std::string& name, const std::vector<int64_t>& sizes, int64_t type = kOnnxFloat) {
    graph.message(11, value_info(name, sizes, type));
    return *this;
  }
  OnnxFile& output(const std::string& name) {
    graph.message(12, value_info(name, {}, kOnnxFloat));
    return *this;
  }
  OnnxFile& initializer(const ProtoWriter& tensor) {
    graph.message(5, tensor);
    return *this;
  }
  OnnxFile& node(const std::string& op, const std::string& name, const std::vector<std::string>& inputs,
                 const std::vector<std::string>& outputs, const std::vector<ProtoWriter>& attributes = {},
                 const std::string& domain = "") {
    ProtoWriter node;
    for (const std::string& input : inputs) node.bytes(1, input);
    for (const std::string& out : outputs) node.bytes(2, out);
    node.bytes(3, name).bytes(4, op);
    for (const ProtoWriter& attribute : attributes) node.message(5, attribute);
    if (!domain.empty()) node.bytes(7, domain);
    graph.message(1, node);
    return *this;
  }
  std::string bytes() const {
    return ProtoWriter()
        .integer(1, ir)
        .bytes(2, "by hand")
        .message(7, graph)
        .message(8, ProtoWriter().bytes(1, "").integer(2, opset))
        .out();
  }

 private:
  static ProtoWriter value_info(const std::string& name, const std::vector<int64_t>& sizes, int64_t type) {
    ProtoWriter shape;
    for (const int64_t size : sizes)
      shape.message(1, size < 0 ? ProtoWriter().bytes(2, "batch") : ProtoWriter().integer(1, size));
    return ProtoWriter().bytes(1, name).message(
        2, ProtoWriter().message(1, ProtoWriter().integer(1, type).message(2, shape)));
  }
};

// 0.25, -0.5, 0.75, ...: exact in halves.
inline std::vector<float> onnx_numbers(size_t count) {
  std::vector<float> out;
  for (size_t i = 0; i < count; ++i)
    out.push_back(0.25F * static_cast<float>(i % 7 + 1) * (i % 2 == 0 ? 1.0F : -1.0F));
  return out;
}

// A convolution with batch norm, a residual sum and a linear layer, shapes computed by nodes.
inline OnnxFile onnx_cnn() {
  OnnxFile file;
  file.input("input", {-1, 2, 4, 4}).output("output");
  file.initializer(onnx_floats("conv.weight", {3, 2, 3, 3}, onnx_numbers(54)));
  for (const char* part : {"bn.weight", "bn.bias", "bn.running_mean"})
    file.initializer(onnx_floats(part, {3}, onnx_numbers(3)));
  file.initializer(onnx_floats("bn.running_var", {3}, {1, 2, 3}));
  file.initializer(onnx_floats("fc.weight", {2, 3}, onnx_numbers(6)));
  file.initializer(onnx_floats("fc.bias", {2}, onnx_numbers(2)));
  file.node("Conv", "/conv/Conv", {"input", "conv.weight"}, {"a"},
            {onnx_list("kernel_shape", {3, 3}), onnx_list("pads", {1, 1, 1, 1}), onnx_integer("group", 1)});
  file.node("BatchNormalization", "/bn/BatchNormalization",
            {"a", "bn.weight", "bn.bias", "bn.running_mean", "bn.running_var"}, {"b"},
            {onnx_real("epsilon", 1e-5F), onnx_real("momentum", 0.9F)});
  file.node("Relu", "/Relu", {"b"}, {"c"});
  file.node("Add", "/Add", {"c", "a"}, {"d"});
  file.node("GlobalAveragePool", "/pool", {"d"}, {"e"});
  file.node("Constant", "zero", {}, {"zero"}, {onnx_value("value", onnx_integers("", {0}))});
  file.node("Constant", "rest", {}, {"rest"}, {onnx_value("value", onnx_integers("", {-1}))});
  file.node("Shape", "shape", {"e"}, {"shape"});
  file.node("Gather", "gather", {"shape", "zero"}, {"batch"});
  file.node("Concat", "concat", {"batch", "rest"}, {"sizes"}, {onnx_integer("axis", 0)});
  file.node("Reshape", "reshape", {"e", "sizes"}, {"f"});
  file.node("Gemm", "/fc/Gemm", {"f", "fc.weight", "fc.bias"}, {"g"}, {onnx_integer("transB", 1)});
  file.node("Softmax", "/Softmax", {"g"}, {"output"}, {onnx_integer("axis", 1)});
  return file;
}

// x [batch, 3] -> 2, through one linear layer whose weight and bias are for the caller to add: w [3, 2], b
// [2].
inline OnnxFile onnx_linear() {
  OnnxFile file;
  file.input("x", {-1, 3}).output("y");
  file.node("MatMul", "/fc/MatMul", {"x", "w"}, {"h"});
  file.node("Add", "/fc/Add", {"b", "h"}, {"y"});
  return file;
}

// In 8-bit integers, with a sign or plain: x [batch, 4] in steps of 1/2 from -5 -> a layer of 3 in integers
// -> relu, in steps of 1/4.
inline OnnxFile onnx_integer_layer(bool plain) {
  const auto number = [](const std::string& name, float value) { return onnx_floats(name, {}, {value}); };
  const auto byte = [plain](const std::string& name, uint8_t value) {
    return onnx_tensor_of(name, {}, plain ? kOnnxUint8 : kOnnxInt8,
                          std::vector<uint8_t>{static_cast<uint8_t>(value ^ (plain ? 0 : 0x80))});
  };
  OnnxFile file;
  file.input("x", {-1, 4}).output("y");
  file.initializer(number("x_scale", 0.5F)).initializer(number("y_scale", 0.25F));
  file.initializer(byte("x_zero", 10)).initializer(byte("y_zero", 0));
  file.initializer(onnx_tensor_of("fc.weight_quantized", {3, 4}, kOnnxInt8,
                                  std::vector<int8_t>{100, -3, 0, 41, -128, 127, 5, 0, 50, 7, -49, 1}));
  file.initializer(onnx_floats("w_scale", {3}, {0.01F, 0.02F, 0.03F}));
  file.initializer(onnx_tensor_of("w_zero", {3}, kOnnxInt8, std::vector<int8_t>{0, 0, 0}));
  file.initializer(onnx_tensor_of("fc.bias_quantized", {3}, kOnnxInt32, std::vector<int32_t>{7, -31, 1}));
  file.initializer(onnx_floats("b_scale", {3}, {0.5F * 0.01F, 0.5F * 0.02F, 0.5F * 0.03F}));
  file.node("QuantizeLinear", "x_QuantizeLinear", {"x", "x_scale", "x_zero"}, {"xq"});
  file.node("DequantizeLinear", "x_DequantizeLinear", {"xq", "x_scale", "x_zero"}, {"xd"});
  file.node("DequantizeLinear", "w", {"fc.weight_quantized", "w_scale", "w_zero"}, {"w"},
            {onnx_integer("axis", 0)});
  file.node("DequantizeLinear", "b", {"fc.bias_quantized", "b_scale"}, {"b"}, {onnx_integer("axis", 0)});
  file.node("Gemm", "/fc/Gemm", {"xd", "w", "b"}, {"h"}, {onnx_integer("transB", 1)});
  file.node("Relu", "relu", {"h"}, {"r"});
  file.node("QuantizeLinear", "r_QuantizeLinear", {"r", "y_scale", "y_zero"}, {"rq"});
  file.node("DequantizeLinear", "r_DequantizeLinear", {"rq", "y_scale", "y_zero"}, {"y"});
  return file;
}

}  // namespace coppice::testing
