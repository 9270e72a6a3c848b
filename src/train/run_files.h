// SPDX-License-Identifier: Apache-2.0
// Copies of what a recipe names elsewhere, in the directory of its run: the recipe repeats the run whatever
// becomes of the originals, and wherever the run is moved.
#pragma once

#include <string>

#include "base/env.h"
#include "base/result.h"
#include "exec/network.h"
#include "train/recipe.h"

namespace coppice {

// The cost table that chose the network's formats; none where it is the shipped one. The recipe names it by
// its place beside itself.
Status keep_cost_table(Env& env, const std::string& directory, const Network& network, Recipe& recipe);

// The graph of a network of one's own.
Status keep_graph(Env& env, const std::string& directory, const Network& network, Recipe& recipe);

}  // namespace coppice
