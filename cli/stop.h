// SPDX-License-Identifier: Apache-2.0
// Ctrl-C of commands that take long.
#pragma once

#include <atomic>

namespace coppice::cli {

// From here on the first SIGINT or SIGTERM sets the flag, which lives forever; the second one ends the
// program.
const std::atomic<bool>& stop_on_signals();

}  // namespace coppice::cli
