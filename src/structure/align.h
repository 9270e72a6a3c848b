// SPDX-License-Identifier: Apache-2.0
// Units in an order in which what matters lies in the same blocks: a block lives or dies as a whole, so rows
// that are large at the same columns should share theirs.
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "exec/network.h"

namespace coppice {

struct Alignment {
  Network network;               // the same function, its units in another order
  double before = 0, after = 0;  // share of the magnitude of its weights that the best blocks keep
};

// Reorders the units of a dense network for blocks: maximises the sum |w| of the largest blocks, as many as
// the choices (of distribute()) let live, by swaps of units that lie on the same axes. A residual stream has
// one order for all its layers, and what the network takes and says stays in its place. `network_wide`: the
// layers that `alone` does not mark compete with each other for their live weights. The same for the same
// network; the time is bounded.
Result<Alignment> align_blocks(const Network& network, const std::vector<LayerChoice>& choices,
                               const std::vector<bool>& alone, bool network_wide);

}  // namespace coppice
