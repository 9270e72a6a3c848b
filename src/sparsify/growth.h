// SPDX-License-Identifier: Apache-2.0
// What grows in one layer: the positions of the largest gradients, found while these pass by.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <span>
#include <vector>

#include "exec/dense_gradient.h"
#include "sparse/pattern.h"
#include "sparse/select.h"

namespace coppice {

// Scores order weights: what is no number is worth nothing, and would break any order.
inline float orderly(float score) { return score >= 0 ? score : 0.0f; }

// Several threads may offer at once; the order in which they do changes nothing.
class Growth {
 public:
  // As many blocks as `blocks`, of those that do not live or are not kept. Pattern and kept [blocks of the
  // pattern] must outlive it.
  Growth(const Pattern& pattern, const std::vector<bool>& kept, int64_t blocks)
      : pattern_(pattern), kept_(kept), columns_(pattern.block_cols()), best_(blocks) {}

  // A block is worth the mean magnitude of its gradients.
  void offer(const DenseGradientBlock& rows);
  // Positions of blocks, ascending.
  std::vector<int64_t> take() { return best_.take(); }

 private:
  // Scores of some rows of blocks: [block columns][1 << stride_log2], of which `rows` are some.
  struct ScoreRows {
    int64_t first_row, rows;
    int stride_log2;
    std::span<const float> scores;
    coppice_screen screen;
  };
  class LiveBlocks;
  ScoreRows score_blocks(const DenseGradientBlock& rows, std::vector<float>& scores) const;
  void offer_scores(const ScoreRows& rows);

  const Pattern& pattern_;
  const std::vector<bool>& kept_;
  const int64_t columns_;       // of blocks
  std::atomic<float> bar_ = 0;  // no lower score will be kept
  std::mutex mutex_;
  StreamingTopK best_;
};

}  // namespace coppice
