// SPDX-License-Identifier: Apache-2.0
#include "train/prune.h"

#include <algorithm>
#include <sstream>

#include "base/text.h"

namespace coppice {
namespace {

constexpr char kOrigin[] = "defaults of prune";

// Groups of recipe_keys() that describe what was trained, not how long and by whom.
bool describes_network(const RecipeKey& key) {
  constexpr std::string_view kGroups[] = {"Data", "Network", "Learning"};
  constexpr std::string_view kOwn[] = {"init", "freeze", "density"};
  return std::find(std::begin(kGroups), std::end(kGroups), key.group) != std::end(kGroups) &&
         std::find(std::begin(kOwn), std::end(kOwn), key.name) == std::end(kOwn);
}

bool chooses(const std::vector<Setting>& settings, const std::string& key) {
  return std::any_of(settings.begin(), settings.end(), [&](const Setting& s) { return s.key == key; });
}

std::vector<Setting> settings_of(const Recipe& recipe) {
  std::vector<Setting> settings;
  for (const RecipeKey& key : recipe_keys()) {
    if (!describes_network(key) || (key.applies && !key.applies(recipe))) continue;
    // A layer a line, where several may be given.
    std::istringstream lines(key.print(recipe));
    for (std::string value; std::getline(lines, value);) settings.push_back({key.name, value, kOrigin});
  }
  return settings;
}

// What the network was trained with may mean nothing beside what was chosen now.
Result<std::vector<Setting>> fitting(const std::vector<Setting>& inherited,
                                     const std::vector<Setting>& chosen) {
  Recipe both;
  for (const std::vector<Setting>* list : {&inherited, &chosen})
    for (const Setting& setting : *list) {
      const RecipeKey* key = find_recipe_key(setting.key);
      if (key == nullptr) return invalid(unknown_key(setting.key));
      TRY(key->parse(both, setting.value).within(setting.origin));
    }
  std::vector<Setting> out;
  for (const Setting& setting : inherited) {
    const RecipeKey& key = *find_recipe_key(setting.key);
    if (!key.applies || key.applies(both)) out.push_back(setting);
  }
  return out;
}

}  // namespace

Result<Recipe> prune_recipe(const PruneSource& source, const std::vector<Setting>& chosen, bool finetune) {
  if (!chooses(chosen, "density"))
    return invalid("density: say how many weights shall stay, such as --density 0.1");
  const auto add = [](std::vector<Setting>& list, const char* key, const std::string& value) {
    list.push_back({key, value, kOrigin});
  };
  std::vector<Setting> usual;
  add(usual, "init", source.file);
  if (!chooses(chosen, "method")) add(usual, "method", "magnitude");
  add(usual, "epochs", "10");
  add(usual, "warmup", "0");
  // What is inherited, what is usual, what was chosen, and what has to be: the later one wins.
  const auto with = [&](const std::vector<Setting>& last) -> Result<Recipe> {
    std::vector<Setting> above = usual, all;
    above.insert(above.end(), chosen.begin(), chosen.end());
    above.insert(above.end(), last.begin(), last.end());
    if (source.from) {
      TRY_ASSIGN(all, fitting(settings_of(*source.from), above));
    }
    all.insert(all.end(), above.begin(), above.end());
    return make_recipe(all);
  };
  TRY_ASSIGN(const Recipe recipe, with({}));
  if (finetune) {
    if (!chooses(chosen, "learning_rate")) add(usual, "learning_rate", shortest(recipe.rate.peak / 2));
    return with({});
  }
  std::vector<Setting> still;
  add(still, "learning_rate", "1e-30");  // no weight changes by it
  add(still, "schedule", "constant");
  add(still, "weight_decay", "0");
  add(still, "max_steps", "100");
  if (recipe.optimizer.kind == OptimizerKind::kSgd) {
    add(still, "nesterov", "false");
    add(still, "momentum", "0");
  }
  const MethodDef& method = *find_method(recipe.sparsify.method);
  if (method.keep && method.defaults.initial_density > 0) add(still, "prune_end", "0");
  return with(still);
}

}  // namespace coppice
