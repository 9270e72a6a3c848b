// SPDX-License-Identifier: Apache-2.0
// Exact top-k: the one place where "the largest k" is decided. Ties are broken by the smaller index, so the
// result is a pure function of the scores. Indices are below 2^32.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <vector>

namespace coppice {

// Indices of the k largest scores, ascending. Requires 0 <= k <= scores.size(); no score is NaN.
std::vector<int64_t> select_top_k(std::span<const float> scores, int64_t k);

// Ascending; none is negative. Several times as fast as std::sort for the thousands that an edit moves.
void sort_places(std::vector<int64_t>& places);

// Keeps the k largest of a stream of (index, score) pairs that never exist in memory at once: O(k) memory.
class StreamingTopK {
 public:
  explicit StreamingTopK(int64_t k) : k_(static_cast<size_t>(k)) {}
  void offer(int64_t index, float score);
  // No lower score will be kept; anything may be until it is above -infinity.
  float bar() const { return has_bar_ ? bar_ : -std::numeric_limits<float>::infinity(); }
  // Ascending indices of what was kept; at most k. Empties the selection.
  std::vector<int64_t> take();

 private:
  void cut();

  size_t k_;
  std::vector<uint64_t> entries_;  // ranks: score, then index; at most 2k + 16; cut to k when full
  float bar_ = 0;                  // score of the worst entry that survived the last cut
  bool has_bar_ = false;
};

}  // namespace coppice
