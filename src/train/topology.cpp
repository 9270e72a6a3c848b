// SPDX-License-Identifier: Apache-2.0
#include "train/topology.h"

namespace coppice {

void prepare_for_edits(ExecOptions& options, const Sparsifier& sparsifier) {
  // The plan of gradients that nobody asks for would be made anew at each edit.
  if (sparsifier.wants_gradients())
    options.dense_gradients_of = [&sparsifier](const Param& param) {
      return sparsifier.wants_gradient_of(param);
    };
}

Result<EditReport> change_topology(const Sparsifier& sparsifier, Network& network, int64_t step,
                                   const RunLength& run, const GradientSource& gradients,
                                   std::span<Executor* const> executors, const EditWatch& on_round) {
  TRY_ASSIGN(const EditReport report, sparsifier.edit(network, step, run, gradients, on_round));
  for (Executor* executor : executors) TRY(executor->rebind());
  return report;
}

}  // namespace coppice
