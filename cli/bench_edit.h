// SPDX-License-Identifier: Apache-2.0
// `coppice bench edit`: what a change of topology costs.
#pragma once

#include "command.h"

namespace coppice::cli {

void add_bench_edit(CLI::App& bench, int& exit);

}  // namespace coppice::cli
