// SPDX-License-Identifier: Apache-2.0
// A network with fewer units, or with its units in another order. What is left out leaves no zeros behind,
// and what changes places costs nothing at run time: only parameters, shapes and attributes change.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "exec/network.h"
#include "graph/axes.h"

namespace coppice {

using Marks = std::vector<bool>;  // of components

// Ties the units whose weights lie in one block: it stays whole, or goes.
void tie_blocks(AxisMap& map, const Network& network);

// Without the components that are marked. `map` is one of the network's graph. Values, optimizer state,
// patterns, running statistics and attributes are cut alike; parameters are not encoded. Names, and the order
// of values, stay. Fails where a component may not go, or a block or the last unit of an axis would.
Result<Network> cut(const Network& network, const AxisMap& map, const AxisMap::Components& components,
                    const Marks& gone);

// Each component c takes the values of the component source[c], which lies on the same axes, so that the
// outputs stay what they are up to the order of sums.
Result<Network> permute(const Network& network, const AxisMap& map, const AxisMap::Components& components,
                        const std::vector<int32_t>& source);

}  // namespace coppice
