// SPDX-License-Identifier: Apache-2.0
#include "optim/optimizer.h"

#include <cmath>
#include <numbers>

namespace coppice {

Status OptimizerConfig::check() const {
  const auto fraction = [](float x) { return x >= 0.0f && x < 1.0f; };
  if (!fraction(momentum)) return invalid("momentum must be at least 0 and below 1");
  if (!fraction(beta1) || !fraction(beta2)) return invalid("beta1 and beta2 must be at least 0 and below 1");
  if (!(epsilon > 0.0f)) return invalid("epsilon must be positive");
  if (!(weight_decay >= 0.0f)) return invalid("weight_decay must not be negative");
  if (nesterov && momentum == 0.0f) return invalid("nesterov needs a momentum above 0");
  return {};
}

Status LearningRate::check() const {
  if (!(peak > 0.0) || !std::isfinite(peak)) return invalid("learning rate must be positive");
  if (!(last >= 0.0) || !std::isfinite(last)) return invalid("last learning rate must not be negative");
  if (!(warmup >= 0.0 && warmup < 1.0))
    return invalid("warmup is a fraction of the run: at least 0 and below 1");
  return {};
}

double LearningRate::at(int64_t update, int64_t updates) const {
  const double done = updates > 0 ? static_cast<double>(update) / static_cast<double>(updates) : 0.0;
  if (done < warmup)
    return peak * (static_cast<double>(update) + 1.0) / (warmup * static_cast<double>(updates) + 1.0);
  const double x = warmup < 1.0 ? (done - warmup) / (1.0 - warmup) : 0.0;
  switch (kind) {
    case ScheduleKind::kConstant:
      return peak;
    case ScheduleKind::kCosine:
      return last + (peak - last) * 0.5 * (1.0 + std::cos(std::numbers::pi * x));
    case ScheduleKind::kLinear:
      return last + (peak - last) * (1.0 - x);
    case ScheduleKind::kStep:
      break;
  }
  double rate = peak;
  for (const double at : step_at)
    if (done >= at) rate *= factor;
  return rate;
}

}  // namespace coppice
