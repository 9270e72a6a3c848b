// SPDX-License-Identifier: Apache-2.0
// What is to be said about a sample.
#pragma once

#include <string>

namespace coppice {

enum class Task {
  kClasses,     // which one of several classes it belongs to
  kLabels,      // which of several labels it has, each a yes or no of its own
  kRegression,  // quantities
};

// As recipes and checkpoints spell it. Persisted.
constexpr const char* task_name(Task task) {
  return task == Task::kClasses ? "classes" : task == Task::kLabels ? "labels" : "regression";
}

// "10 classes", "1 label", "3 quantities".
inline std::string outputs_text(Task task, int outputs) {
  const char* what = task == Task::kClasses  ? (outputs == 1 ? " class" : " classes")
                     : task == Task::kLabels ? (outputs == 1 ? " label" : " labels")
                                             : (outputs == 1 ? " quantity" : " quantities");
  return std::to_string(outputs) + what;
}

}  // namespace coppice
