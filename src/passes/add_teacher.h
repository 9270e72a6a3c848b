// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"
#include "graph/graph.h"

namespace coppice {

// The loss of a network that tells classes apart takes the logits of a teacher as its third input, which
// comes with each batch (Graph::teacher). A network keeps its own loss; only what trains it has this one.
// Fails where the loss is another one.
Status add_teacher(Graph& graph, double share, double temperature);

}  // namespace coppice
