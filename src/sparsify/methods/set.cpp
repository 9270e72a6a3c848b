// SPDX-License-Identifier: Apache-2.0
#include "sparsify/method.h"

namespace coppice {
namespace {

void grow(const LayerState& layer, int64_t block_row, std::span<float> scores) {
  random_scores(layer, "grow", static_cast<uint64_t>(block_row), scores);
}

}  // namespace

MethodDef set_method() {
  return {.name = "set",
          .summary = "the smallest weights move to random places (Mocanu et al. 2018)",
          .defaults = {.drop_fraction = 0.3, .update_until = 1.0, .drop_decay = Decay::kConstant},
          .keep = keep_by_magnitude,
          .grow = grow};
}

}  // namespace coppice
