// SPDX-License-Identifier: Apache-2.0
#include "train/metrics/said.h"

namespace coppice {

int64_t rank_of(const OutputRow& said, int64_t label) {
  const float own = said[label];
  if (own != own) return said.width;
  int64_t rank = 0;
  for (int64_t c = 0; c < said.width; ++c) {
    const float other = said[c];
    rank += other > own || (other == own && c < label) || other != other;
  }
  return rank;
}

int32_t said_class(const OutputRow& said) {
  int64_t first = 0;
  for (int64_t c = 0; c < said.width; ++c) {
    if (said[c] != said[c]) return kNoClass;
    if (said[c] > said[first]) first = c;
  }
  return static_cast<int32_t>(first);
}

bool label_is_right(float said, float truth) { return said == said && (said > 0) == (truth > 0.5f); }

int64_t right_labels(const OutputRow& said, const OutputRow& truth) {
  int64_t right = 0;
  for (int64_t k = 0; k < said.width; ++k) right += label_is_right(said[k], truth[k]);
  return right;
}

}  // namespace coppice
