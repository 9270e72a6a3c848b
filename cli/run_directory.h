// SPDX-License-Identifier: Apache-2.0
// Where runs lie: runs/NAME, each with recipe, metrics and checkpoints.
#pragma once

#include <string>

#include "base/env.h"
#include "train/checkpoint.h"
#include "train/recipe.h"

namespace coppice::cli {

// "runs/glyphs-mlp-784-300-100-10-density-0.1-seed-1", with a counter behind it if that is taken.
std::string new_run_directory(Env& env, const Recipe& recipe);

// RUN is a run directory, whose `file` is meant, or a file itself.
Result<Checkpoint> read_run(Env& env, const std::string& run, const char* file);

}  // namespace coppice::cli
