// SPDX-License-Identifier: Apache-2.0
#include "pack/simulate.h"

#include <algorithm>
#include <cmath>

#include "formats/apply.h"

namespace coppice {
namespace {

RoundedWeight round_weight(Param& param) {
  const Pattern pattern = param.pattern();
  std::vector<float> values = param.canonical(param.value);
  const QuantisedRows rounded = quantise_rows(pattern, values);
  const std::vector<size_t> places = live_places(pattern);
  const auto row_of = [&](size_t k) { return places[k] / static_cast<size_t>(pattern.cols()); };
  std::vector<double> most(static_cast<size_t>(pattern.rows()));
  for (size_t k = 0; k < values.size(); ++k)
    most[row_of(k)] = std::max(most[row_of(k)], std::abs(double{values[k]}));
  RoundedWeight out{param.name(), 0, 0};
  double errors = 0, squares = 0;
  for (size_t k = 0; k < values.size(); ++k) {
    const float after = static_cast<float>(rounded.value[k]) * rounded.scale[row_of(k)];
    const double before = double{values[k]}, error = double{after} - before;
    if (most[row_of(k)] > 0) out.largest = std::max(out.largest, std::abs(error) / most[row_of(k)]);
    errors += error * error;
    squares += before * before;
    values[k] = after;
  }
  if (squares > 0) out.mean_square = std::sqrt(errors / squares);
  param.set_canonical(param.value, values);
  if (param.copy() != nullptr) param.refresh_copy();
  return out;
}

}  // namespace

Result<std::vector<RoundedWeight>> quantise_weights(Network& network) {
  for (const Param& param : network.params)
    if (param.is_weight() &&
        !std::all_of(param.value.begin(), param.value.end(), [](float x) { return std::isfinite(x); }))
      return invalid("weight '" + param.name() +
                     "' is NaN or infinite somewhere; 8-bit integers are neither");
  std::vector<RoundedWeight> out;
  for (Param& param : network.params)
    if (param.is_weight()) out.push_back(round_weight(param));
  return out;
}

}  // namespace coppice
