// SPDX-License-Identifier: Apache-2.0
// Calibrates and prunes a trained network by second order, as the method obs has it.
#pragma once

#include <atomic>
#include <functional>

#include "base/result.h"
#include "dataset/dataset.h"
#include "exec/network.h"
#include "train/recipe.h"

namespace coppice {

// sparsify/reconstruct.h on training samples of `data`, in the order of a first epoch, neither cropped nor
// mirrored. `on_layer` may be empty; `stop` may be null: true gives up with kInterrupted.
Status prune_second_order(Network& network, const Recipe& recipe, const Dataset& data,
                          const std::function<void(int64_t done, int64_t all)>& on_layer,
                          const std::atomic<bool>* stop);

}  // namespace coppice
