// SPDX-License-Identifier: Apache-2.0
// A contact sheet: a row of samples of each class, to see at a glance what a data set holds.
#pragma once

#include <string>

#include "base/env.h"
#include "base/result.h"
#include "dataset/dataset.h"

namespace coppice::cli {

// Training samples, classes from above. Refuses data whose samples are no pictures.
Result<Image> contact_sheet(const Dataset& data);

// The same with names and numbers of samples, as one self-contained HTML page.
Result<std::string> contact_page(const Dataset& data);

// Writes the one or the other, by the suffix of the path.
Status write_sheet(Env& env, const std::string& path, const Dataset& data);

}  // namespace coppice::cli
