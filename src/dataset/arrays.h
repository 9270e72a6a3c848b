// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/env.h"
#include "dataset/dataset.h"

namespace coppice {

// A .npz file with x and y, or x_train, y_train, x_test, y_test and the like (docs/data.md). Splits are
// filled, the normalisation is not measured.
Result<Dataset> load_arrays(Env& env, const std::string& path, const DatasetOptions& options);

}  // namespace coppice
