// SPDX-License-Identifier: Apache-2.0
#include "sparsify/method.h"

namespace coppice {

MethodDef granet_method() {
  return {.name = "granet",
          .summary = "gradual magnitude pruning from half the weights, with RigL's moves (Liu et al. 2021)",
          .defaults = {.initial_density = 0.5,
                       .prune_end = 0.7,
                       .drop_fraction = 0.5,
                       .update_until = 1.0,
                       .update_every = 1000,
                       .ranking = Ranking::kNetwork},
          .keep = keep_by_magnitude,
          .grows_by_gradient = true};
}

}  // namespace coppice
