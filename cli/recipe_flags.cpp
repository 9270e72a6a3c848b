// SPDX-License-Identifier: Apache-2.0
#include "recipe_flags.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "models/models.h"
#include "train/cost_table.h"
#include "train/usual.h"

namespace coppice::cli {
namespace {
constexpr uint64_t kLongestRecipe = 1 << 20;
}

std::string flag_of(const std::string& key) {
  std::string flag = "--" + key;
  std::replace(flag.begin() + 2, flag.end(), '_', '-');
  return flag;
}

void RecipeFlags::add_to(CLI::App& command) {
  for (const RecipeKey& key : recipe_keys()) add(command, key);
}

void RecipeFlags::add_group(CLI::App& command, const std::string& group, const std::string& but) {
  for (const RecipeKey& key : recipe_keys())
    if (group == key.group && but != key.name) add(command, key);
}

void RecipeFlags::add(CLI::App& command, const RecipeKey& key) {
  std::vector<std::string>& values = given_[key.name];
  CLI::Option* option = nullptr;
  if (key.kind == KeyKind::kFlag) {
    option = command.add_flag_function(
        flag_of(key.name), [&values](int64_t on) { values = {on > 0 ? "true" : "false"}; }, key.help);
  } else {
    option = command.add_option(flag_of(key.name), values, key.help);
    option->type_name(key.wants)->expected(1);
    if (key.kind == KeyKind::kLayers)
      option->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    else
      option->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  }
  const std::string usual = default_text(key);
  if (!usual.empty() && usual != "false") option->default_str(usual);
  option->group(key.group);
}

std::vector<Setting> RecipeFlags::settings() const {
  std::vector<Setting> out;
  for (const RecipeKey& key : recipe_keys()) {
    const auto at = given_.find(key.name);
    if (at == given_.end()) continue;
    for (const std::string& value : at->second) out.push_back({key.name, value, flag_of(key.name)});
  }
  return out;
}

std::string value_beside(const std::string& file, const std::string& key, const std::string& value) {
  const bool names_file = (key == "cost_table" && !value.empty() && value != kShippedCostTable) ||
                          (key == "model" && is_graph_file(value));
  return names_file ? (std::filesystem::path(file).parent_path() / value).string() : value;
}

Result<Recipe> recipe_from(Env& env, const std::string& path, const RecipeFlags& flags) {
  std::vector<Setting> settings;
  if (!path.empty()) {
    TRY_ASSIGN(const std::string text, read_all(env, path, kLongestRecipe));
    TRY_ASSIGN(settings, settings_from_toml(text, path));
    for (Setting& setting : settings) setting.value = value_beside(path, setting.key, setting.value);
  }
  for (Setting& setting : flags.settings()) settings.push_back(std::move(setting));
  return make_recipe_for_data(env, std::move(settings));
}

}  // namespace coppice::cli
