// SPDX-License-Identifier: Apache-2.0
// Units that pruning has left without a purpose: nobody hears them, or they always say the same.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "exec/network.h"

namespace coppice {

struct DeadUnits {
  int64_t removed = 0;   // neurons and channels, each counted once however many layers it passes
  int64_t folded = 0;    // of these: constants that biases took over
  int64_t constant = 0;  // left: they always say the same, but no bias can take that over
  int64_t weights = 0;   // live ones that went with them
};

// Removes the units that no output depends on, and those that are constant because no live weight leads to
// them, wherever the biases behind them can take over what they say. That is so behind linear layers and
// convolutions without zeros around their input; everywhere, where the constant is 0. Blocks stay whole: a
// unit goes with those that share its blocks, or stays. What the network says in an evaluation stays the same
// up to rounding.
Result<DeadUnits> remove_dead(Network& network);

}  // namespace coppice
