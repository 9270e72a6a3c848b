// SPDX-License-Identifier: Apache-2.0
#include "train/metrics/intervals.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "base/rng.h"

namespace coppice {
namespace {

// The bounds of Wilson are the shares p for which the share that was seen is just 1.96 deviations away.
double wilson_bound(double seen, double n, double inside, double outside) {
  for (int step = 0; step < 200; ++step) {
    const double p = (inside + outside) / 2;
    (std::abs(seen - p) <= kNormal95 * std::sqrt(p * (1 - p) / n) ? inside : outside) = p;
  }
  return inside;
}

TEST(Intervals, WilsonSolvesItsEquation) {
  for (const auto& [right, all] : {std::pair(1, 10), {5, 10}, {9, 10}, {50, 1000}, {999, 1000}}) {
    const auto interval = wilson(right, all);
    ASSERT_TRUE(interval.has_value());
    const double seen = static_cast<double>(right) / all;
    EXPECT_NEAR(interval->low, wilson_bound(seen, all, seen, 0), 1e-9);
    EXPECT_NEAR(interval->high, wilson_bound(seen, all, seen, 1), 1e-9);
  }
  // prop.test(1, 10, correct = FALSE) of R says 0.01787621 0.40415003.
  EXPECT_NEAR(wilson(1, 10)->low, 0.01787621, 1e-8);
  EXPECT_NEAR(wilson(1, 10)->high, 0.40415003, 1e-8);
  EXPECT_EQ(wilson(0, 10)->low, 0);
  EXPECT_EQ(wilson(10, 10)->high, 1);
  EXPECT_GT(wilson(0, 10)->high, 0.2) << "ten failures do not prove that there is no success";
  EXPECT_FALSE(wilson(0, 0).has_value());
}

TEST(Intervals, OfAMeanFollowTheSampleVariance) {
  const double values[] = {1, 2, 3, 4};
  const auto interval = normal_interval(values);
  ASSERT_TRUE(interval.has_value());
  EXPECT_NEAR(interval->low, 2.5 - 1.26515131188, 1e-10);
  EXPECT_NEAR(interval->high, 2.5 + 1.26515131188, 1e-10);
  EXPECT_FALSE(normal_interval({values, 1}).has_value());
  EXPECT_FALSE(normal_interval({values, 0}).has_value());
}

TEST(Intervals, DeLongIsAsComputedByHand) {
  // V10 = {0.5, 1}, V01 = {1, 0.5}: both variances are 0.125, that of the area is 0.125 / 2 + 0.125 / 2.
  const double scores[] = {0.1, 0.4, 0.35, 0.8};
  const Area area = area_under_curve(scores, {false, false, true, true});
  EXPECT_DOUBLE_EQ(*area.value, 0.75);
  const auto interval = delong({&area, 1});
  ASSERT_TRUE(interval.has_value());
  EXPECT_NEAR(interval->low, 0.75 - kNormal95 * std::sqrt(0.125), 1e-12);
  EXPECT_EQ(interval->high, 1) << "no chance is above 1";
  // The same area twice is no second look at it.
  const Area twice[] = {area, area};
  EXPECT_NEAR(delong(twice)->low, interval->low, 1e-12);
  // A perfect order, and a single positive, say nothing about how it varies.
  const Area perfect = area_under_curve(scores, {false, true, false, true});
  EXPECT_DOUBLE_EQ(*perfect.value, 1);
  EXPECT_FALSE(delong({&perfect, 1}).has_value());
  const Area lone = area_under_curve(scores, {false, true, false, false});
  EXPECT_TRUE(lone.value.has_value());
  EXPECT_FALSE(delong({&lone, 1}).has_value());
  EXPECT_FALSE(delong({}).has_value());
}

// The definition, pair by pair.
TEST(Intervals, DeLongIsThatOfThePairs) {
  Rng rng(3, stream_id("test", "delong"));
  std::vector<double> scores;
  std::vector<bool> positive;
  for (int i = 0; i < 90; ++i) {
    positive.push_back(i % 3 == 0);
    scores.push_back(std::round(2 * static_cast<double>(rng.normal()) + (positive.back() ? 1 : 0)));
  }
  std::vector<double> components[2];
  for (size_t i = 0; i < scores.size(); ++i) {
    double sum = 0, count = 0;
    for (size_t j = 0; j < scores.size(); ++j) {
      if (positive[i] == positive[j]) continue;
      const double ahead = positive[i] ? scores[i] - scores[j] : scores[j] - scores[i];
      sum += ahead > 0 ? 1 : ahead == 0 ? 0.5 : 0;
      ++count;
    }
    components[positive[i]].push_back(sum / count);
  }
  double variance = 0, area = 0;
  for (const std::vector<double>& kind : components) {
    double mean = 0, squares = 0;
    for (const double v : kind) mean += v / static_cast<double>(kind.size());
    for (const double v : kind) squares += (v - mean) * (v - mean);
    variance += squares / static_cast<double>(kind.size() - 1) / static_cast<double>(kind.size());
    area = mean;
  }
  const Area found = area_under_curve(scores, positive);
  EXPECT_NEAR(*found.value, area, 1e-12);
  const auto interval = delong({&found, 1});
  ASSERT_TRUE(interval.has_value());
  EXPECT_NEAR(interval->high - *found.value, kNormal95 * std::sqrt(variance), 1e-12);
}

// How often an interval of 95 % holds the truth over many draws.
double coverage(int draws, double truth, const std::function<std::optional<Interval>(Rng&)>& draw) {
  Rng rng(11, stream_id("test", "coverage"));
  int inside = 0;
  for (int i = 0; i < draws; ++i) {
    const auto interval = draw(rng);
    inside += interval && interval->low <= truth && truth <= interval->high;
  }
  return inside / static_cast<double>(draws);
}

TEST(Intervals, HoldTheTruthAsOftenAsTheySay) {
  const double wilson_coverage = coverage(2000, 0.9, [](Rng& rng) {
    int64_t right = 0;
    for (int n = 0; n < 60; ++n) right += rng.uniform() < 0.9f;
    return wilson(right, 60);
  });
  EXPECT_NEAR(wilson_coverage, 0.95, 0.025);
  // Positives one deviation above negatives: the area is the normal distribution at 1 / sqrt(2).
  const double area = 0.5 * std::erfc(-1 / std::sqrt(2.0) / std::sqrt(2.0));
  const double delong_coverage = coverage(1000, area, [](Rng& rng) {
    std::vector<double> scores;
    std::vector<bool> positive;
    for (int n = 0; n < 100; ++n) {
      positive.push_back(n % 2 == 0);
      scores.push_back(static_cast<double>(rng.normal()) + (n % 2 == 0 ? 1 : 0));
    }
    const Area found = area_under_curve(scores, positive);
    return delong({&found, 1});
  });
  EXPECT_NEAR(delong_coverage, 0.95, 0.03);
}

// Of R, qt(0.975, n).
TEST(Intervals, StudentsQuantilesAreThoseOfTables) {
  const std::pair<int64_t, double> known[] = {{1, 12.706204736}, {2, 4.302652730},  {3, 3.182446305},
                                              {4, 2.776445105},  {5, 2.570581836},  {9, 2.262157163},
                                              {10, 2.228138852}, {30, 2.042272456}, {100, 1.983971519}};
  for (const auto& [freedom, quantile] : known) EXPECT_NEAR(student95(freedom), quantile, 1e-8) << freedom;
  EXPECT_NEAR(student95(1000000), kNormal95, 1e-5);
  EXPECT_FALSE(student_interval(std::vector<double>{1.0}));
}

TEST(Intervals, TheBootstrapOfAMeanIsNearTheNormalInterval) {
  Rng rng(5, stream_id("test", "bootstrap"));
  std::vector<double> values;
  for (int n = 0; n < 400; ++n) values.push_back(static_cast<double>(rng.normal()));
  const Statistic mean = [&](const std::vector<uint32_t>& times) -> std::optional<double> {
    double sum = 0;
    for (size_t n = 0; n < times.size(); ++n) sum += times[n] * values[n];
    return sum / static_cast<double>(times.size());
  };
  const auto drawn = bootstrap(400, 400, mean), again = bootstrap(400, 400, mean),
             normal = normal_interval(values);
  ASSERT_TRUE(drawn && normal);
  EXPECT_NEAR(drawn->low, normal->low, 0.012);
  EXPECT_NEAR(drawn->high, normal->high, 0.012);
  EXPECT_EQ(drawn->low, again->low);
  EXPECT_EQ(drawn->high, again->high);
  int64_t sets = 0;
  const auto counting = [&](const std::vector<uint32_t>& times) -> std::optional<double> {
    uint32_t all = 0;
    for (const uint32_t one : times) all += one;
    EXPECT_EQ(all, 20U);
    if (++sets == 1000) return std::nullopt;
    return 1;
  };
  EXPECT_FALSE(bootstrap(20, 20, counting).has_value()) << "unknown in one set";
  EXPECT_EQ(sets, 1000);
  EXPECT_FALSE(bootstrap(1, 1, mean).has_value());
  EXPECT_FALSE(bootstrap(400, int64_t{1} << 40, mean).has_value()) << "too long to wait for";
}

}  // namespace
}  // namespace coppice
