// SPDX-License-Identifier: Apache-2.0
// What the task adds to a network: its target and its loss.
#pragma once

#include "models/models.h"
#include "ops/build.h"

namespace coppice {

// The op that is the loss of a task.
const char* loss_of(Task task);

// Adds the input `target`: a class, or a number for each output.
void add_target(NetworkBuilder& net, const ModelInput& input);

// Adds the loss of the task on `outputs`, {f=input.outputs}.
void add_loss(NetworkBuilder& net, ValueId outputs, const ModelInput& input);

}  // namespace coppice
