// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

#include "graph/graph.h"

namespace coppice {

// Sums move into who computes one of their operands: a residual sum into the batch norm before it, a sum of
// gradients into the convolution whose dx it adds to. Saves a pass over the activations each. To be run
// before fuse_relu, which then finds the relu behind the sum. Values of `keep` are computed all the same.
// Returns the number of fused nodes.
int fuse_add(Graph& graph, std::span<const ValueId> keep = {});

}  // namespace coppice
