// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "dataset/task.h"

namespace coppice {

// What a network says about each sample of a split, in the order of the split. Enough to judge it by any
// metric.
struct Outputs {
  int64_t samples = 0, width = 0;  // outputs of a sample
  std::vector<float> said;      // [samples][width], before the loss: logits of classes and labels; quantities
                                // in their own unit
  std::vector<int32_t> labels;  // [samples] classes; empty for other tasks
  std::vector<float> targets;   // [samples][width] then: labels 0 or 1, quantities in their own unit
  std::vector<float> losses;    // [samples], as the training sees them
  Task task = Task::kClasses;
};

}  // namespace coppice
