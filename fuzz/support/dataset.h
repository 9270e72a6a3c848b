// SPDX-License-Identifier: Apache-2.0
// What every data set promises, whatever it was read from.
#pragma once

#include <cmath>

#include "dataset/dataset.h"
#include "support/target.h"

namespace coppice::fuzz {

// A split has whole samples, and for each what its task learns from: nothing else, and all of it.
inline void require_whole(const Dataset& data, const Split& split) {
  const Samples& samples = *split.samples;
  const auto features = static_cast<size_t>(data.features.size()),
             outputs = static_cast<size_t>(data.outputs);
  const size_t values = samples.pixels.size() + samples.numbers.size(), count = values / features;
  require((data.numbers ? samples.pixels.size() : samples.numbers.size()) == 0, "samples are of one type");
  require(count > 0 && values % features == 0, "samples are whole");
  const auto has = [&](Task task, size_t size, size_t each) {
    require(size == (data.task == task ? count * each : 0), "samples have the targets of their task alone");
  };
  has(Task::kClasses, samples.labels.size(), 1);
  has(Task::kLabels, samples.targets.size(), outputs);
  has(Task::kRegression, samples.quantities.size(), outputs);
  for (const int32_t label : samples.labels)
    require(label >= 0 && label < data.outputs, "a label is a class");
  for (const uint8_t target : samples.targets) require(target <= 1, "a label is 0 or 1");
  for (const float quantity : samples.quantities) require(std::isfinite(quantity), "quantities are finite");
  for (const float number : samples.numbers) require(std::isfinite(number), "numbers are finite");
  for (const int32_t index : split.indices)
    require(index >= 0 && static_cast<size_t>(index) < count, "an index is one of a sample");
}

inline void require_whole(const Dataset& data) {
  const bool classes = data.task == Task::kClasses;
  require(data.outputs >= (classes ? 2 : 1), "there is something to tell");
  const auto outputs = static_cast<size_t>(data.outputs);
  require(data.classes.size() == (classes ? outputs : 0), "each class has a name, and nothing else has");
  require(data.target_names.size() == (classes ? 0 : outputs), "each target has a name");
  const ColumnNames& columns = data.columns;
  require(columns.features.empty() || columns.features.size() == static_cast<size_t>(data.features.size()),
          "each column has a name, or none has");
  require(columns.label.empty() || (classes && !columns.features.empty()), "only classes have one column");
  require(data.train.samples != nullptr, "there are samples to learn from");
  for (const Split* split : {&data.train, &data.validation, &data.test})
    if (split->samples != nullptr) require_whole(data, *split);
}

}  // namespace coppice::fuzz
