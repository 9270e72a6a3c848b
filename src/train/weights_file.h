// SPDX-License-Identifier: Apache-2.0
// Weights for other programs: what a checkpoint holds, but dense and without what only coppice knows.
#pragma once

#include <string>

#include "base/env.h"
#include "base/result.h"
#include "exec/network.h"

namespace coppice {

// A safetensors file with every parameter and state under its own name, in PyTorch's shape, zeros written
// out. Atomic, as checkpoints are.
Status write_dense_weights(Env& env, const std::string& path, const Network& network);

}  // namespace coppice
