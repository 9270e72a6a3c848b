// SPDX-License-Identifier: Apache-2.0
// A change of the topology while a network is trained: all of it, so that what is measured is what training
// does.
#pragma once

#include <span>

#include "exec/executor.h"
#include "sparsify/sparsifier.h"

namespace coppice {

// What an executor has to be made with so that the sparsifier, which must outlive it, finds its gradients.
void prepare_for_edits(ExecOptions& options, const Sparsifier& sparsifier);

// Sparsifier::edit() before the update `step`; then every executor that runs the network is bound anew.
Result<EditReport> change_topology(const Sparsifier& sparsifier, Network& network, int64_t step,
                                   const RunLength& run, const GradientSource& gradients,
                                   std::span<Executor* const> executors, const EditWatch& on_round = {});

}  // namespace coppice
