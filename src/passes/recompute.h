// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "graph/graph.h"

namespace coppice {

// Values that both the forward pass and gradients read, and whose op says how (OpDef::again), are computed
// anew for the gradients: an activation that is not kept costs neither memory nor the way to it and back.
// Gradients must have been built. Returns how many nodes were added.
int recompute(Graph& graph);

}  // namespace coppice
