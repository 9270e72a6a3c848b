// SPDX-License-Identifier: Apache-2.0
// What a run came to: `account.json` in its directory, and what `coppice train --json` prints.
#pragma once

#include <string>

#include "base/env.h"
#include "base/result.h"
#include "models/json.h"
#include "train/trainer.h"

namespace coppice {

// The report of a run with what made it.
struct Account {
  TrainReport report;   // without the sentences of its layers where it was read from a file
  std::string program;  // "coppice 0.1.0 (1234567)"
  std::string cpu;
};

const char* stop_name(Stop stop);
// What an evaluation says, by its task: without the fields that mean nothing for it.
Json evaluation_json(const Evaluation& evaluation);

// What a run came to, without its layers and the place where it lies.
Json figures_json(const Account& account);
Result<Account> figures_of(const JsonObject& json);

Json account_json(const Account& account, const std::string& directory);
Status write_account(Env& env, const std::string& directory, const Account& account);
// Trusts nothing; a failure names the file.
Result<Account> read_account(Env& env, const std::string& directory);

}  // namespace coppice
