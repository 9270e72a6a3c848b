// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/env.h"
#include "base/result.h"
#include "train/evaluate.h"

namespace coppice::cli {

// load_recipe_data() with a line that shows how far it is.
Result<Dataset> load_data(Env& env, const Recipe& recipe, const Preprocessing* model);

// Other data than the recipe's, and other folders, where they are named ("" where not). Nothing of other data
// was learnt from, so where it has no test samples of its own all of it is a test.
void name_data(Recipe& recipe, const std::string& data, const std::string& data_dir);

}  // namespace coppice::cli
