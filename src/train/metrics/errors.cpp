// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <functional>

#include "train/metrics/functions.h"
#include "train/metrics/intervals.h"

namespace coppice {
namespace {

// [samples]: how far the k-th quantity is off.
std::vector<double> errors_of(const Outputs& outputs, int64_t k) {
  std::vector<double> errors;
  for (int64_t n = 0; n < outputs.samples; ++n) {
    const auto i = static_cast<size_t>(n * outputs.width + k);
    errors.push_back(static_cast<double>(outputs.said[i]) - static_cast<double>(outputs.targets[i]));
  }
  return errors;
}

// The mean; nothing where there is no value, or one that is not finite.
Value mean_of(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  if (values.empty() || !std::isfinite(sum)) return std::nullopt;
  return sum / static_cast<double>(values.size());
}

// Neither loss nor error is ever below 0.
Bounds from_zero(Bounds bounds) {
  if (bounds) bounds->low = std::max(0.0, bounds->low);
  return bounds;
}

double squared(double error) { return error * error; }
double absolute(double error) { return std::abs(error); }

// [samples]: `of` the errors of the quantities from `first` to below `end`, their mean.
std::vector<double> sample_errors(const Outputs& outputs, int64_t first, int64_t end, double (*of)(double)) {
  std::vector<double> means(static_cast<size_t>(outputs.samples));
  for (int64_t k = first; k < end; ++k) {
    const std::vector<double> errors = errors_of(outputs, k);
    for (size_t n = 0; n < means.size(); ++n) means[n] += of(errors[n]) / static_cast<double>(end - first);
  }
  return means;
}

Reading reading_of(const Outputs& outputs, int64_t first, int64_t end, double (*of)(double)) {
  const std::vector<double> errors = sample_errors(outputs, first, end, of);
  const Value value = mean_of(errors);
  return {value, value ? from_zero(normal_interval(errors)) : std::nullopt};
}

// Their intervals cost next to nothing.
Readings each_of(const Outputs& outputs, double (*of)(double)) {
  Readings readings;
  for (int64_t k = 0; k < outputs.width; ++k) readings.push_back(reading_of(outputs, k, k + 1, of));
  return readings;
}

// One quantity, for measures that no mean over samples gives.
struct Quantity {
  std::vector<double> squares;  // [samples] of its errors
  std::vector<double> targets;  // [samples], around their mean
  double spread = 0;            // the sum of their squares

  Quantity(const Outputs& outputs, int64_t k) : squares(sample_errors(outputs, k, k + 1, squared)) {
    for (int64_t n = 0; n < outputs.samples; ++n)
      targets.push_back(static_cast<double>(outputs.targets[static_cast<size_t>(n * outputs.width + k)]));
    // What is always the same varies by nothing, also where the mean is rounded.
    const bool constant =
        std::adjacent_find(targets.begin(), targets.end(), std::not_equal_to<>()) == targets.end();
    const double mean = constant ? 0 : mean_of(targets).value_or(0);
    for (double& target : targets) {
      target = constant ? 0 : target - mean;
      spread += target * target;
    }
  }
};

// Sums over samples, each as often as it was drawn.
Value rmse_of(const Quantity& quantity, const std::vector<uint32_t>& times) {
  double sum = 0, samples = 0;
  for (size_t n = 0; n < times.size(); ++n) {
    sum += times[n] * quantity.squares[n];
    samples += times[n];
  }
  if (samples == 0 || !std::isfinite(sum)) return std::nullopt;
  return std::sqrt(sum / samples);
}

// 1 - squared errors / squared deviations from the mean; unknown where the targets do not vary, up to what is
// left of rounding.
Value r2_of(const Quantity& quantity, const std::vector<uint32_t>& times) {
  double sum = 0, mean = 0, samples = 0, spread = 0;
  for (size_t n = 0; n < times.size(); ++n) {
    sum += times[n] * quantity.squares[n];
    mean += times[n] * quantity.targets[n];
    samples += times[n];
  }
  mean /= samples;
  for (size_t n = 0; n < times.size(); ++n) spread += times[n] * squared(quantity.targets[n] - mean);
  constexpr double kRounding = 1e-20;
  if (!(spread > kRounding * quantity.spread) || !std::isfinite(sum)) return std::nullopt;
  return 1 - sum / spread;
}

using OfQuantity = Value (*)(const Quantity&, const std::vector<uint32_t>&);

// The mean over quantities [first, end).
class Measure {
 public:
  Measure(const Outputs& outputs, int64_t first, int64_t end, OfQuantity of)
      : samples_(outputs.samples), of_(of) {
    for (int64_t k = first; k < end; ++k) quantities_.emplace_back(outputs, k);
  }
  Value value(const std::vector<uint32_t>& times) const {
    std::vector<Value> values;
    for (const Quantity& quantity : quantities_) values.push_back(of_(quantity, times));
    return mean_of_known(values);
  }
  Value value() const { return value(std::vector<uint32_t>(static_cast<size_t>(samples_), 1)); }
  // Of `measures` such, which may together not look at too many values.
  Bounds interval(int64_t measures = 1) const {
    return bootstrap(samples_, samples_ * static_cast<int64_t>(quantities_.size()) * measures,
                     [this](const std::vector<uint32_t>& times) { return value(times); });
  }

