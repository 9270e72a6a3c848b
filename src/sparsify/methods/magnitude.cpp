// SPDX-License-Identifier: Apache-2.0
#include "sparsify/method.h"

namespace coppice {

MethodDef magnitude_method() {
  return {.name = "magnitude",
          .summary = "the smallest weights die, gradually (Zhu and Gupta 2017)",
          .defaults = {.initial_density = 1.0,
                       .prune_begin = 0.0,
                       .prune_end = 0.6,
                       .update_every = 100,
                       .ranking = Ranking::kNetwork},
          .keep = keep_by_magnitude};
}

}  // namespace coppice
