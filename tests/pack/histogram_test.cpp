// SPDX-License-Identifier: Apache-2.0
#include "pack/histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "base/rng.h"

namespace coppice {
namespace {

void add(Histogram& histogram, const std::vector<float>& numbers) {
  histogram.include(*std::min_element(numbers.begin(), numbers.end()),
                    *std::max_element(numbers.begin(), numbers.end()));
  histogram.add(numbers.data(), std::ssize(numbers));
}

Histogram of(const std::vector<float>& numbers) {
  Histogram histogram;
  add(histogram, numbers);
  return histogram;
}

std::vector<float> ramp(int from, int to) {
  std::vector<float> out;
  for (int i = from; i <= to; ++i) out.push_back(static_cast<float>(i));
  return out;
}

TEST(Histogram, AllIsWhatOccurredAndZero) {
  EXPECT_EQ(of({-1, 0.5f, 3}).all(), (Range{-1, 3}));
  EXPECT_EQ(of({2, 3}).all(), (Range{0, 3}));
  EXPECT_EQ(of({-2, -3}).all(), (Range{-3, 0}));
  EXPECT_EQ(of({0, 0}).all(), (Range{0, 0}));
}

// 1 to 1000: bins of one number each.
TEST(Histogram, PercentileLeavesOutAsManyAtEachEnd) {
  const Histogram plain = of(ramp(1, 1000));
  EXPECT_EQ(plain.percentile(100), (Range{0, 1000}));
  EXPECT_NEAR(plain.percentile(99).high, 990, 0.5);
  EXPECT_NEAR(plain.percentile(90).high, 900, 0.5);
  const Range both = of(ramp(-1000, 999)).percentile(99);
  EXPECT_NEAR(both.low, -980, 2);
  EXPECT_NEAR(both.high, 979, 2);
  // Zeros do not count: else what a relu seldom lets through would be cut away.
  std::vector<float> rare(100000, 0.0f);
  rare.back() = 5;
  EXPECT_EQ(of(rare).percentile(99).high, 5);
  EXPECT_EQ(of({0, 0}).percentile(99.99), (Range{0, 0}));
}

// Whatever came first, and in however many parts.
TEST(Histogram, BinsGrowUntilAllFits) {
  Histogram grown;
  add(grown, {1e-30f, 2e-30f});
  add(grown, {-3e-3f, 0});
  for (int i = 1; i <= 1000; ++i) add(grown, {static_cast<float>(i)});
  add(grown, {-7, -7, -7, -7, -7, -7, -7, -7, -7, -7, -7});
  EXPECT_EQ(grown.all(), (Range{-7, 1000}));
  EXPECT_NEAR(grown.percentile(99).high, 990, 1.5);
  EXPECT_EQ(grown.percentile(99).low, -7);
  EXPECT_NEAR(grown.percentile(98.5).low, -0.0, 1);
  constexpr float kMost = std::numeric_limits<float>::max();
  add(grown, {-kMost, kMost});
  EXPECT_EQ(grown.all(), (Range{-kMost, kMost}));
  EXPECT_NE(grown.least_squares(), (Range{0, 0}));
}

// The expected error of a range, number by number.
double error_of(const std::vector<float>& numbers, Range range) {
  const double step = (double{range.high} - double{range.low}) / 255;
  double sum = 0;
  for (const float x : numbers) {
    const double outside = std::max({double{range.low} - double{x}, double{x} - double{range.high}, 0.0});
    sum += x == 0.0f ? 0.0 : outside * outside + step * step / 12;
  }
  return sum;
}

TEST(Histogram, LeastSquaresIsBetterThanAnyOtherRange) {
  Rng rng(1, stream_id("test", "least squares"));
  for (const bool relu : {false, true}) {
    std::vector<float> numbers(200001, 40.0f);
    for (size_t i = 1; i < numbers.size(); ++i) numbers[i] = std::max(rng.normal(), relu ? 0.0f : -100.0f);
    const Histogram histogram = of(numbers);
    const Range best = histogram.least_squares();
    EXPECT_LT(best.high, 36);
    EXPECT_EQ(best.low == 0.0f, relu);
    const double least = error_of(numbers, best);
    EXPECT_LT(least, 0.95 * error_of(numbers, histogram.all()));
    for (float low = relu ? 0 : -8; low <= 0; ++low)
      for (float high = 1; high <= 40; ++high)
        EXPECT_GT(error_of(numbers, {low, high}), 0.99 * least) << low << " " << high;
  }
}

// What all numbers are is no outlier.
TEST(Histogram, LeastSquaresKeepsWhatOccursOften) {
  for (const std::vector<float>& numbers : {std::vector<float>{5, 5, 5}, {-5}, {-2, 2, -2, 2}}) {
    const Range all = of(numbers).all(), best = of(numbers).least_squares();
    EXPECT_NEAR(best.low, all.low, 1e-3);
    EXPECT_NEAR(best.high, all.high, 1e-3);
  }
  EXPECT_EQ(of({0}).least_squares(), (Range{0, 0}));
}

TEST(Quantisation, ZeroIsAnInteger) {
  EXPECT_EQ(quantisation_of({0, 255}), (Quantisation{1, -128}));
  EXPECT_EQ(quantisation_of({-255, 0}), (Quantisation{1, 127}));
  EXPECT_EQ(quantisation_of({-128, 127}), (Quantisation{1, 0}));
  EXPECT_EQ(quantisation_of({-0.5f, 2}).zero_point, -77);  // -128 + 0.5 * 255 / 2.5
  // 0 is included.
  EXPECT_EQ(quantisation_of({3, 255}), (Quantisation{1, -128}));
  EXPECT_EQ(quantisation_of({-255, -3}), (Quantisation{1, 127}));
  EXPECT_EQ(quantisation_of({0, 0}), (Quantisation{1, 0}));
  constexpr float kMost = std::numeric_limits<float>::max();
  EXPECT_TRUE(std::isfinite(quantisation_of({-kMost, kMost}).scale));
  EXPECT_TRUE(std::isnormal(quantisation_of({0, 1e-40f}).scale));
}

}  // namespace
}  // namespace coppice
