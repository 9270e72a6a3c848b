// SPDX-License-Identifier: Apache-2.0
#include "pack/histogram.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace coppice {
namespace {

constexpr double kSteps = 255;
// Indices stay far from overflow, also where numbers of one size hardly differ.
constexpr double kLargestIndex = 1 << 30;

// One end of a range, put at `limit` (its distance to 0), and what the numbers beyond it cost.
struct End {
  double limit = 0, error = 0;
};

// All ends of one side of 0, from the outermost inwards. count(k) is that of the k-th bin from outside, whose
// inner edge is (inner - k) * width away from 0; `bins` of them.
template <class Count>
std::vector<End> ends_of(double outermost, double width, int64_t inner, int64_t bins, Count count) {
  std::vector<End> ends{{outermost, 0}};
  // Sums over the numbers beyond the end of the powers of their distance to it, in bins.
  double numbers = 0, distances = 0, squares = 0;
  for (int64_t k = 0; k < bins; ++k) {
    squares += 2 * distances + numbers;
    distances += numbers;
    const auto here = static_cast<double>(count(k));
    numbers += here;
    distances += here / 2;
    squares += here / 3;
    ends.push_back({static_cast<double>(inner - k) * width, squares * width * width});
  }
  return ends;
}

// The bin of a number, where bins are 2^exponent wide.
int64_t index_at(float number, int exponent) {
  return static_cast<int64_t>(std::floor(std::ldexp(double{number}, -exponent)));
}

bool fits(float low, float high, int exponent) {
  const double most = std::max(std::abs(double{low}), std::abs(double{high}));
  return std::ldexp(most, -exponent) < kLargestIndex &&
         index_at(high, exponent) - index_at(low, exponent) < Histogram::kBins;
}

}  // namespace

double Histogram::width() const { return std::ldexp(1.0, exponent_); }

int64_t Histogram::index(float number) const { return index_at(number, exponent_); }

void Histogram::include(float low, float high) {
  least_ = empty_ ? low : std::min(least_, low);
  most_ = empty_ ? high : std::max(most_, high);
  empty_ = false;
  int exponent = exponent_;
  while (!fits(least_, most_, exponent)) ++exponent;
  if (exponent > exponent_) merge(exponent - exponent_);
  if (index(least_) < first_ || index(most_) >= first_ + kBins) begin_at(index(least_));
}

void Histogram::merge(int doublings) {
  exponent_ += doublings;
  const auto wider = [doublings](int64_t i) { return i >> std::min(doublings, 63); };
  const int64_t first = wider(first_);
  std::array<int64_t, kBins> counts{};
  for (int64_t k = 0; k < kBins; ++k)
    counts[static_cast<size_t>(wider(first_ + k) - first)] += counts_[static_cast<size_t>(k)];
  counts_ = counts;
  first_ = first;
}

// What was counted lies in the bins before and after.
void Histogram::begin_at(int64_t first) {
  std::array<int64_t, kBins> counts{};
  for (int64_t k = 0; k < kBins; ++k)
    if (const int64_t to = first_ + k - first; to >= 0 && to < kBins)
      counts[static_cast<size_t>(to)] = counts_[static_cast<size_t>(k)];
  counts_ = counts;
  first_ = first;
}

void Histogram::add(const float* numbers, int64_t count) {
  const double per_bin = std::ldexp(1.0, -exponent_);
  for (int64_t i = 0; i < count; ++i) {
    const double at = double{numbers[i]} * per_bin;
    auto bin = static_cast<int64_t>(at);
    bin -= at < static_cast<double>(bin);  // towards minus infinity
    counts_[static_cast<size_t>(bin - first_)] += numbers[i] != 0.0f;
  }
}

int64_t Histogram::counted() const {
  int64_t sum = 0;
  for (const int64_t count : counts_) sum += count;
  return sum;
}

Range Histogram::all() const { return {std::min(least_, 0.0f), std::max(most_, 0.0f)}; }

Range Histogram::percentile(double percent) const {
  const auto spare = static_cast<int64_t>((100.0 - percent) * static_cast<double>(counted()) / 100.0);
  int64_t top = kBins, bottom = -1;
  for (int64_t seen = 0; seen <= spare && top > 0;) seen += counts_[static_cast<size_t>(--top)];
  for (int64_t seen = 0; seen <= spare && bottom < kBins - 1;) seen += counts_[static_cast<size_t>(++bottom)];
  const Range whole = all();
  const auto high = static_cast<float>(static_cast<double>(first_ + top + 1) * width()),
             low = static_cast<float>(static_cast<double>(first_ + bottom) * width());
  return {std::clamp(low, whole.low, 0.0f), std::clamp(high, 0.0f, whole.high)};
}

Range Histogram::least_squares() const {
  const Range whole = all();
  const int64_t end = first_ + kBins;
  // Bins above 0 from the last one, bins below 0 from the first.
  const std::vector<End> highs =
      ends_of(double{whole.high}, width(), end - 1, end - std::clamp<int64_t>(0, first_, end),
              [this](int64_t k) { return counts_[static_cast<size_t>(kBins - 1 - k)]; });
  const std::vector<End> lows =
      ends_of(-double{whole.low}, width(), -first_ - 1, std::clamp<int64_t>(0, first_, end) - first_,
              [this](int64_t k) { return counts_[static_cast<size_t>(k)]; });
  const auto numbers = static_cast<double>(counted());
  double least = std::numeric_limits<double>::infinity();
  Range best = whole;
  for (const End& low : lows)
    for (const End& high : highs) {
      // Bins that are empty so far reach beyond the numbers.
      if (low.limit > -double{whole.low} || high.limit > double{whole.high} || low.limit + high.limit == 0)
        continue;
      const double step = (low.limit + high.limit) / kSteps;
      const double error = low.error + high.error + numbers * step * step / 12;
      if (error >= least) continue;
      least = error;
      best = {static_cast<float>(0.0 - low.limit), static_cast<float>(high.limit)};
    }
  return best;
}

Quantisation quantisation_of(Range range) {
  const double low = std::min(double{range.low}, 0.0), high = std::max(double{range.high}, 0.0);
  if (low == high) return {};
  Quantisation out;
  out.scale = std::max(static_cast<float>((high - low) / kSteps), std::numeric_limits<float>::min());
  const double zero = std::nearbyint(-128.0 - low / double{out.scale});
  out.zero_point = static_cast<int32_t>(std::clamp(zero, -128.0, 127.0));
  return out;
}

}  // namespace coppice
