// SPDX-License-Identifier: Apache-2.0
#include "train/metrics/intervals.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include "base/rng.h"

namespace coppice {
namespace {

constexpr uint64_t kBootstrapSeed = 1;  // any will do, as long as it is always the same
constexpr int kResamples = 1000;

// Between the two nearest values, as numpy.percentile does.
double percentile(const std::vector<double>& ascending, double share) {
  const double at = share * static_cast<double>(ascending.size() - 1);
  const auto below = static_cast<size_t>(at);
  const size_t above = std::min(below + 1, ascending.size() - 1);
  return ascending[below] + (at - static_cast<double>(below)) * (ascending[above] - ascending[below]);
}

double mean_of(std::span<const double> values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

std::optional<Interval> interval_of_mean(std::span<const double> values, double quantile) {
  const double mean = mean_of(values),
               half = quantile * deviation_of(values) / std::sqrt(static_cast<double>(values.size()));
  return Interval{mean - half, mean + half};
}

// The chance that |T| <= t: the finite series of Abramowitz and Stegun, 26.7.3 and 26.7.4.
double student_within(double t, int64_t freedom) {
  const auto n = static_cast<double>(freedom);
  const double angle = std::atan(t / std::sqrt(n)), cosine2 = std::cos(angle) * std::cos(angle);
  const bool odd = freedom % 2 == 1;
  double term = odd ? std::cos(angle) : 1, sum = freedom == 1 ? 0 : term;
  for (int64_t k = odd ? 3 : 2; k < freedom; k += 2) {
    term *= cosine2 * static_cast<double>(k - 1) / static_cast<double>(k);
    sum += term;
  }
  return odd ? 2 * std::numbers::inv_pi * (angle + std::sin(angle) * sum) : std::sin(angle) * sum;
}

// Ranks from 1 of the scores at `places`, equal ones sharing the mean of theirs; in the order of places.
std::vector<double> midranks(std::span<const double> scores, const std::vector<size_t>& places) {
  std::vector<size_t> order(places.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(),
            [&](size_t a, size_t b) { return scores[places[a]] < scores[places[b]]; });
  std::vector<double> ranks(places.size());
  for (size_t begin = 0; begin < order.size();) {
    size_t end = begin + 1;
    while (end < order.size() && scores[places[order[end]]] == scores[places[order[begin]]]) ++end;
    const double rank = 0.5 * static_cast<double>(begin + 1 + end);
    for (; begin < end; ++begin) ranks[order[begin]] = rank;
  }
  return ranks;
}

}  // namespace

double deviation_of(std::span<const double> values) {
  const double mean = mean_of(values);
  double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  return std::sqrt(squares / static_cast<double>(values.size() - 1));
}

std::optional<Interval> wilson(int64_t right, int64_t all) {
  if (all == 0) return std::nullopt;
  const auto n = static_cast<double>(all);
  const double p = static_cast<double>(right) / n, z2 = kNormal95 * kNormal95;
  const double middle = (p + z2 / (2 * n)) / (1 + z2 / n),
               half = kNormal95 / (1 + z2 / n) * std::sqrt(p * (1 - p) / n + z2 / (4 * n * n));
  // Rounding shall not make a bound of what was never or always seen other than it is.
  return Interval{right == 0 ? 0 : middle - half, right == all ? 1 : middle + half};
}

std::optional<Interval> normal_interval(std::span<const double> values) {
  if (values.size() < 2) return std::nullopt;
  return interval_of_mean(values, kNormal95);
}

double student95(int64_t freedom) {
  constexpr int kHalvings = 200;    // more than a double has bits
  constexpr double kAboveAll = 16;  // the largest is 12.7, of one degree
  double low = 0, high = kAboveAll;
  for (int i = 0; i < kHalvings; ++i) {
    const double middle = 0.5 * (low + high);
    (student_within(middle, freedom) < 0.95 ? low : high) = middle;
  }
  return high;
}

std::optional<Interval> student_interval(std::span<const double> values) {
  if (values.size() < 2) return std::nullopt;
  return interval_of_mean(values, student95(static_cast<int64_t>(values.size()) - 1));
}

std::optional<Interval> bootstrap(int64_t samples, int64_t values, const Statistic& statistic) {
  constexpr int64_t kMostValues = 1 << 18;  // a few seconds
  if (samples < 2 || values > kMostValues) return std::nullopt;
  Rng rng(kBootstrapSeed, stream_id("bootstrap", static_cast<uint64_t>(samples)));
  std::vector<double> found;
  std::vector<uint32_t> times(static_cast<size_t>(samples));
  for (int resample = 0; resample < kResamples; ++resample) {
    std::fill(times.begin(), times.end(), 0);
    for (int64_t i = 0; i < samples; ++i) ++times[rng.below(static_cast<uint64_t>(samples))];
    const std::optional<double> value = statistic(times);
    if (!value) return std::nullopt;
    found.push_back(*value);
  }
  std::sort(found.begin(), found.end());
  return Interval{percentile(found, 0.025), percentile(found, 0.975)};
}

Area area_under_curve(std::span<const double> scores, const std::vector<bool>& positive) {
  std::vector<size_t> all(scores.size()), of_kind[2];
  std::iota(all.begin(), all.end(), size_t{0});
  for (const size_t i : all) of_kind[positive[i] ? 1 : 0].push_back(i);
  Area area;
  if (of_kind[0].empty() || of_kind[1].empty()) return area;
  // A sample's rank among all, less that among its own kind, counts those of the other kind below it.
  const std::vector<double> ranks = midranks(scores, all);
  std::vector<double> beaten(scores.size());  // share of the other kind that a sample is on the right side of
  for (const int kind : {0, 1}) {
    const std::vector<double> own = midranks(scores, of_kind[kind]);
    const auto others = static_cast<double>(of_kind[1 - kind].size());
    for (size_t i = 0; i < own.size(); ++i) {
      const size_t sample = of_kind[kind][i];
      const double below = (ranks[sample] - own[i]) / others;
      beaten[sample] = kind == 1 ? below : 1 - below;
    }
  }
  const auto positives = static_cast<double>(of_kind[1].size());
  double sum = 0;
  for (const size_t i : of_kind[1]) sum += beaten[i];
  area.value = sum / positives;
  if (of_kind[0].size() < 2 || of_kind[1].size() < 2) return area;
  area.influence.resize(scores.size());
  for (const int kind : {0, 1}) {
    const auto n = static_cast<double>(of_kind[kind].size());
    for (const size_t i : of_kind[kind])
      area.influence[i] = (beaten[i] - *area.value) / std::sqrt(n * (n - 1));
  }
  return area;
}

std::optional<Interval> delong(std::span<const Area> areas) {
  if (areas.empty()) return std::nullopt;
  double mean = 0;
  std::vector<double> influence(areas[0].influence.size());
  for (const Area& area : areas) {
    if (!area.value || area.influence.empty()) return std::nullopt;
    mean += *area.value / static_cast<double>(areas.size());
    for (size_t i = 0; i < influence.size(); ++i)
      influence[i] += area.influence[i] / static_cast<double>(areas.size());
  }
  double variance = 0;
  for (const double one : influence) variance += one * one;
  if (!(variance > 0)) return std::nullopt;
  const double half = kNormal95 * std::sqrt(variance);
  return Interval{std::max(0.0, mean - half), std::min(1.0, mean + half)};
}

}  // namespace coppice
