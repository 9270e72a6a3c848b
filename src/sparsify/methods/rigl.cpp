// SPDX-License-Identifier: Apache-2.0
#include "sparsify/method.h"

namespace coppice {

MethodDef rigl_method() {
  return {.name = "rigl",
          .summary = "the smallest weights move to where the gradient is largest (Evci et al. 2020)",
          .defaults = {.drop_fraction = 0.3, .update_until = 0.75, .update_every = 100},
          .keep = keep_by_magnitude,
          .grows_by_gradient = true};
}

}  // namespace coppice
