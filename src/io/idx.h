// SPDX-License-Identifier: Apache-2.0
// IDX, the format of MNIST: two zero bytes, a type, the number of dimensions, each dimension as a big-endian
// u32, then the values, rows outermost. Plain or gzip, told apart by content.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/env.h"
#include "base/result.h"

namespace coppice {

struct IdxArray {
  std::vector<int64_t> shape;  // 1 to 4 dimensions, each at least 1
  std::vector<uint8_t> bytes;  // their product
};

// Unsigned bytes only (images and labels are), at most 2 GiB. A header that does not fit the file, and
// anything after the values, is an error that names the file and the place.
Result<IdxArray> read_idx(Env& env, const std::string& path);

}  // namespace coppice
