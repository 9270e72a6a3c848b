// SPDX-License-Identifier: Apache-2.0
#include "sparsify/cannistraci_hebb.h"

namespace coppice {

MethodDef chtss_method() {
  return {.name = "chtss",
          .summary = "chts from half the weights, the density falling as a sigmoid (Zhang et al. 2025)",
          .defaults = {.initial_density = 0.5,
                       .prune_end = 0.8,
                       .prune_curve = PruneCurve::kSigmoid,
                       .drop_fraction = 0.3,
                       .update_until = 1.0,
                       .drop_decay = Decay::kConstant,
                       .delta_begin = 0.5,
                       .delta_end = 0.75,
                       .importance = Importance::kRelative},
          .keep = keep_by_relative_importance,
          .hold = hold_by_draw,
          .removes_chains = true,
          .grow = grow_by_paths};
}

}  // namespace coppice
