// SPDX-License-Identifier: Apache-2.0
#include "simplify.h"

#include <algorithm>

#include "report/text.h"
#include "structure/dead.h"
#include "structure/fold_batch_norm.h"
#include "structure/remove_identities.h"

namespace coppice::cli {

Result<std::vector<std::string>> simplify(Network& network) {
  std::vector<std::string> notes;
  TRY_ASSIGN(const std::vector<FoldedNorm> norms, fold_batch_norm(network));
  const auto folded =
      std::count_if(norms.begin(), norms.end(), [](const FoldedNorm& norm) { return !norm.into.empty(); });
  if (folded > 0) notes.push_back(std::to_string(folded) + " batch norms went into their layers");
  for (const FoldedNorm& norm : norms)
    if (norm.into.empty()) notes.push_back("batch norm '" + norm.name + "' stays: " + norm.why);
  TRY_ASSIGN(const std::vector<RemovedNode> removed, remove_identities(network));
  for (const RemovedNode& node : removed) notes.push_back(node.op + " '" + node.name + "' went: " + node.why);
  TRY_ASSIGN(const DeadUnits dead, remove_dead(network));
  if (dead.removed > 0)
    notes.push_back(with_commas(dead.removed) + " units that no answer depends on went, with " +
                    with_commas(dead.weights) + " live weights");
  return notes;
}

}  // namespace coppice::cli
