// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/env.h"
#include "base/result.h"
#include "train/evaluate.h"

namespace coppice::cli {

// load_recipe_data() with a line that shows how far it is.
Result<Dataset> load_data(Env& env, const Recipe& recipe, const Preprocessing* model);

}  // namespace coppice::cli
