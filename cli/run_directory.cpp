// SPDX-License-Identifier: Apache-2.0
#include "run_directory.h"

#include <algorithm>

#include "train/text.h"
#include "train/trainer.h"

namespace coppice::cli {

std::string new_run_directory(Env& env, const Recipe& recipe) {
  const std::string data = recipe.data.substr(recipe.data.find_last_of('/') + 1);
  std::string name = data + "-" + recipe.model;
  name += "-density-" + shortest(recipe.sparsity.density) + "-seed-" + std::to_string(recipe.seed);
  std::replace_if(
      name.begin(), name.end(), [](char c) { return c == ':' || c == ',' || c == '/'; }, '-');
  std::string path = join_path("runs", name);
  if (!env.exists(path)) return path;
  for (int number = 2;; ++number) {
    std::string next = path + "-" + std::to_string(number);
    if (!env.exists(next)) return next;
  }
}

Result<Checkpoint> read_run(Env& env, const std::string& run, const char* file) {
  if (!env.exists(run))
    return not_found(run + ": there is no such run; `coppice train` makes one under runs/");
  if (!env.is_directory(run)) return read_checkpoint(env, run);
  const std::string path = join_path(run, file);
  if (!env.exists(path))
    return not_found(run + ": holds no " + file + "; is it a run of coppice, and did an epoch end?");
  return read_checkpoint(env, path);
}

}  // namespace coppice::cli
