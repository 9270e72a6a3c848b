// SPDX-License-Identifier: Apache-2.0
#include "sparsify/method.h"

namespace coppice {
namespace {

std::vector<float> keep(const LayerState& layer) {
  std::vector<float> scores(static_cast<size_t>(layer.pattern.blocks()));
  random_scores(layer, "keep", scores);
  return scores;
}

}  // namespace

MethodDef random_method() {
  return {.name = "random",
          .summary = "any weights die: what the other methods have to beat",
          .defaults = {.initial_density = 1.0, .update_every = 100},
          .keep = keep};
}

}  // namespace coppice
