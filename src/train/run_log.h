// SPDX-License-Identifier: Apache-2.0
// The diary of a run: one JSON object a line, one line an epoch, flushed as it is written.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/env.h"
#include "base/result.h"
#include "train/trainer.h"

namespace coppice {

class RunLog {
 public:
  // A run that goes on writes again what came after its checkpoint: rows beyond `step` are removed first.
  static Result<RunLog> open(Env& env, const std::string& path, int64_t step);
  // `metric` says which state is the best.
  Status append(const EpochEvent& event, Task task, const Metric& metric);

 private:
  explicit RunLog(std::unique_ptr<WriteFile> file) : file_(std::move(file)) {}
  std::unique_ptr<WriteFile> file_;
};

}  // namespace coppice
