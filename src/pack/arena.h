// SPDX-License-Identifier: Apache-2.0
// Places of values that live only between some steps: those that never live at the same time may share bytes.
#pragma once

#include <cstdint>
#include <vector>

namespace coppice {

struct ArenaValue {
  int64_t bytes = 0;
  int32_t first = 0, last = 0;  // steps: written, read for the last time
};

struct ArenaPlan {
  std::vector<int64_t> offset;  // of each value, a multiple of 64
  int64_t bytes = 0;
};

// The largest values first, each at the lowest place that is free while it lives.
ArenaPlan plan_arena(const std::vector<ArenaValue>& values);

}  // namespace coppice
