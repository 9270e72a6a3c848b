// SPDX-License-Identifier: Apache-2.0
#include "train/round_weights.h"

#include <algorithm>
#include <cmath>

#include "formats/apply.h"

namespace coppice {
namespace {

// Of each number of the parameter's arrays; padding belongs to row 0, where a 0 changes nothing.
std::vector<int32_t> rows_of(const Param& param) {
  const Pattern pattern = param.pattern();
  std::vector<float> canonical;
  canonical.reserve(static_cast<size_t>(param.live()));
  for (const size_t place : live_places(pattern)) {
    const size_t row = place / static_cast<size_t>(pattern.cols());
    canonical.push_back(static_cast<float>(row));
  }
  Floats rows(param.value.size());
  param.set_canonical(rows, canonical);
  return {rows.begin(), rows.end()};
}

}  // namespace

WeightRounding::WeightRounding(Network& network) {
  for (Param& param : network.params)
    if (param.is_weight())
      layers_.push_back({&param, rows_of(param), std::vector<float>(static_cast<size_t>(param.dims()[0])),
                         Floats(param.value.size())});
}

void WeightRounding::round() {
  for (Layer& layer : layers_) {
    const Floats& value = layer.param->value;
    std::fill(layer.scale.begin(), layer.scale.end(), 0.0f);
    for (size_t i = 0; i < value.size(); ++i) {
      float& most = layer.scale[static_cast<size_t>(layer.row[i])];
      most = std::max(most, std::abs(value[i]));
    }
    for (float& scale : layer.scale) scale = scale_of_largest(scale);
    for (size_t i = 0; i < value.size(); ++i) {
      const float scale = layer.scale[static_cast<size_t>(layer.row[i])];
      const float rounded = scale * std::nearbyint(value[i] / scale);
      layer.taken[i] = value[i] - rounded;
      value[i] = rounded;
    }
    layer.param->refresh_copy();
  }
}

void WeightRounding::restore() {
  for (Layer& layer : layers_) {
    const Floats& value = layer.param->value;
    for (size_t i = 0; i < value.size(); ++i) value[i] += layer.taken[i];
    layer.param->refresh_copy();
  }
}

}  // namespace coppice
