// SPDX-License-Identifier: Apache-2.0
#include "sparsify/method.h"

namespace coppice {

MethodDef synflow_method() {
  return {
      .name = "synflow",
      .summary = "before training: weights stay by their synaptic flow, without data (Tanaka et al. 2020)",
      .defaults = {.initial_density = 1.0, .ranking = Ranking::kNetwork, .rounds = 100},
      .keep = keep_by_effect,
      .keep_gradient = KeepGradient::kFlow};
}

}  // namespace coppice
