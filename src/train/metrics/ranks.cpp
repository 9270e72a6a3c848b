// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <limits>

#include "train/metrics/functions.h"
#include "train/metrics/intervals.h"

namespace coppice {
namespace {

// log(p / (1 - p)) of each class from a sample's logits: orders samples as their probabilities p do, and
// still tells them apart where those round to 1. Said the other way: the logit, less the logarithm of the sum
// of exp over all other classes. said, odds [classes], at least two. A class that is infinitely sure is above
// all; where two are, or all are ruled out, some are NaN.
void log_odds(const float* said, int64_t classes, double* odds) {
  const int64_t first = std::max_element(said, said + classes) - said;
  double second = -std::numeric_limits<double>::infinity();
  for (int64_t c = 0; c < classes; ++c)
    if (c != first) second = std::max(second, static_cast<double>(said[c]));
  const double largest = static_cast<double>(said[first]);
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (second < largest && (largest == kInfinity || second == -kInfinity)) {
    std::fill(odds, odds + classes, -kInfinity);
    odds[first] = kInfinity;
    return;
  }
  // What the classes after c add, then what those before do: a difference of sums would lose the digits.
  double after = 0, before = 0, others_of_first = 0;
  for (int64_t c = classes - 1; c >= 0; --c) {
    odds[c] = after;
    after += std::exp(static_cast<double>(said[c]) - largest);
  }
  for (int64_t c = 0; c < classes; ++c) {
    const auto logit = static_cast<double>(said[c]);
    odds[c] = logit - (largest + std::log(before + odds[c]));
    before += std::exp(logit - largest);
    if (c != first) others_of_first += std::exp(logit - second);
  }
  odds[first] = largest - (second + std::log(others_of_first));
}

template <class T>
bool any_nan(const std::vector<T>& values) {
  return std::any_of(values.begin(), values.end(), [](T x) { return std::isnan(x); });
}

// [width]; of classes each against all others. Nothing known where an output or its odds are NaN, as that has
// no order.
std::vector<Area> areas(const Outputs& outputs) {
  const auto samples = static_cast<size_t>(outputs.samples), width = static_cast<size_t>(outputs.width);
  std::vector<Area> found(width);
  const bool classes = outputs.task == Task::kClasses;
  if (any_nan(outputs.said) || (classes && width < 2)) return found;
  std::vector<double> all(outputs.said.begin(), outputs.said.end());  // [samples][width]
  if (classes)
    for (size_t n = 0; n < samples; ++n)
      log_odds(outputs.said.data() + n * width, outputs.width, all.data() + n * width);
  if (any_nan(all)) return found;
  std::vector<double> scores(samples);
  std::vector<bool> positive(samples);
  for (size_t k = 0; k < width; ++k) {
    for (size_t n = 0; n < samples; ++n) {
      scores[n] = all[n * width + k];
      positive[n] =
          classes ? outputs.labels[n] == static_cast<int32_t>(k) : outputs.targets[n * width + k] > 0.5f;
    }
    found[k] = area_under_curve(scores, positive);
  }
  return found;
}

}  // namespace

Value auc(const Outputs& outputs) {
  std::vector<Value> values;
  for (const Area& area : areas(outputs)) values.push_back(area.value);
  return mean_of_known(values);
}

Bounds auc_interval(const Outputs& outputs) {
  std::vector<Area> known = areas(outputs);
  std::erase_if(known, [](const Area& area) { return !area.value; });
  return delong(known);
}

Readings auc_each(const Outputs& outputs, bool /*intervals*/) {
  Readings readings;
  for (const Area& area : areas(outputs)) readings.push_back({area.value, delong({&area, 1})});
  return readings;
}

}  // namespace coppice
