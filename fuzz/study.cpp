// SPDX-License-Identifier: Apache-2.0
#include <set>

#include "study/sweep_study.h"
#include "support/target.h"

namespace coppice::fuzz {

bool fuzz_study(std::string_view input) {
  testing::MemoryEnv env = env_with(input);
  auto study = read_sweep_study(env, kPath);
  if (!taken(study.status())) return false;
  require(!study->cells.empty() && !study->seeds.empty(), "a study has runs");
  std::set<std::string> names, ids;
  for (const SweepCell& cell : study->cells) {
    require(names.insert(cell.name).second, "no two cells have one name");
    auto recipe = sweep_recipe(env, cell.recipe);
    require(recipe.ok(), "every cell has an identity");
    require(ids.insert(sweep_id(*recipe, 1)).second, "no two cells have one recipe");
  }
  require(study->baseline.empty() || names.contains(study->baseline), "the baseline is a cell");
  return true;
}

}  // namespace coppice::fuzz
