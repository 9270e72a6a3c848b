// SPDX-License-Identifier: Apache-2.0
// What a network would say in 8-bit integers, said in floats: to be judged before it is packed.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "exec/network.h"

namespace coppice {

// What rounding has done to a weight.
struct RoundedWeight {
  std::string name;
  double largest = 0;      // error, as a share of the largest weight of its row
  double mean_square = 0;  // root of it, as a share of that of the weights
};

// Rounds every weight of a linear layer or convolution to what quantise_rows() makes of its row: 127 steps on
// each side of 0. Patterns and biases stay. Executors of the network have to rebind(). One entry for each
// weight, in their order. A weight that is not finite is refused, and nothing has changed then.
Result<std::vector<RoundedWeight>> quantise_weights(Network& network);

}  // namespace coppice
