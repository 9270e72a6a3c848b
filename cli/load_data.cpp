// SPDX-License-Identifier: Apache-2.0
#include "load_data.h"

#include <filesystem>

#include "terminal.h"

namespace coppice::cli {

Result<Dataset> load_data(Env& env, const Recipe& recipe, const Preprocessing* model) {
  ProgressLine line;
  return load_recipe_data(env, recipe, model, [&](int64_t done, int64_t all) {
    if (line.due()) line.show(loading_progress(done, all));
  });
}

void name_data(Recipe& recipe, const std::string& data, const std::string& data_dir) {
  if (!data.empty()) {
    std::error_code ignored;
    if (!std::filesystem::equivalent(data, recipe.data, ignored)) recipe.test_share = 1;
    recipe.data = data;
    recipe.val_data.clear();
  }
  if (!data_dir.empty()) recipe.data_dir = data_dir;
}

}  // namespace coppice::cli
