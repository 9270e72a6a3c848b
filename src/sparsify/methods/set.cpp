// SPDX-License-Identifier: Apache-2.0
#include "sparsify/method.h"

namespace coppice {
namespace {

std::vector<int64_t> grow(const LayerState& left, int64_t blocks) { return grow_anywhere(left, blocks, {}); }

}  // namespace

MethodDef set_method() {
  return {.name = "set",
          .summary = "the smallest weights move to random places (Mocanu et al. 2018)",
          .defaults = {.drop_fraction = 0.3, .update_until = 1.0, .drop_decay = Decay::kConstant},
          .keep = keep_by_magnitude,
          .grow = grow};
}

}  // namespace coppice
