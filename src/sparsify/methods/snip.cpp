// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "sparsify/method.h"

namespace coppice {
namespace {

// What the loss would change by, to first order, without the weight.
std::vector<float> keep(const LayerState& layer) {
  std::vector<float> product(layer.value.begin(), layer.value.end());
  for (size_t i = 0; i < product.size(); ++i) product[i] *= layer.gradient[i];
  return block_magnitudes(layer.pattern, product);
}

}  // namespace

MethodDef snip_method() {
  return {.name = "snip",
          .summary = "before training: weights stay by |weight x gradient| of one batch (Lee et al. 2019)",
          .defaults = {.initial_density = 1.0, .ranking = Ranking::kNetwork},
          .keep = keep,
          .keep_needs_gradient = true};
}

}  // namespace coppice
