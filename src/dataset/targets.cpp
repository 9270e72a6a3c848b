// SPDX-License-Identifier: Apache-2.0
#include "dataset/targets.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "dataset/labels.h"

namespace coppice {
namespace {

Status fill(const TargetValues& part, size_t width, Task task) {
  const auto in_sample = [&](size_t value) {
    return ", in sample " + std::to_string(value / width) + " (from 0)";
  };
  if (task == Task::kRegression)
    part.samples->quantities.reserve(part.values.size());
  else
    part.samples->targets.reserve(part.values.size());
  for (size_t i = 0; i < part.values.size(); ++i) {
    const double value = part.values[i];
    if (!std::isfinite(static_cast<float>(value)))
      return corrupt(part.place + " holds NaN, or a number too large for 32 bits" + in_sample(i) +
                     "; fill it, or take the sample out");
    if (task == Task::kRegression) {
      part.samples->quantities.push_back(static_cast<float>(value));
      continue;
    }
    if (value != 0 && value != 1)
      return invalid(part.place + " holds " + number_text(value) + in_sample(i) +
                     ", where a label is 0 or 1; numbers are learnt with --task regression");
    part.samples->targets.push_back(value == 1);
  }
  return {};
}

}  // namespace

bool all_zero_or_one(const std::vector<double>& values) {
  return std::all_of(values.begin(), values.end(), [](double value) { return value == 0 || value == 1; });
}

Status name_targets(const std::vector<TargetValues>& parts, std::vector<std::string> names,
                    std::optional<Task> task, Dataset& data) {
  data.task = task.value_or(all_zero_or_one(parts.front().values) ? Task::kLabels : Task::kRegression);
  data.outputs = static_cast<int>(names.size());
  data.target_names = std::move(names);
  for (const TargetValues& part : parts) TRY(fill(part, data.target_names.size(), data.task));
  return {};
}

}  // namespace coppice
