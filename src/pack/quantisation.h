// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace coppice {

// 8-bit integers stand for numbers: (integer - zero_point) * scale.
struct Quantisation {
  float scale = 1.0f;
  int32_t zero_point = 0;  // in [-128, 127]
  bool operator==(const Quantisation&) const = default;
};

}  // namespace coppice
