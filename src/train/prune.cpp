// SPDX-License-Identifier: Apache-2.0
#include "train/prune.h"

#include <algorithm>
#include <sstream>

#include "base/text.h"

namespace coppice {
namespace {

constexpr char kOrigin[] = "defaults of prune";
constexpr double kSlower = 100;  // a trained network whose batch norms are gone takes small steps

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

Setting usual(const char* key, const std::string& value) { return {key, value, kOrigin}; }

// What is inherited, then these lists: the later setting wins.
Result<Recipe> recipe_of(const PruneSource& source, const std::vector<std::vector<Setting>>& lists) {
  std::vector<Setting> above, all;
  for (const std::vector<Setting>& list : lists) above.insert(above.end(), list.begin(), list.end());
  if (source.from) {
    TRY_ASSIGN(all, fitting(settings_of(*source.from), above));
  }
  all.insert(all.end(), above.begin(), above.end());
  return make_recipe(all);
}

}  // namespace

Result<Recipe> prune_recipe(const PruneSource& source, const std::vector<Setting>& chosen, bool finetune) {
  if (!chooses(chosen, "density"))
    return invalid("density: say how many weights shall stay, such as --density 0.1");
  std::vector<Setting> first = {usual("init", source.file), usual("epochs", "10"), usual("warmup", "0")};
  if (!chooses(chosen, "method")) first.push_back(usual("method", "magnitude"));
  TRY_ASSIGN(const Recipe recipe, recipe_of(source, {first, chosen}));
  if (finetune) {
    if (!chooses(chosen, "learning_rate"))
      first.push_back(usual("learning_rate", shortest(recipe.rate.peak / 2)));
    return recipe_of(source, {first, chosen});
  }
  std::vector<Setting> still = {usual("learning_rate", "1e-30"),  // no weight changes by it
                                usual("schedule", "constant"), usual("weight_decay", "0"),
                                usual("max_steps", "100")};
  if (recipe.optimizer.kind == OptimizerKind::kSgd) {
    still.push_back(usual("nesterov", "false"));
    still.push_back(usual("momentum", "0"));
  }
  const MethodDef& method = *find_method(recipe.sparsify.method);
  if (method.keep && method.defaults.initial_density > 0) still.push_back(usual("prune_end", "0"));
  return recipe_of(source, {first, chosen, still});
}

Result<Recipe> quantise_recipe(const PruneSource& source, const std::vector<Setting>& chosen) {
  for (const Setting& setting : chosen) {
    const RecipeKey* key = find_recipe_key(setting.key);
    if (key != nullptr && std::string_view(key->group) == "Pruning and regrowth")
      return invalid(setting.origin + ": weights stay where they are here; `coppice prune` changes that");
    for (const char* fixed : {"model", "density", "distribution", "block", "layer", "init"})
      if (setting.key == fixed)
        return invalid(setting.origin + ": the network stays what it is here; leave it out");
  }
  std::vector<Setting> first = {usual("init", source.file), usual("epochs", "3"), usual("warmup", "0"),
                                usual("round_weights", "true"), usual("label_smoothing", "0")};
  TRY_ASSIGN(const Recipe recipe, recipe_of(source, {first, chosen}));
  if (!chooses(chosen, "learning_rate"))
    first.push_back(usual("learning_rate", shortest(recipe.rate.peak / kSlower)));
  TRY_ASSIGN(Recipe out, recipe_of(source, {first, chosen}));
  // The file brings its pattern.
  out.sparsity = SparsityConfig();
  out.sparsify = SparsifyConfig();
  return out;
}

}  // namespace coppice
