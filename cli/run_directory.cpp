// SPDX-License-Identifier: Apache-2.0
#include "run_directory.h"

#include <algorithm>
#include <filesystem>

#include "base/text.h"
#include "models/models.h"
#include "train/trainer.h"

namespace coppice::cli {

std::string new_run_directory(Env& env, const Recipe& recipe, const std::string& what) {
  // The last part of a path, also of one that ends with a slash.
  const std::string data = recipe.data.substr(0, recipe.data.find_last_not_of('/') + 1);
  const std::filesystem::path model(recipe.model);
  std::string name = data.substr(data.find_last_of('/') + 1) + "-";
  name += is_graph_file(recipe.model) ? model.stem().string() : recipe.model;
  name += "-density-" + shortest(recipe.sparsity.density) + "-seed-" + std::to_string(recipe.seed) + what;
  std::replace_if(
      name.begin(), name.end(), [](char c) { return c == ':' || c == ',' || c == '/'; }, '-');
  std::string path = join_path("runs", name);
  if (!env.exists(path)) return path;
  for (int number = 2;; ++number) {
    std::string next = path + "-" + std::to_string(number);
    if (!env.exists(next)) return next;
  }
}

Recipe with_whole_paths(Env& env, Recipe recipe) {
  for (std::string* path : {&recipe.data, &recipe.val_data, &recipe.teacher})
    if (!path->empty() && (path == &recipe.teacher || is_own_data(*path)) && env.exists(*path))
      *path = std::filesystem::absolute(*path).lexically_normal().string();
  return recipe;
}

Result<std::string> checkpoint_path(Env& env, const std::string& run, const char* file) {
  if (!env.exists(run))
    return not_found(run + ": there is no such run or file; `coppice train` makes runs under runs/");
  if (!env.is_directory(run)) {
    if (run.ends_with(".onnx"))
      return invalid(run + ": is an ONNX file; make a run of it with `coppice import " + run +
                     " --out runs/NAME`, and take that");
    return run;
  }
  std::string path = join_path(run, file);
  if (env.exists(path)) return path;
  const std::string last = join_path(run, kLastFile);
  return not_found(run + ": holds no " + file +
                   (env.exists(last) ? ", as no epoch has ended yet; its state is in " + last
                                     : "; is it a directory that `coppice train` made?"));
}

Result<Recipe> recipe_of_run(const Recipe& recipe, const RecipeFlags& flags) {
  TRY_ASSIGN(std::vector<Setting> settings, settings_from_toml(recipe_to_toml(recipe), "checkpoint"));
  for (const Setting& setting : flags.settings()) {
    if (!find_recipe_key(setting.key)->on_resume)
      return invalid(setting.origin + ": is part of the run and cannot be changed; start a new one for that");
    settings.push_back(setting);
  }
  return make_recipe(settings);
}

Result<PruneSource> prune_source(Env& env, const std::string& model) {
  TRY_ASSIGN(const std::string path, checkpoint_path(env, model, kBestFile));
  PruneSource source{std::filesystem::absolute(path).lexically_normal().string(), std::nullopt};
  auto checkpoint = read_checkpoint(env, path);
  if (checkpoint.ok()) {
    source.from = std::move(checkpoint->info.recipe);
    source.from->model = value_beside(source.file, "model", source.from->model);
  } else if (checkpoint.status().code() != Code::kInvalid) {
    return checkpoint.status();
  }
  return source;
}

}  // namespace coppice::cli
