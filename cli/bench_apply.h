// SPDX-License-Identifier: Apache-2.0
// `coppice bench apply`: one linear layer for one sample, as a packed network runs it.
#pragma once

#include "command.h"

namespace coppice::cli {

void add_bench_apply(CLI::App& bench, int& exit);

}  // namespace coppice::cli
