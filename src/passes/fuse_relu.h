// SPDX-License-Identifier: Apache-2.0
// relu becomes the epilogue of the product that feeds it, and relu's gradient that of the linear_dx that
// feeds it: two passes over memory less for each layer. Runs on the graph with gradients.
#pragma once

#include <span>

#include "graph/graph.h"

namespace coppice {

// Values of `keep` are computed all the same. Returns the number of nodes fused away.
int fuse_relu(Graph& graph, std::span<const ValueId> keep = {});

}  // namespace coppice
