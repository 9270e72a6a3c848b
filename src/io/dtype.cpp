// SPDX-License-Identifier: Apache-2.0
#include "io/dtype.h"

namespace coppice {
namespace {

struct Row {
  Dtype dtype;
  std::string_view name;
  uint64_t bytes;
};
constexpr Row kRows[] = {
    {Dtype::kBool, "BOOL", 1}, {Dtype::kU8, "U8", 1},   {Dtype::kI8, "I8", 1},     {Dtype::kU16, "U16", 2},
    {Dtype::kI16, "I16", 2},   {Dtype::kF16, "F16", 2}, {Dtype::kBF16, "BF16", 2}, {Dtype::kU32, "U32", 4},
    {Dtype::kI32, "I32", 4},   {Dtype::kF32, "F32", 4}, {Dtype::kU64, "U64", 8},   {Dtype::kI64, "I64", 8},
    {Dtype::kF64, "F64", 8},
};

const Row& row_of(Dtype dtype) { return kRows[static_cast<size_t>(dtype)]; }

constexpr bool in_order() {
  for (size_t i = 0; i < std::size(kRows); ++i)
    if (kRows[i].dtype != static_cast<Dtype>(i)) return false;
  return true;
}
static_assert(in_order());

}  // namespace

std::string_view dtype_name(Dtype dtype) { return row_of(dtype).name; }
uint64_t dtype_bytes(Dtype dtype) { return row_of(dtype).bytes; }

std::optional<Dtype> parse_dtype(std::string_view name) {
  for (const Row& row : kRows)
    if (row.name == name) return row.dtype;
  return std::nullopt;
}

std::optional<uint64_t> tensor_bytes(Dtype dtype, std::span<const int64_t> shape) {
  auto bytes = static_cast<int64_t>(dtype_bytes(dtype));
  for (const int64_t dimension : shape)
    if (dimension < 0 || __builtin_mul_overflow(bytes, dimension, &bytes)) return std::nullopt;
  return static_cast<uint64_t>(bytes);
}

}  // namespace coppice
