// SPDX-License-Identifier: Apache-2.0
// coppice prune --tolerance: the smallest network that is nearly as good as the original.
#pragma once

#include <string>
#include <vector>

#include "base/env.h"
#include "base/result.h"
#include "models/json.h"
#include "train/prune.h"

namespace coppice::cli {

struct ToleranceArguments {
  double points = 0;  // that may be lost, of a hundred
  int tries = 5;
  bool finetune = true, quiet = false;
  std::string out;  // a directory of runs; empty: one under runs/
};

struct Smallest {
  Recipe recipe;
  std::string directory;  // of its run, which may have been stopped early
  Json tried;             // what was tried, and what it is measured by
};

// Tries densities from 1 down to that of `chosen`, or 0.01, and tells of each. The original is judged on the
// validation samples; weights that come without a run may have been learnt from them, so there the original
// goes through the same recipe at density 1, unless val_data names other samples. Fails where no density that
// was tried is good enough.
Result<Smallest> find_smallest(Env& env, const PruneSource& source, const std::vector<Setting>& chosen,
                               const ToleranceArguments& arguments);

}  // namespace coppice::cli
