// SPDX-License-Identifier: Apache-2.0
// What the commands that train share: how a run is told while it goes, and what it came to.
#pragma once

#include <string>

#include "base/env.h"
#include "base/result.h"
#include "study/account.h"
#include "train/trainer.h"

namespace coppice::cli {

struct Told {
  Account account;
  bool stopped = false;  // by Ctrl-C
};

enum class Tell {
  kPeople,  // a line an epoch, and the account at the end
  kJson,    // the account as one object
  kNothing,
};

// Trains, tells, and leaves account and page in the run's directory. `command` begins the sentences of
// complaints.
Result<Told> train_and_tell(Env& env, const std::string& command, TrainRequest request, Tell tell);

}  // namespace coppice::cli
