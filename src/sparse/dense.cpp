// SPDX-License-Identifier: Apache-2.0
#include "sparse/dense.h"

namespace coppice {

std::vector<float> dense_floats(const Param& param) {
  std::vector<float> live = param.canonical(param.value);
  if (!param.is_weight()) return live;
  std::vector<float> out(static_cast<size_t>(param.total()), 0.0F);
  size_t k = 0;
  for (const size_t place : live_places(param.pattern())) out[place] = live[k++];
  return out;
}

}  // namespace coppice
