// SPDX-License-Identifier: Apache-2.0
// Exact top-k: the one place where "the largest k" is decided. Ties are broken by the smaller index, so the
// result is a pure function of the scores. Indices are below 2^32.
#pragma once

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace coppice {

// Indices of the k largest scores, ascending. Requires 0 <= k <= scores.size(); no score is NaN.
std::vector<int64_t> select_top_k(std::span<const float> scores, int64_t k);

// Ascending; none is negative. Several times as fast as std::sort for the thousands that an edit moves.
void sort_places(std::vector<int64_t>& places);

// An order of integers: by the score, zeros of both signs alike, and of equal ones the smaller index is
// better.
inline uint64_t rank_of(int64_t index, float score) {
  assert(index >= 0 && index <= UINT32_MAX);
  const auto bits = std::bit_cast<uint32_t>(score + 0.0f);
  const uint32_t key = bits & 0x80000000u ? ~bits : bits | 0x80000000u;
  return uint64_t{key} << 32 | static_cast<uint32_t>(~index);
}

// Keeps the k largest of a stream of (index, score) pairs that never exist in memory at once: O(k) memory.
class StreamingTopK {
 public:
  explicit StreamingTopK(int64_t k) : k_(static_cast<size_t>(k)) {}
  void offer(int64_t index, float score) {
    if (k_ == 0 || score < bar()) return;
    entries_.push_back(rank_of(index, score));
    // Room for k more before each time makes it O(1) amortised per offer.
    if (entries_.size() >= 2 * k_ + 16) thin_out();
  }
  // No lower score will be kept; anything may be until it is above -infinity.
  float bar() const { return bar_; }
  // Ascending indices of what was kept; at most k. Empties the selection.
  std::vector<int64_t> take();

 private:
  void thin_out();

  size_t k_;
  std::vector<uint64_t> entries_;  // ranks: score, then index; at most 2k + 16; thinned out when full
  float bar_ = -std::numeric_limits<float>::infinity();
};

}  // namespace coppice
