// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "exec/network.h"

namespace coppice::cli {

// What an evaluation does not need goes, and batch norm into its neighbours. Returns a note on each.
Result<std::vector<std::string>> simplify(Network& network);

}  // namespace coppice::cli
