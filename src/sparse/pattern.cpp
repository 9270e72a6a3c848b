// SPDX-License-Identifier: Apache-2.0
#include "sparse/pattern.h"

#include <cassert>

#include "base/rng.h"
#include "sparse/select.h"

namespace coppice {

std::string BlockShape::text() const { return std::to_string(rows) + "x" + std::to_string(cols); }

Result<BlockShape> BlockShape::parse(const std::string& text) {
  for (const BlockShape shape : {BlockShape{1, 1}, BlockShape{4, 1}, BlockShape{16, 1}, BlockShape{16, 4}})
    if (shape.text() == text) return shape;
  return invalid("block '" + text + "': must be 1x1, 4x1, 16x1 or 16x4 (outputs x inputs)");
}

Pattern::Pattern(int64_t rows, int64_t cols, BlockShape block, std::vector<int32_t> indptr,
                 std::vector<int32_t> indices)
    : rows_(rows), cols_(cols), block_(block), indptr_(std::move(indptr)), indices_(std::move(indices)) {}

Pattern Pattern::full(int64_t rows, int64_t cols, BlockShape block) {
  assert(rows % block.rows == 0 && cols % block.cols == 0);
  const int64_t block_rows = rows / block.rows, block_cols = cols / block.cols;
  std::vector<int32_t> indptr, indices;
  indptr.reserve(static_cast<size_t>(block_rows + 1));
  indices.reserve(static_cast<size_t>(block_rows * block_cols));
  indptr.push_back(0);
  for (int64_t r = 0; r < block_rows; ++r) {
    for (int64_t c = 0; c < block_cols; ++c) indices.push_back(static_cast<int32_t>(c));
    indptr.push_back(static_cast<int32_t>(indices.size()));
  }
  return {rows, cols, block, std::move(indptr), std::move(indices)};
}

namespace {

// Why these are no pattern.
Status check(int64_t rows, int64_t cols, BlockShape block, std::span<const int32_t> indptr,
             std::span<const int32_t> indices) {
  if (rows <= 0 || cols <= 0 || rows > INT32_MAX || cols > INT32_MAX || rows * cols > INT32_MAX)
    return invalid("pattern of " + std::to_string(rows) + " x " + std::to_string(cols) +
                   ": both sides must be positive and the product below 2^31");
  TRY(BlockShape::parse(block.text()).status());  // kernels know no other shapes
  if (rows % block.rows != 0 || cols % block.cols != 0)
    return invalid("block " + block.text() + " does not divide " + std::to_string(rows) + " x " +
                   std::to_string(cols));
  const int64_t block_rows = rows / block.rows, block_cols = cols / block.cols;
  if (static_cast<int64_t>(indptr.size()) != block_rows + 1 || indptr.front() != 0 ||
      indptr.back() != static_cast<int64_t>(indices.size()))
    return corrupt("indptr does not describe " + std::to_string(block_rows) + " block rows of " +
                   std::to_string(indices.size()) + " blocks");
  for (int64_t r = 0; r < block_rows; ++r) {
    const int32_t begin = indptr[static_cast<size_t>(r)], end = indptr[static_cast<size_t>(r) + 1];
    if (end < begin || end > indptr.back())
      return corrupt("indptr decreases at block row " + std::to_string(r));
    for (int32_t k = begin; k < end; ++k) {
      const int32_t column = indices[static_cast<size_t>(k)];
      if (column < 0 || column >= block_cols || (k > begin && column <= indices[static_cast<size_t>(k) - 1]))
        return corrupt("indices of block row " + std::to_string(r) + " are not ascending within 0.." +
                       std::to_string(block_cols - 1));
    }
  }
  return {};
}

}  // namespace

Result<Pattern> Pattern::from_indices(int64_t rows, int64_t cols, BlockShape block,
                                      std::vector<int32_t> indptr, std::vector<int32_t> indices) {
  TRY(check(rows, cols, block, indptr, indices));
  return Pattern(rows, cols, block, std::move(indptr), std::move(indices));
}

Pattern Pattern::of_canonical(int64_t rows, int64_t cols, BlockShape block, std::vector<int32_t> indptr,
                              std::vector<int32_t> indices) {
  assert(check(rows, cols, block, indptr, indices).ok());
  return {rows, cols, block, std::move(indptr), std::move(indices)};
}

std::vector<size_t> live_places(const Pattern& pattern) {
  const BlockShape block = pattern.block();
  std::vector<size_t> places;
  places.reserve(static_cast<size_t>(pattern.live()));
  for (int64_t row = 0; row < pattern.block_rows(); ++row)
    for (const int32_t column : pattern.row(row))
      for (int r = 0; r < block.rows; ++r)
        for (int c = 0; c < block.cols; ++c)
          places.push_back(
              static_cast<size_t>((row * block.rows + r) * pattern.cols() + column * block.cols + c));
  return places;
}

TransposedPattern transpose(const Pattern& pattern) {
  assert(pattern.block() == BlockShape{});
  const auto rows = pattern.rows(), cols = pattern.cols();
  std::vector<int32_t> indptr(static_cast<size_t>(cols) + 1, 0);
  for (const int32_t c : pattern.indices()) ++indptr[static_cast<size_t>(c) + 1];
  for (size_t c = 0; c < static_cast<size_t>(cols); ++c) indptr[c + 1] += indptr[c];
  std::vector<int32_t> next(indptr.begin(), indptr.end() - 1);
  std::vector<int32_t> indices(static_cast<size_t>(pattern.live())), source(indices.size());
  for (int64_t r = 0; r < rows; ++r)
    for (int32_t k = pattern.indptr()[static_cast<size_t>(r)];
         k < pattern.indptr()[static_cast<size_t>(r) + 1]; ++k) {
      const auto at =
          static_cast<size_t>(next[static_cast<size_t>(pattern.indices()[static_cast<size_t>(k)])]++);
      indices[at] = static_cast<int32_t>(r);
      source[at] = k;
    }
  return {Pattern::of_canonical(cols, rows, {}, std::move(indptr), std::move(indices)), std::move(source)};
}

TransposedPattern unblocked(const Pattern& pattern) {
  const BlockShape block = pattern.block();
  std::vector<int32_t> indptr{0}, indices, source;
  indices.reserve(static_cast<size_t>(pattern.live()));
  source.reserve(static_cast<size_t>(pattern.live()));
  for (int64_t r = 0; r < pattern.rows(); ++r) {
    const int64_t block_row = r / block.rows, row = r % block.rows;
    int64_t at = pattern.indptr()[static_cast<size_t>(block_row)];
    for (const int32_t column : pattern.row(block_row)) {
      for (int c = 0; c < block.cols; ++c) {
        indices.push_back(column * block.cols + c);
        source.push_back(static_cast<int32_t>((at * block.rows + row) * block.cols + c));
      }
      ++at;
    }
    indptr.push_back(static_cast<int32_t>(indices.size()));
  }
  return {Pattern::of_canonical(pattern.rows(), pattern.cols(), {}, std::move(indptr), std::move(indices)),
          std::move(source)};
}

Pattern random_pattern(int64_t rows, int64_t cols, BlockShape block, int64_t blocks, uint64_t seed,
                       const std::string& name) {
  assert(rows % block.rows == 0 && cols % block.cols == 0);
  const int64_t block_rows = rows / block.rows, block_cols = cols / block.cols;
  assert(blocks >= 0 && blocks <= block_rows * block_cols);
  if (blocks == block_rows * block_cols) return Pattern::full(rows, cols, block);
  // The k largest of independent uniform keys are a uniform draw without replacement.
  StreamingTopK top(blocks);
  Rng rng(seed, stream_id("pattern", name));
  for (int64_t i = 0; i < block_rows * block_cols; ++i) top.offer(i, rng.uniform());
  std::vector<int32_t> indptr(static_cast<size_t>(block_rows) + 1, 0), indices;
  indices.reserve(static_cast<size_t>(blocks));
  for (const int64_t i : top.take()) {
    ++indptr[static_cast<size_t>(i / block_cols) + 1];
    indices.push_back(static_cast<int32_t>(i % block_cols));
  }
  for (size_t r = 0; r < static_cast<size_t>(block_rows); ++r) indptr[r + 1] += indptr[r];
  return Pattern::from_indices(rows, cols, block, std::move(indptr), std::move(indices)).take();
}

}  // namespace coppice
