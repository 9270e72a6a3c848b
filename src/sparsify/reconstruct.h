// SPDX-License-Identifier: Apache-2.0
// Second-order pruning of a trained network at once (SparseGPT, Frantar and Alistarh 2023, after the Optimal
// Brain Surgeon of Hassibi and Stork 1993): a weight that goes is made up for by those that stay, so that a
// layer says nearly the same about calibration samples.
#pragma once

#include <cstdint>
#include <functional>

#include "base/result.h"
#include "exec/executor.h"
#include "exec/network.h"
#include "sparsify/method.h"

namespace coppice {

// The largest number of inputs of a layer: its Hessian takes 8 bytes times the square of it, twice.
inline constexpr int64_t kMostReconstructed = 8192;

struct Calibration {
  int64_t batches = 0;
  std::function<Result<BatchView>(int64_t index)> batch;
  uint64_t seed = 0;  // draws the places of pictures that a convolution is calibrated at
  std::function<void(int64_t done, int64_t all)> on_layer;  // may be empty
};

// Layer by layer in the order of the graph, on what the layers before say after they were pruned; batch norm
// as in evaluation. With the Hessian H of a layer's squared error, its diagonal raised by 1 % of its mean,
// blocks stay by the sum of w^2 / [H^-1]_jj; how many of each 128 columns do is decided by the scores of the
// whole layer, which ones when those before have been made up for. Each layer ends with the density that
// `target` gives it; with Ranking::kNetwork with that which magnitude would leave it. Layers that are frozen
// or dense by name stay as they are.
// `executor` evaluates `network` and keeps the values that reconstruction_inputs() names.
// Refuses grouped convolutions and layers of more than kMostReconstructed inputs.
Status reconstruct(Network& network, const SparsityConfig& target, Ranking ranking, Executor& executor,
                   const Calibration& calibration);

// The inputs of linear layers and convolutions: ExecOptions::keep of that executor.
std::vector<ValueId> reconstruction_inputs(const Graph& graph);

}  // namespace coppice
