// SPDX-License-Identifier: Apache-2.0
// NumPy's .npy: a magic, a version, a header (a Python dictionary of type, order and shape), then the values.
// Used to exchange inputs and outputs with other tools, so only what such files hold is read.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "base/env.h"
#include "base/result.h"
#include "io/dtype.h"

namespace coppice {

struct NpyArray {
  Dtype dtype = Dtype::kF32;
  std::vector<int64_t> shape;  // empty for a single number
  std::vector<uint8_t> bytes;

  template <class T>
  Result<std::vector<T>> values() const {
    if (dtype != kDtypeOf<T>)
      return invalid("the array is " + std::string(dtype_name(dtype)) + ", needed is " +
                     std::string(dtype_name(kDtypeOf<T>)));
    std::vector<T> copy(bytes.size() / sizeof(T));
    if (!copy.empty()) std::memcpy(copy.data(), bytes.data(), bytes.size());
    return copy;
  }
};

// Versions 1 to 3, little-endian, C order, floats of 32 and 64 bits, integers of 8 to 32 bits and I64, and
// bool, at most 4 GiB; anything else is a sentence.
Result<NpyArray> read_npy(Env& env, const std::string& path);

// The same of a whole file in memory; sentences lack its name.
Result<NpyArray> parse_npy(std::vector<uint8_t> file);

// Version 1.0, the header padded as NumPy does; one of the same types. Atomic.
Status write_npy(Env& env, const std::string& path, Dtype dtype, const std::vector<int64_t>& shape,
                 const void* data);

}  // namespace coppice
