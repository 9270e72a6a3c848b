// SPDX-License-Identifier: Apache-2.0
// A run as its directory tells it, whether it is over or still going on.
#pragma once

#include <map>
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
  std::map<std::string, double> validation;  // by the name of the metric; what is unknown is not there
  bool best = false;

  std::optional<double> of(const std::string& metric) const;  // on the validation samples
};

struct RunRecord {
  std::string directory, name;  // the name is the last part of the directory
  Recipe recipe;
  std::vector<EpochRow> epochs;
  std::optional<Account> account;  // none while the run goes on, or where its process was killed

  // The metric that its best state was chosen by, or the usual one of its task; empty without validation
  // samples.
  std::string metric() const;
};

// Reads everything but the network. A last line of the diary that a crash cut short does not count.
Result<RunRecord> read_run(Env& env, const std::string& directory);

}  // namespace coppice
