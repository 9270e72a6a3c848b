// SPDX-License-Identifier: Apache-2.0
#include "sparse/select.h"

#include <algorithm>
#include <cassert>

namespace coppice {

std::vector<int64_t> select_top_k(std::span<const float> scores, int64_t k) {
  assert(k >= 0 && k <= static_cast<int64_t>(scores.size()));
  std::vector<int64_t> order(scores.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int64_t>(i);
  const auto better = [scores](int64_t a, int64_t b) {
    const float sa = scores[static_cast<size_t>(a)], sb = scores[static_cast<size_t>(b)];
    return sa != sb ? sa > sb : a < b;
  };
  std::nth_element(order.begin(), order.begin() + k, order.end(), better);
  order.resize(static_cast<size_t>(k));
  std::sort(order.begin(), order.end());
  return order;
}

void StreamingTopK::offer(int64_t index, float score) {
  if (k_ == 0 || (has_bar_ && score < bar_)) return;
  entries_.push_back({score, index});
  // Room for k more before each cut makes a cut O(1) amortised per offer.
  if (entries_.size() >= 2 * k_ + 16) cut();
}

void StreamingTopK::cut() {
  if (entries_.size() <= k_) return;
  std::nth_element(entries_.begin(), entries_.begin() + static_cast<std::ptrdiff_t>(k_ - 1), entries_.end(),
                   better);
  entries_.resize(k_);
  bar_ = entries_.back().score;
  has_bar_ = true;
}

std::vector<int64_t> StreamingTopK::take() {
  cut();
  std::vector<int64_t> indices;
  indices.reserve(entries_.size());
  for (const Entry& entry : entries_) indices.push_back(entry.index);
  std::sort(indices.begin(), indices.end());
  entries_.clear();
  has_bar_ = false;
  return indices;
}

}  // namespace coppice
