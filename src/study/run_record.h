// SPDX-License-Identifier: Apache-2.0
// A run as its directory tells it, whether it is over or still going on.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/env.h"
#include "base/result.h"
#include "study/account.h"
#include "train/recipe.h"

namespace coppice {

// A line of metrics.jsonl.
struct EpochRow {
  int64_t epoch = 0, step = 0;
  double seconds = 0, learning_rate = 0, train_loss = 0;
  std::optional<double> validation_loss, validation_accuracy;
  bool best = false;
};

struct RunRecord {
  std::string directory, name;  // the name is the last part of the directory
  Recipe recipe;
  std::vector<EpochRow> epochs;
  std::optional<Account> account;  // none while the run goes on, or where its process was killed
};

// Reads everything but the network. A last line of the diary that a crash cut short does not count.
Result<RunRecord> read_run(Env& env, const std::string& directory);

}  // namespace coppice