 private:
  int64_t samples_;
  OfQuantity of_;
  std::vector<Quantity> quantities_;
};

Readings each_of(const Outputs& outputs, OfQuantity of, bool intervals) {
  Readings readings;
  for (int64_t k = 0; k < outputs.width; ++k) {
    const Measure measure(outputs, k, k + 1, of);
    const Value value = measure.value();
    readings.push_back({value, intervals && value ? measure.interval(outputs.width) : std::nullopt});
  }
  return readings;
}

std::vector<double> losses_of(const Outputs& outputs) {
  return {outputs.losses.begin(), outputs.losses.end()};
}

}  // namespace

Value mean_of_known(const std::vector<Value>& values) {
  std::vector<double> known;
  for (const Value& value : values)
    if (value) known.push_back(*value);
  return mean_of(known);
}

Value loss(const Outputs& outputs) { return mean_of(losses_of(outputs)); }
Bounds loss_interval(const Outputs& outputs) { return from_zero(normal_interval(losses_of(outputs))); }

Value mse(const Outputs& outputs) { return reading_of(outputs, 0, outputs.width, squared).value; }
Bounds mse_interval(const Outputs& outputs) {
  return reading_of(outputs, 0, outputs.width, squared).interval;
}
Readings mse_each(const Outputs& outputs, bool /*intervals*/) { return each_of(outputs, squared); }

Value mae(const Outputs& outputs) { return reading_of(outputs, 0, outputs.width, absolute).value; }
Bounds mae_interval(const Outputs& outputs) {
  return reading_of(outputs, 0, outputs.width, absolute).interval;
}
Readings mae_each(const Outputs& outputs, bool /*intervals*/) { return each_of(outputs, absolute); }

Value rmse(const Outputs& outputs) { return Measure(outputs, 0, outputs.width, rmse_of).value(); }
Bounds rmse_interval(const Outputs& outputs) {
  return Measure(outputs, 0, outputs.width, rmse_of).interval();
}
Readings rmse_each(const Outputs& outputs, bool intervals) { return each_of(outputs, rmse_of, intervals); }

Value r2(const Outputs& outputs) { return Measure(outputs, 0, outputs.width, r2_of).value(); }
Bounds r2_interval(const Outputs& outputs) { return Measure(outputs, 0, outputs.width, r2_of).interval(); }
Readings r2_each(const Outputs& outputs, bool intervals) { return each_of(outputs, r2_of, intervals); }

}  // namespace coppice
