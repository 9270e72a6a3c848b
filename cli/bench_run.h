// SPDX-License-Identifier: Apache-2.0
// `coppice bench run`: how long a packed network takes for one sample, and how evenly.
#pragma once

#include "command.h"

namespace coppice::cli {

void add_bench_run(CLI::App& bench, int& exit);

}  // namespace coppice::cli
