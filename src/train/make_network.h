// SPDX-License-Identifier: Apache-2.0
// What a recipe makes of a data set: the network and how it is executed.
#pragma once

#include <optional>
#include <string>

#include "base/env.h"
#include "base/result.h"
#include "dataset/dataset.h"
#include "exec/executor.h"
#include "train/checkpoint.h"
#include "train/init.h"
#include "train/recipe.h"

namespace coppice {

// The number of samples that run through the network together.
int micro_batch(const Recipe& recipe);

// The network of a recipe and its data, as train() would begin with; its formats are chosen by the recipe's
// cost table. Tells in `init` what came from the file recipe.init, if that is named.
Result<Network> make_network(Env& env, const Recipe& recipe, const Dataset& data, InitReport* init = nullptr);

// What a file holds: a checkpoint's own network, or weights alone as values of the recipe's model, all of
// which live.
struct SavedNetwork {
  Network network;
  std::optional<Preprocessing> preprocessing;  // of a checkpoint
  InitReport init;                             // of weights alone
};
Result<SavedNetwork> network_of_file(Env& env, const std::string& file, const Recipe& recipe,
                                     const Dataset& data);

ExecOptions training_options(const Recipe& recipe);

}  // namespace coppice
