// SPDX-License-Identifier: Apache-2.0
// Which optimizer, with which constants, and the learning rate over time. The loops themselves are kernels
// (kernels/train_kernels.h), bound to each parameter by exec.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace coppice {

enum class OptimizerKind { kSgd, kAdam, kAdamW };

struct OptimizerConfig {
  OptimizerKind kind = OptimizerKind::kSgd;
  float momentum = 0.9f;  // SGD
  bool nesterov = false;
  float beta1 = 0.9f, beta2 = 0.999f, epsilon = 1e-8f;  // Adam, AdamW
  float weight_decay =
      0.0f;  // touches live weights of linear and convolution layers only, never biases and scales

  int moments() const { return kind == OptimizerKind::kSgd ? (momentum > 0 ? 1 : 0) : 2; }
  Status check() const;
};

enum class ScheduleKind { kConstant, kStep, kCosine, kLinear };

// The learning rate of an update. step: by `factor` at each of the given fractions of the run; cosine and
// linear: from the peak to `last`; warm-up rises linearly over its fraction of the updates.
struct LearningRate {
  ScheduleKind kind = ScheduleKind::kConstant;
  double peak = 0.1, last = 0.0;
  double factor = 0.1, step_at[3] = {0.5, 0.75, 2.0};
  double warmup = 0.0;  // fraction of all updates

  double at(int64_t update, int64_t updates) const;  // update counted from 0
  Status check() const;
};

}  // namespace coppice
