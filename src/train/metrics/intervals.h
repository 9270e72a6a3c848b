// SPDX-License-Identifier: Apache-2.0
// Intervals of 95 % confidence, and the measures of ranks and errors that have intervals of their own.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "train/metrics/metrics.h"

namespace coppice {

inline constexpr double kNormal95 = 1.959963984540054;  // the quantile 0.975 of the normal distribution

// Of a share, `right` of `all` independent samples: Wilson, J. Am. Stat. Assoc. 22 (1927) 209. Nothing where
// all is 0.
std::optional<Interval> wilson(int64_t right, int64_t all);

// The standard deviation of what at least two values were drawn from, with n - 1.
double deviation_of(std::span<const double> values);

// Of the mean of independent values: mean +- 1.96 s / sqrt(n). Nothing for fewer than two.
std::optional<Interval> normal_interval(std::span<const double> values);

// The quantile 0.975 of Student's t distribution with so many degrees of freedom (at least 1).
double student95(int64_t freedom);

// Of the mean of a few independent values that are normal: mean +- t s / sqrt(n). Nothing for fewer than two.
std::optional<Interval> student_interval(std::span<const double> values);

// Percentiles 2.5 and 97.5 of a statistic over 1000 sets of samples drawn with replacement (Efron and
// Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13), always the same sets: the draw is keyed by
// the number of samples. `statistic` gets how often each sample was drawn, [samples]; nothing where it is
// unknown in one of the sets, where there are fewer than two samples, or where 1000 looks at `values` numbers
// would take too long.
using Statistic = std::function<std::optional<double>(const std::vector<uint32_t>& times)>;
std::optional<Interval> bootstrap(int64_t samples, int64_t values, const Statistic& statistic);

// The area under the ROC curve: the chance that a positive scores above a negative, ties counting half (Mann
// and Whitney 1947).
struct Area {
  std::optional<double> value;    // empty where one of the two kinds is missing
  std::vector<double> influence;  // [samples]; the squares of all add up to DeLong's variance. Empty where a
                                  // kind has fewer than two samples
};

// scores and positive [samples]; no score is NaN. DeLong, DeLong and Clarke-Pearson, Biometrics 44 (1988)
// 837; by ranks as Sun and Xu, IEEE Signal Process. Lett. 21 (2014) 1389.
Area area_under_curve(std::span<const double> scores, const std::vector<bool>& positive);

// Of a mean of areas over the same samples, whose covariances are those of their influences. Nothing where an
// area has none, or where the variance is 0, as of a perfect order: that says nothing about other samples.
std::optional<Interval> delong(std::span<const Area> areas);

}  // namespace coppice
