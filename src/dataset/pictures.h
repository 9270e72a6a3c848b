// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/env.h"
#include "dataset/dataset.h"

namespace coppice {

// Pictures in one folder per class, or in train/CLASS, val (or validation)/CLASS and test/CLASS
// (docs/data.md), all of them in memory as bytes. The classes are in the order of their names; so are the
// pictures of a class. Splits are filled, the normalisation is not measured.
Result<Dataset> load_pictures(Env& env, const std::string& folder, const DatasetOptions& options);

}  // namespace coppice
