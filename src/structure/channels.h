// SPDX-License-Identifier: Apache-2.0
// Structured pruning: whole channels and neurons go, and what is left is a smaller dense network.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "exec/network.h"

namespace coppice {

struct ChannelCut {
  Network network;
  int64_t removed = 0, all = 0;  // components: neurons, channels, or what has to go together with them
};

// Removes the components of the smallest magnitude until at most `density` of all weights is left. Their
// score is the group norm of Fang et al. (2023, DepGraph): the length of each row of a weight (the filter
// norm of Li et al. 2017) and of each column that belongs to the component, divided by the mean of that layer
// so that layers compete fairly, and averaged over all of them. Each layer keeps a unit. Fails for a network
// that is sparse already, and where so few weights cannot be reached.
Result<ChannelCut> cut_channels(const Network& network, double density);

}  // namespace coppice
