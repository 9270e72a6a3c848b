// SPDX-License-Identifier: Apache-2.0
// How good a network is, in one table of measures. Each is a pure function of the outputs: the same bits
// whenever and wherever it is asked. Unknown is never zero: a class without samples has no recall, and a
// measure that needs an order or a sum of outputs has no value where one of them is NaN.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "train/metrics/outputs.h"

namespace coppice {

struct Interval {
  double low = 0, high = 0;  // of 95 % confidence
};

struct Reading {
  std::optional<double> value;       // empty: unknown
  std::optional<Interval> interval;  // empty: none is known
};

enum class Unit {
  kShare,          // 0 .. 1, read as percent
  kPlain,          // a number
  kTarget,         // in the unit of the quantities
  kTargetSquared,  // in the square of it
};

struct Metric {
  const char* name;
  const char* alias;  // another name that people know it by, or ""
  const char* summary;
  const char* interval_by;  // whose interval it is
  std::vector<Task> tasks;  // for which it means something
  bool larger_is_better;
  Unit unit;
  std::optional<double> (*value)(const Outputs&);
  std::optional<Interval> (*interval)(const Outputs&);
  // [width], of each class, label or quantity; null: no such thing. Without intervals those may be missing
  // that take time.
  std::vector<Reading> (*each)(const Outputs&, bool intervals);
  const char* each_by;  // whose interval each of these has; "": they have none
  const char* needs;    // what samples have to be for it to have a value at all; "": they may be any

  bool suits(Task task) const;
  // Value and interval together.
  Reading read(const Outputs& outputs) const;
};

const std::vector<Metric>& all_metrics();
std::vector<const Metric*> metrics_for(Task task);
// By name or alias; null if there is none. Where tasks share a name, that of the first; all of a name have
// the same direction.
const Metric* find_metric(const std::string& name);

// The metric of this name for a task, or a sentence: there is none, but a near one; or none for this task.
Result<const Metric*> metric_for(const std::string& name, Task task);
// "'f2' is no metric; did you mean 'f1'?"
std::string unknown_metric(const std::string& name);

// By which states of a network are compared where nobody chooses.
const char* usual_metric(Task task);

// Samples of each class, samples with each label, or samples with each quantity (all): [width].
std::vector<int64_t> support(const Outputs& outputs);

}  // namespace coppice
