// SPDX-License-Identifier: Apache-2.0
#include "train/recipe.h"

#include "support/target.h"

namespace coppice::fuzz {

bool fuzz_recipe(std::string_view input) {
  auto settings = settings_from_toml(std::string(input), kPath);
  if (!taken(settings.status())) return false;
  auto recipe = make_recipe(*settings);
  if (!taken(recipe.status())) return false;
  const std::string written = recipe_to_toml(*recipe);
  auto read = settings_from_toml(written, "copy");
  require(read.ok(), "what was written can be read");
  auto again = make_recipe(*read);
  require(again.ok() && recipe_to_toml(*again) == written, "a copy is the same recipe");
  return true;
}

}  // namespace coppice::fuzz
