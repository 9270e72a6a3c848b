// SPDX-License-Identifier: Apache-2.0
// What pruning does to the structure of a network, as files of a run.
#pragma once

#include <string>
#include <vector>

#include "base/env.h"
#include "base/result.h"
#include "pack/insert_fake_quantise.h"
#include "structure/dead.h"
#include "train/checkpoint.h"
#include "train/prune.h"

namespace coppice {

inline constexpr char kCutFile[] = "cut.safetensors",  // what the fine-tuning of a cut network begins with
    kPermutedFile[] = "permuted.safetensors",          // or of one whose units have changed places
    kRoundedFile[] = "rounded.safetensors",            // or of one that rounds its activations
    kPrunedGraphFile[] = "pruned.json";                // graph of the best state, without its dead units

// A network whose channels were cut, in the directory of the run that is to fine-tune it.
struct CutRun {
  Recipe original;  // of the network before
  Recipe recipe;    // of the run
  int64_t removed = 0, all = 0;
};

// Cuts the network that source and settings describe to the density among them and writes graph and values
// into the directory, which must not hold a run. Refuses settings that mean nothing for channels.
Result<CutRun> cut_into(Env& env, const PruneSource& source, const std::vector<Setting>& chosen,
                        bool finetune, const std::string& directory);

// The recipe of cut_into(): the original, dense, fine-tuned as it is chosen.
Result<Recipe> channels_recipe(const PruneSource& source, const std::vector<Setting>& chosen, bool finetune);

// A network whose units lie in the order that suits its blocks, in the directory of the run that is to prune
// it.
struct PermutedRun {
  Recipe recipe;                 // of the run
  double before = 0, after = 0;  // share of its magnitude that the best blocks keep
};

// Permutes the network that the recipe begins with and writes its values into the directory, which must not
// hold a run. Refuses a recipe without blocks.
Result<PermutedRun> permute_into(Env& env, const Recipe& recipe, const std::string& directory);

// Makes the network of a checkpoint round these values as integers will, and writes graph and values into the
// directory, which must not hold a run. The recipe of a run becomes one that begins with them.
Result<Recipe> rounded_into(Env& env, Checkpoint model, const Quantisations& quantisations, Recipe recipe,
                            const std::string& directory);

// Removes the dead units of the best state of a run. It becomes a network of its own, with its graph beside
// it; the last state, from which the run would go on, stays as it is.
Result<DeadUnits> remove_dead_from(Env& env, const std::string& directory);

}  // namespace coppice
