// SPDX-License-Identifier: Apache-2.0
// Where runs lie: runs/NAME, each with recipe, metrics and checkpoints.
#pragma once

#include <string>

#include "base/env.h"
#include "recipe_flags.h"
#include "train/prune.h"
#include "train/recipe.h"

namespace coppice::cli {

// "runs/glyphs-mlp-784-300-100-10-density-0.1-seed-1" and `what`, with a counter behind it if that is taken.
std::string new_run_directory(Env& env, const Recipe& recipe, const std::string& what = "");

// Its own data, validation samples and teacher by their whole path: so that the run goes on, and is judged,
// from wherever somebody stands.
Recipe with_whole_paths(Env& env, Recipe recipe);

// RUN is a run directory, whose `file` is meant, or a file itself.
Result<std::string> checkpoint_path(Env& env, const std::string& run, const char* file);

// The checkpoint of a run with its recipe, or a file of weights alone.
Result<PruneSource> prune_source(Env& env, const std::string& model);

// The recipe of a run with flags over it; refuses those that would make it another run.
Result<Recipe> recipe_of_run(const Recipe& recipe, const RecipeFlags& flags);

}  // namespace coppice::cli
