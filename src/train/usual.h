// SPDX-License-Identifier: Apache-2.0
// What is chosen for data that nobody has seen before, so that a path alone makes a run.
#pragma once

#include <vector>

#include "base/env.h"
#include "base/result.h"
#include "dataset/dataset.h"
#include "train/recipe.h"

namespace coppice {

// Model, batch, epochs, augmentation and clipping for data of this shape; the normalisation is not asked for.
std::vector<Setting> usual_settings(const Dataset& data);

// make_recipe(), after a look at data that is given by its path: the settings win over the usual ones. A
// failure may be one of reading the data.
Result<Recipe> make_recipe_for_data(Env& env, std::vector<Setting> settings);

}  // namespace coppice
