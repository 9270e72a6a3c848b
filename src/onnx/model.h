// SPDX-License-Identifier: Apache-2.0
// An ONNX file as its messages say it: https://github.com/onnx/onnx, onnx.proto. Only what a network needs is
// kept; large data stays where it lies, as views of the bytes of the file.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace coppice::onnx {

// TensorProto.DataType
enum class Type {
  kUndefined = 0,
  kFloat = 1,
  kUint8 = 2,
  kInt8 = 3,
  kInt32 = 6,
  kInt64 = 7,
  kBool = 9,
  kFloat16 = 10,
  kDouble = 11,
  kBfloat16 = 16,
};
std::string type_name(int64_t type);  // "FLOAT16", or "type 23"

// TensorProto. Numbers lie in one of the fields, as decode() finds out (onnx/constant.h).
struct Tensor {
  std::string name;
  std::vector<int64_t> dims;
  int64_t type = 0;
  std::string_view raw;
  bool has_raw = false;
  std::vector<float> floats;
  std::vector<double> doubles;
  std::vector<int64_t> int32s, int64s;
  // Data in a file beside the model (onnx/external.h). length: -1 where the file does not say it.
  bool external = false;
  std::string location;  // the name of that file, as somebody wrote it
  int64_t offset = 0, length = -1;
};

// AttributeProto. What is not a number, a text or a tensor is `other`.
struct Attribute {
  enum class Kind { kReal, kInteger, kText, kTensor, kReals, kIntegers, kOther };
  Kind kind = Kind::kOther;
  float real = 0;
  int64_t integer = 0;
  std::string text;
  Tensor tensor;
  std::vector<float> reals;
  std::vector<int64_t> integers;
};

struct Node {
  std::string op, name, domain;
  std::vector<std::string> inputs, outputs;  // empty names are left out
  std::map<std::string, Attribute> attributes;
};

// ValueInfoProto: a tensor with a shape, -1 for a size that is not a number.
struct ValueInfo {
  std::string name;
  int64_t type = 0;
  bool has_shape = false;
  std::vector<int64_t> dims;
};

struct Model {
  int64_t ir = 0, opset = 0;
  std::string producer;
  std::vector<Node> nodes;  // in the order of the file
  std::vector<Tensor> initializers;
  std::vector<ValueInfo> inputs, outputs;
  std::deque<std::string> outside;  // external data that was read: tensors are views of it
};

// `bytes` must outlive the model. Fails, with a sentence that lacks the name of the file, where the bytes
// contradict themselves, are no ONNX model, or are of an IR version outside 3..13 or an opset outside 7..21.
Result<Model> parse_model(std::string_view bytes);

}  // namespace coppice::onnx
