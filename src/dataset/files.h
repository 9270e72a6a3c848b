// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/env.h"
#include "dataset/dataset.h"

namespace coppice {

// True where the directory holds a file that every set of IDX files or CIFAR batches has.
bool holds_known_files(Env& env, const std::string& directory);

// The train and test samples of a directory of IDX files or CIFAR batches; name is what the set is called.
// Leaves the splits without indices and the normalisation unmeasured: load_dataset() does that for every
// source alike.
Result<Dataset> load_directory(Env& env, const std::string& directory, const std::string& name);

}  // namespace coppice
