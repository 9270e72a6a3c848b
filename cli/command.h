// SPDX-License-Identifier: Apache-2.0
// Every cli/commands/NAME.cpp defines add_NAME_command(); CMake lists the folder and writes all_commands().
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "base/result.h"

namespace coppice::cli {

// Exit codes of the program.
enum Exit { kFine = 0, kFailed = 1, kUsage = 2, kStopped = 130 };

// Adds a subcommand whose callback leaves its exit code in `exit`.
using AddCommand = void (*)(CLI::App& app, int& exit);
const std::vector<AddCommand>& all_commands();

// Prints the sentence of a failure and gives the exit code that belongs to it: kUsage for a request that
// cannot be meant, kStopped for an interruption, else kFailed.
int fail(const std::string& command, const Status& status);

}  // namespace coppice::cli
