// SPDX-License-Identifier: Apache-2.0
#include "sparsify/growth.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

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

// Most scores are too low to be kept, which one thread sees without stopping the others. Some at a time: what
// is not too low, at first all, takes no memory, and the bar that others raise is seen soon.
void Growth::offer_scores(const ScoreRows& rows) {
  constexpr size_t kAtOnce = 4096;  // whole columns, as their rows are a power of two
  LiveBlocks live(*this, rows);
  std::array<uint32_t, kAtOnce> places;
  for (size_t begin = 0; begin < rows.scores.size(); begin += kAtOnce) {
    const std::span<const float> some =
        rows.scores.subspan(begin, std::min(kAtOnce, rows.scores.size() - begin));
    const int64_t first_column = static_cast<int64_t>(begin >> rows.stride_log2);
    const auto row_of = [&](uint32_t place) { return int64_t{place & ((1u << rows.stride_log2) - 1)}; };
    const auto column_of = [&](uint32_t place) { return first_column + (place >> rows.stride_log2); };
    const auto found = std::span(places).first(static_cast<size_t>(
        rows.screen(some.data(), std::ssize(some), bar_.load(std::memory_order_relaxed), places.data())));
    size_t left = 0;
    for (const uint32_t place : found) {
      found[left] = place;
      left += row_of(place) < rows.rows && !live.stays(row_of(place), column_of(place));
    }
    if (left == 0) continue;
    const std::lock_guard<std::mutex> lock(mutex_);
    for (const uint32_t place : found.first(left))
      best_.offer((rows.first_row + row_of(place)) * columns_ + column_of(place),
                  orderly(std::abs(some[place])));
    bar_.store(best_.bar(), std::memory_order_relaxed);
  }
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
  offer_scores(scores);
}

}  // namespace coppice
