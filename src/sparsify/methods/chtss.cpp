// SPDX-License-Identifier: Apache-2.0
#include "sparsify/method.h"

namespace coppice {

MethodDef chts_method();

MethodDef chtss_method() {
  MethodDef method = chts_method();
  method.name = "chtss";
  method.summary = "chts from half the weights, the density falling as a sigmoid (Zhang et al. 2025)";
  method.defaults.initial_density = 0.5;
  method.defaults.prune_end = 0.8;
  method.defaults.prune_curve = PruneCurve::kSigmoid;
  return method;
}

}  // namespace coppice
