// SPDX-License-Identifier: Apache-2.0
// The line protocol of bench/peers: a process that answers go, cal, each N, memory and quit on its standard
// input.
#pragma once

#include "models/json.h"
#include "sampling.h"

namespace coppice::cli {

// Says `ready`, then answers until quit or the end of the input. A `go` is timed(run).
Result<int> serve(const Json& ready, const std::function<Status()>& run, Calibration& calibration);

}  // namespace coppice::cli
