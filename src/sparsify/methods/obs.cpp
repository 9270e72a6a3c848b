// SPDX-License-Identifier: Apache-2.0
#include "sparsify/method.h"

namespace coppice {

MethodDef obs_method() {
  return {.name = "obs",
          .summary = "before training: what stays makes up for what goes (Hassibi and Stork 1993, SparseGPT)",
          .defaults = {.initial_density = 1.0, .ranking = Ranking::kNetwork},
          .reconstructs = true};
}

}  // namespace coppice
