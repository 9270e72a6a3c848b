// SPDX-License-Identifier: Apache-2.0
#include "onnx/constant.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

namespace coppice::onnx {
namespace {

// As IEEE 754 has it: 1 sign, 5 exponent, 10 fraction bits.
float from_half(uint16_t bits) {
  const float sign = bits & 0x8000U ? -1.0F : 1.0F;
  const int exponent = bits >> 10 & 0x1f, fraction = bits & 0x3ff;
  if (exponent == 0) return sign * std::ldexp(static_cast<float>(fraction), -24);
  if (exponent == 31) return fraction != 0 ? std::nanf("") : sign * HUGE_VALF;
  return sign * std::ldexp(static_cast<float>(fraction + 1024), exponent - 25);
}
float from_bfloat(uint16_t bits) { return std::bit_cast<float>(uint32_t{bits} << 16); }

// Raw bytes of numbers of type T, which are little-endian.
template <class T, class Out, class F>
void convert(std::string_view raw, std::vector<Out>& out, F f) {
  out.reserve(raw.size() / sizeof(T));
  for (size_t at = 0; at < raw.size(); at += sizeof(T)) {
    T value;
    std::memcpy(&value, raw.data() + at, sizeof value);
    out.push_back(f(value));
  }
}
template <class T>
void convert_integers(std::string_view raw, std::vector<int64_t>& out) {
  convert<T>(raw, out, [](T value) { return static_cast<int64_t>(value); });
}

void decode_raw(Type type, std::string_view raw, Constant& out) {
  switch (type) {
    case Type::kFloat:
      convert<float>(raw, out.reals, [](float v) { return v; });
      return;
    case Type::kDouble:
      convert<double>(raw, out.reals, [](double v) { return static_cast<float>(v); });
      return;
    case Type::kFloat16:
      convert<uint16_t>(raw, out.reals, from_half);
      return;
    case Type::kBfloat16:
      convert<uint16_t>(raw, out.reals, from_bfloat);
      return;
    case Type::kInt8:
      convert_integers<int8_t>(raw, out.integers);
      return;
    case Type::kInt32:
      convert_integers<int32_t>(raw, out.integers);
      return;
    case Type::kInt64:
      convert_integers<int64_t>(raw, out.integers);
      return;
    default:  // kUint8, kBool
      convert_integers<uint8_t>(raw, out.integers);
      return;
  }
}

// Small integers and halves lie in the field of 32-bit integers.
void decode_fields(Type type, const Tensor& tensor, Constant& out) {
  switch (type) {
    case Type::kFloat:
      out.reals = tensor.floats;
      return;
    case Type::kDouble:
      out.reals.assign(tensor.doubles.begin(), tensor.doubles.end());
      return;
    case Type::kInt64:
      out.integers = tensor.int64s;
      return;
    case Type::kFloat16:
    case Type::kBfloat16:
      for (const int64_t bits : tensor.int32s)
        out.reals.push_back(type == Type::kFloat16 ? from_half(static_cast<uint16_t>(bits))
                                                   : from_bfloat(static_cast<uint16_t>(bits)));
      return;
    default:
      // The field is of 32 bits, whatever a file writes there.
      for (const int64_t value : tensor.int32s) out.integers.push_back(static_cast<int32_t>(value));
      return;
  }
}

size_t numbers_in_fields(Type type, const Tensor& tensor) {
  if (type == Type::kFloat) return tensor.floats.size();
  if (type == Type::kDouble) return tensor.doubles.size();
  return type == Type::kInt64 ? tensor.int64s.size() : tensor.int32s.size();
}

}  // namespace

size_t bytes_of(Type type) {
  switch (type) {
    case Type::kUint8:
    case Type::kInt8:
    case Type::kBool:
      return 1;
    case Type::kFloat16:
    case Type::kBfloat16:
      return 2;
    case Type::kFloat:
    case Type::kInt32:
      return 4;
    case Type::kInt64:
    case Type::kDouble:
      return 8;
    default:
      return 0;
  }
}

std::vector<float> Constant::all_reals() const {
  if (!integer) return reals;
  return {integers.begin(), integers.end()};
}

Result<Constant> decode(const Tensor& tensor) {
  if (tensor.external) return unsupported("its data lies outside of the model");
  const auto type = static_cast<Type>(tensor.type);
  const size_t bytes = bytes_of(type);
  if (bytes == 0)
    return unsupported("has numbers of " + type_name(tensor.type) +
                       "; read are FLOAT, FLOAT16, BFLOAT16, DOUBLE, INT8, UINT8, INT32, INT64 and BOOL");
  int64_t count = 0;
  if (!count_of(tensor.dims, &count)) return corrupt("has dimensions that cannot be");
  if (tensor.has_raw && tensor.raw.size() % bytes != 0) return corrupt("ends within a number");
  const size_t there = tensor.has_raw ? tensor.raw.size() / bytes : numbers_in_fields(type, tensor);
  if (there != static_cast<uint64_t>(count))
    return corrupt("has dimensions for " + std::to_string(count) + " numbers, and " + std::to_string(there) +
                   " of them");
  Constant out;
  out.dims = tensor.dims;
  out.integer =
      type != Type::kFloat && type != Type::kDouble && type != Type::kFloat16 && type != Type::kBfloat16;
  out.type = type;
  if (tensor.has_raw)
    decode_raw(type, tensor.raw, out);
  else
    decode_fields(type, tensor, out);
  return out;
}

bool count_of(const std::vector<int64_t>& dims, int64_t* count) {
  bool empty = false;
  *count = 1;
  for (const int64_t size : dims) {
    if (size < 0 || __builtin_mul_overflow(*count, std::max<int64_t>(size, 1), count)) return false;
    empty = empty || size == 0;
  }
  if (empty) *count = 0;
  return true;
}

Result<std::vector<int64_t>> integers_of(const Constant& constant) {
  if (!constant.integer || constant.dims.size() > 1) return invalid("should be a list of integers");
  return constant.integers;
}

Result<size_t> axis_of(int64_t axis, size_t rank) {
  const auto count = static_cast<int64_t>(rank);
  if (axis < -count || axis >= count)
    return invalid("axis " + std::to_string(axis) + " is none of " + std::to_string(count));
  return static_cast<size_t>(axis < 0 ? axis + count : axis);
}

}  // namespace coppice::onnx
