// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "train/evaluate.h"

namespace coppice::cli {

// evaluate() with a line that shows how far it is; Ctrl-C ends it. `name` is that of the split. What is said
// about each sample goes to `outputs`, if given.
Result<Evaluation> judge_split(Checkpoint& model, const Dataset& data, const Split& split,
                               const std::string& name, Outputs* outputs);

// The metrics that say most about a data set, with commas between them.
const char* usual_metrics(const Dataset& data);

}  // namespace coppice::cli
