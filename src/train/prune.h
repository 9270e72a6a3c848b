// SPDX-License-Identifier: Apache-2.0
// The recipes of runs that begin with a trained network: that take weights from it, or bits.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "train/recipe.h"

namespace coppice {

struct PruneSource {
  std::string file;            // of the values: a checkpoint, or any safetensors file
  std::optional<Recipe> from;  // that the checkpoint was trained by
};

// Data, network and optimizer as in source.from, or the usual ones of the model; then what pruning wants:
// gradual magnitude pruning, 10 epochs, half the peak of the learning rate without warm-up; then what was
// chosen. Without fine-tuning everything dies at once, and 100 batches, which change no weight, go through
// the network, so that its batch norm knows what is left. Fails where no density is chosen.
Result<Recipe> prune_recipe(const PruneSource& source, const std::vector<Setting>& chosen, bool finetune);

// The same for a run that gets a trained network used to 8-bit integers: 3 epochs, weights rounded, a
// hundredth of the peak of the learning rate; then what was chosen. Refuses what would change where weights
// live.
Result<Recipe> quantise_recipe(const PruneSource& source, const std::vector<Setting>& chosen);

}  // namespace coppice
