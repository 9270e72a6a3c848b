// SPDX-License-Identifier: Apache-2.0
// A study over several seeds: which recipes it has, and what identifies one. docs/sweep.md says how it is
// written.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/env.h"
#include "base/result.h"
#include "train/recipe.h"

namespace coppice {

// A recipe of the study, which is trained with each of its seeds.
struct SweepCell {
  std::string name;  // no other has it
  std::string line;  // the same for cells that differ in density only: a line of the plots
  Recipe recipe;     // its seed means nothing
  std::vector<uint64_t> seeds;
};

struct SweepStudy {
  std::string path;  // of its file
  std::string name, question;
  std::vector<uint64_t> seeds;  // of cells that have no others
  std::string baseline;         // the name of the cell that others are compared with, or empty
  std::vector<SweepCell> cells;
};

// Refuses what no recipe says, two cells of one recipe, and more than a person can have meant. Own data is
// looked at, as its recipe depends on it.
Result<SweepStudy> read_sweep_study(Env& env, const std::string& path);

// Values of a recipe by key.
using RecipeValues = std::map<std::string, std::string>;

// What has to be said to get a recipe: its data, its model, and every key that is not what it would be by
// itself beside these two. Without `seed`, and without keys that change no result (threads, ...).
struct SweepRecipe {
  RecipeValues chosen;
  RecipeValues usual;  // the other keys that mean something for it
};
Result<SweepRecipe> sweep_recipe(Env& env, const Recipe& recipe);

// 12 hexadecimal digits of the SHA-256 of what is chosen, in the order of names, and the seed. So it is the
// same however a study writes its recipe, and stays when a later version knows more keys.
std::string sweep_id(const SweepRecipe& recipe, uint64_t seed);

// What changes no result and has no place in an identity: how many threads, where data lies, ...
bool changes_no_result(const std::string& key);

}  // namespace coppice
