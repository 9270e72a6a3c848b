// SPDX-License-Identifier: Apache-2.0
// Types of stored numbers, under the names of safetensors. Files are little-endian, and so is every machine
// that this is built for.
#pragma once

#include <bit>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace coppice {

static_assert(std::endian::native == std::endian::little,
              "readers and writers copy little-endian numbers as they are");

enum class Dtype { kBool, kU8, kI8, kU16, kI16, kF16, kBF16, kU32, kI32, kF32, kU64, kI64, kF64 };

std::string_view dtype_name(Dtype dtype);  // "F32"
std::optional<Dtype> parse_dtype(std::string_view name);
uint64_t dtype_bytes(Dtype dtype);

// Bytes of a tensor; nothing if the product overflows 63 bits or a dimension is negative.
std::optional<uint64_t> tensor_bytes(Dtype dtype, std::span<const int64_t> shape);

template <class T>
inline constexpr Dtype kDtypeOf = [] { static_assert(sizeof(T) == 0, "not a stored type"); }();
template <>
inline constexpr Dtype kDtypeOf<uint8_t> = Dtype::kU8;
template <>
inline constexpr Dtype kDtypeOf<int32_t> = Dtype::kI32;
template <>
inline constexpr Dtype kDtypeOf<int64_t> = Dtype::kI64;
template <>
inline constexpr Dtype kDtypeOf<float> = Dtype::kF32;
template <>
inline constexpr Dtype kDtypeOf<double> = Dtype::kF64;

}  // namespace coppice
