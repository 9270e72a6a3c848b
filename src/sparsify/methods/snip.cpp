// SPDX-License-Identifier: Apache-2.0
#include "sparsify/method.h"

namespace coppice {

MethodDef snip_method() {
  return {.name = "snip",
          .summary = "before training: weights stay by |weight x gradient| of one batch (Lee et al. 2019)",
          .defaults = {.initial_density = 1.0, .ranking = Ranking::kNetwork},
          .keep = keep_by_effect,
          .keep_gradient = KeepGradient::kBatch};
}

}  // namespace coppice
