// SPDX-License-Identifier: Apache-2.0
#include "load_data.h"

#include "terminal.h"

namespace coppice::cli {

Result<Dataset> load_data(Env& env, const Recipe& recipe, const Preprocessing* model) {
  ProgressLine line;
  return load_recipe_data(env, recipe, model, [&](int64_t done, int64_t all) {
    if (line.due()) line.show(loading_progress(done, all));
  });
}

}  // namespace coppice::cli
