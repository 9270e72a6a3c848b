// SPDX-License-Identifier: Apache-2.0
// A parameter with its zeros, for tools that know no patterns.
#pragma once

#include <vector>

#include "sparse/param.h"

namespace coppice {

// The values row by row as PyTorch has them, with a 0 wherever no weight lives. [total]
std::vector<float> dense_floats(const Param& param);

}  // namespace coppice
