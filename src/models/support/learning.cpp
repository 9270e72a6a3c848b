// SPDX-License-Identifier: Apache-2.0
#include "models/support/learning.h"

namespace coppice {

const char* loss_of(Task task) {
  return task == Task::kClasses  ? "softmax_cross_entropy"
         : task == Task::kLabels ? "binary_cross_entropy"
                                 : "mean_squared_error";
}

void add_target(NetworkBuilder& net, const ModelInput& input) {
  if (input.task == Task::kClasses)
    net.class_target();
  else
    net.dense_target({"f", {input.outputs}});
}

void add_loss(NetworkBuilder& net, ValueId outputs, const ModelInput& input) {
  if (input.task == Task::kClasses)
    net.softmax_cross_entropy(outputs, input.label_smoothing);
  else if (input.task == Task::kLabels)
    net.binary_cross_entropy(outputs);
  else
    net.mean_squared_error(outputs);
}

}  // namespace coppice
