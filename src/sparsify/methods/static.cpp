// SPDX-License-Identifier: Apache-2.0
#include "sparsify/method.h"

namespace coppice {

MethodDef static_method() {
  return {
      .name = "static", .summary = "the pattern is drawn once at random and never changes", .defaults = {}};
}

}  // namespace coppice
