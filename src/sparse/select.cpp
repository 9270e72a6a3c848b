// SPDX-License-Identifier: Apache-2.0
#include "sparse/select.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <functional>
#include <utility>

namespace coppice {
namespace {

int64_t index_of(uint64_t rank) { return static_cast<uint32_t>(~rank); }
float score_of(uint64_t rank) {
  const auto key = static_cast<uint32_t>(rank >> 32);
  return std::bit_cast<float>(key & 0x80000000u ? key & 0x7fffffffu : ~key);
}

// The smallest and the largest, without a branch to guess.
std::pair<uint64_t, uint64_t> range_of(std::span<const uint64_t> numbers) {
  uint64_t least = UINT64_MAX, most = 0;
  for (const uint64_t number : numbers) {
    least = std::min(least, number);
    most = std::max(most, number);
  }
  return {least, most};
}

// The k-th largest of different numbers. Counts digits, the highest that differ first, as each comparison of
// a sort is a guess of the processor.
uint64_t kth_largest(std::vector<uint64_t> numbers, size_t k) {
  constexpr int kBits = 11;
  constexpr size_t kFew = 64;
  std::array<uint32_t, 1 << kBits> counts;
  const size_t last = counts.size() - 1;
  while (numbers.size() > kFew) {
    // Digits that are alike would be counted in one place, each waiting for the one before.
    const auto [least, most] = range_of(numbers);
    const int low = std::max(0, static_cast<int>(std::bit_width(least ^ most)) - kBits);
    const auto digit_of = [&](uint64_t number) { return static_cast<size_t>(number >> low) & last; };
    counts.fill(0);
    for (const uint64_t number : numbers) ++counts[digit_of(number)];
    size_t digit = last;
    while (counts[digit] < k) k -= counts[digit--];
    size_t left = 0;
    for (const uint64_t number : numbers) {
      numbers[left] = number;
      left += digit_of(number) == digit;
    }
    numbers.resize(left);
  }
  const auto at = numbers.begin() + static_cast<std::ptrdiff_t>(k - 1);
  std::nth_element(numbers.begin(), at, numbers.end(), std::greater<>());
  return *at;
}

}  // namespace

std::vector<int64_t> select_top_k(std::span<const float> scores, int64_t k) {
  assert(k >= 0 && k <= static_cast<int64_t>(scores.size()));
  if (k == 0) return {};
  std::vector<uint64_t> ranks(scores.size());
  for (size_t i = 0; i < ranks.size(); ++i) ranks[i] = rank_of(static_cast<int64_t>(i), scores[i]);
  const uint64_t worst = kth_largest(ranks, static_cast<size_t>(k));
  std::vector<int64_t> chosen;
  chosen.reserve(static_cast<size_t>(k));
  for (const uint64_t rank : ranks)
    if (rank >= worst) chosen.push_back(index_of(rank));
  return chosen;
}

void sort_places(std::vector<int64_t>& places) {
  constexpr int kBits = 11;
  constexpr size_t kFew = 256;  // the passes over the digits would cost more
  if (places.size() <= kFew) return std::sort(places.begin(), places.end());
  const int64_t largest = *std::max_element(places.begin(), places.end());
  std::vector<int64_t> other(places.size());
  for (int low = 0; low < 63 && largest >> low > 0; low += kBits) {
    const auto digit = [low](int64_t place) {
      return static_cast<size_t>(place >> low) & ((1u << kBits) - 1);
    };
    std::array<size_t, 1 << kBits> start{};
    for (const int64_t place : places) ++start[digit(place)];
    size_t sum = 0;
    for (size_t& at : start) sum += std::exchange(at, sum);
    for (const int64_t place : places) other[start[digit(place)]++] = place;
    places.swap(other);
  }
}

// Drops what cannot be among the k largest. Counting one digit finds a bar that few more than k are above;
// only where too many share that digit is the k-th one looked for.
void StreamingTopK::thin_out() {
  constexpr int kBits = 11;
  const auto [least, most] = range_of(entries_);
  const int low = std::max(0, static_cast<int>(std::bit_width(most - least)) - kBits);
  std::array<uint32_t, 1 << kBits> counts{};
  for (const uint64_t rank : entries_) ++counts[(rank - least) >> low];
  size_t digit = counts.size(), above = 0;
  while (above < k_) above += counts[--digit];
  uint64_t worst = least + (uint64_t{digit} << low);
  if (above > k_ + k_ / 4) worst = kth_largest(entries_, k_);
  size_t left = 0;
  for (const uint64_t rank : entries_) {
    entries_[left] = rank;
    left += rank >= worst;
  }
  entries_.resize(left);
  bar_ = score_of(worst);
}

std::vector<int64_t> StreamingTopK::take() {
  const uint64_t worst = entries_.size() > k_ ? kth_largest(entries_, k_) : 0;
  std::vector<int64_t> indices;
  indices.reserve(k_);
  for (const uint64_t rank : entries_)
    if (rank >= worst) indices.push_back(index_of(rank));
  sort_places(indices);
  entries_.clear();
  bar_ = -std::numeric_limits<float>::infinity();
  return indices;
}

}  // namespace coppice
