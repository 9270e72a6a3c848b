// SPDX-License-Identifier: Apache-2.0
#include "sparsify/cannistraci_hebb.h"

namespace coppice {

MethodDef chts_method() {
  return {
      .name = "chts",
      .summary = "links are drawn to stay by importance, and to grow where paths lead (Zhang et al. 2025)",
      .defaults = {.drop_fraction = 0.3,
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
