// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/env.h"
#include "dataset/dataset.h"

namespace coppice {

// A CSV file (docs/data.md): a column of classes, or columns of labels or quantities, all others numbers to
// learn from; each of those is a channel of one pixel, so that each is normalised by itself. Splits are
// filled, the normalisation is not measured.
Result<Dataset> load_table(Env& env, const std::string& path, const DatasetOptions& options);

}  // namespace coppice
