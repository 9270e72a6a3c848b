// SPDX-License-Identifier: Apache-2.0
// Labels and quantities from the numbers that stand beside the samples.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "dataset/dataset.h"

namespace coppice {

// Targets as they were read, those of a split.
struct TargetValues {
  std::string place;                 // for sentences: "digits.npz: 'y_train'"
  std::vector<double> values;        // [samples][names]
  std::shared_ptr<Samples> samples;  // which get their targets
};

// Fills task, target names and outputs of `data` and the targets of every part's samples. Without a task they
// are labels where all values of the first part, the one that is learnt from, are 0 or 1, else quantities.
// Labels that are neither 0 nor 1, and quantities that no 32-bit float holds, are refused with their sample.
Status name_targets(const std::vector<TargetValues>& parts, std::vector<std::string> names,
                    std::optional<Task> task, Dataset& data);

bool all_zero_or_one(const std::vector<double>& values);

}  // namespace coppice
