// SPDX-License-Identifier: Apache-2.0
#include "sparsify/growth.h"

#include <array>
#include <bit>
#include <cmath>
#include <memory>

namespace coppice {

// What lives, and stays, in some rows of blocks, while their columns are passed.
class Growth::LiveBlocks {
 public:
  LiveBlocks(const Growth& growth, const ScoreRows& rows) : kept_(growth.kept_) {
    for (int64_t i = 0; i < rows.rows; ++i) {
      const int64_t row = rows.first_row + i;
      const std::span<const int32_t> live = growth.pattern_.row(row);
      rows_.at(static_cast<size_t>(i)) = {
          live.data(), live.data() + live.size(),
          static_cast<size_t>(growth.pattern_.indptr()[static_cast<size_t>(row)])};
    }
  }
  // Columns of a row come in ascending order.
  bool stays(int64_t row, int64_t column) {
    Row& at = rows_[static_cast<size_t>(row)];
    for (; at.next != at.end && *at.next < column; ++at.next) ++at.block;
    return at.next != at.end && *at.next == column && kept_[at.block];
  }

 private:
  struct Row {
    const int32_t *next = nullptr, *end = nullptr;  // live blocks ahead
    size_t block = 0;                               // index of the next one
  };
  const std::vector<bool>& kept_;
  std::array<Row, DenseGradientBlock::kStride> rows_;
};

Growth::ScoreRows Growth::score_blocks(const DenseGradientBlock& rows, std::vector<float>& scores) const {
  const BlockShape block = pattern_.block();
  ScoreRows out{rows.first_row / block.rows, rows.rows / block.rows, 0, {}, rows.screen};
  out.stride_log2 = std::bit_width(static_cast<uint64_t>(out.rows - 1));
  scores.assign(static_cast<size_t>(columns_) << out.stride_log2, 0.0f);
  for (int64_t col = 0; col < columns_; ++col)
    for (int64_t row = 0; row < out.rows; ++row) {
      float sum = 0;
      for (int r = 0; r < block.rows; ++r)
        for (int c = 0; c < block.cols; ++c)
          sum += std::abs(rows.at(row * block.rows + r, col * block.cols + c));
      scores[static_cast<size_t>(col << out.stride_log2 | row)] = sum / static_cast<float>(block.size());
    }
  out.scores = scores;
  return out;
}

// Most scores are too low to be kept, which one thread sees without stopping the others.
std::vector<Growth::Candidate> Growth::above_bar(const ScoreRows& rows) const {
  LiveBlocks live(*this, rows);
  const auto room = std::make_unique_for_overwrite<uint32_t[]>(rows.scores.size());
  const int64_t found = rows.screen(rows.scores.data(), std::ssize(rows.scores),
                                    bar_.load(std::memory_order_relaxed), room.get());
  std::vector<Candidate> candidates;
  candidates.reserve(static_cast<size_t>(found));
  for (const uint32_t place : std::span(room.get(), static_cast<size_t>(found))) {
    const int64_t row = place & ((1u << rows.stride_log2) - 1), column = place >> rows.stride_log2;
    if (row < rows.rows && !live.stays(row, column))
      candidates.push_back(
          {(rows.first_row + row) * columns_ + column, orderly(std::abs(rows.scores[place]))});
  }
  return candidates;
}

void Growth::offer(const DenseGradientBlock& rows) {
  std::vector<float> made;
  ScoreRows scores;
  if (pattern_.block().size() == 1) {  // the score of a weight is its gradient
    constexpr int kLog2 = std::countr_zero(static_cast<uint64_t>(DenseGradientBlock::kStride));
    scores = {rows.first_row, rows.rows, kLog2, rows.values, rows.screen};
  } else {
    scores = score_blocks(rows, made);
  }
  const std::vector<Candidate> candidates = above_bar(scores);
  const std::lock_guard<std::mutex> lock(mutex_);
  for (const Candidate& candidate : candidates) best_.offer(candidate.position, candidate.score);
  bar_.store(best_.bar(), std::memory_order_relaxed);
}

}  // namespace coppice
