// SPDX-License-Identifier: Apache-2.0
// Where the live weights of a matrix are. The only description of sparsity that files, edits, tests and
// reductions see; how the weights lie in memory is a format's business (sparse/format.h).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"

namespace coppice {

// r outputs share c neighbouring inputs. The allowed shapes are 1x1, 4x1, 16x1 and 16x4.
struct BlockShape {
  int rows = 1, cols = 1;
  bool operator==(const BlockShape&) const = default;
  int size() const { return rows * cols; }
  std::string text() const;  // "16x4"
  static Result<BlockShape> parse(const std::string& text);
};

// Live positions of an (rows x cols) matrix in blocks, canonical: block rows in order, block columns
// ascending within each. For a convolution rows = outputs and cols = (inputs / groups) * kernel height *
// kernel width. Immutable; cheap to move, explicit to copy. Values that belong to it are ordered [block][row
// in block][column in block].
class Pattern {
 public:
  static Pattern full(int64_t rows, int64_t cols, BlockShape block = {});

  // Verifies: the block divides the matrix, indptr and indices are canonical and in range.
  static Result<Pattern> from_indices(int64_t rows, int64_t cols, BlockShape block,
                                      std::vector<int32_t> indptr, std::vector<int32_t> indices);
  // The same without the look at every index, for what was canonical before it was taken apart.
  static Pattern of_canonical(int64_t rows, int64_t cols, BlockShape block, std::vector<int32_t> indptr,
                              std::vector<int32_t> indices);

  int64_t rows() const { return rows_; }
  int64_t cols() const { return cols_; }
  BlockShape block() const { return block_; }
  int64_t block_rows() const { return rows_ / block_.rows; }
  int64_t block_cols() const { return cols_ / block_.cols; }
  int64_t blocks() const { return static_cast<int64_t>(indices_.size()); }
  int64_t live() const { return blocks() * block_.size(); }
  int64_t total() const { return rows_ * cols_; }
  bool is_full() const { return live() == total(); }
  double density() const { return static_cast<double>(live()) / static_cast<double>(total()); }

  std::span<const int32_t> indptr() const { return indptr_; }    // [block_rows + 1]
  std::span<const int32_t> indices() const { return indices_; }  // [blocks], block columns
  std::span<const int32_t> row(int64_t block_row) const {
    return indices().subspan(static_cast<size_t>(indptr_[block_row]),
                             static_cast<size_t>(indptr_[block_row + 1] - indptr_[block_row]));
  }

  bool operator==(const Pattern&) const = default;

 private:
  Pattern(int64_t rows, int64_t cols, BlockShape block, std::vector<int32_t> indptr,
          std::vector<int32_t> indices);
  int64_t rows_, cols_;
  BlockShape block_;
  std::vector<int32_t> indptr_, indices_;
};

// Where in the row-major dense matrix each live weight is, in canonical order. [live]
std::vector<size_t> live_places(const Pattern& pattern);

// The same positions with rows and columns exchanged, 1x1 only. source[k] is the canonical index in `pattern`
// of the k-th weight of the result.
struct TransposedPattern {
  Pattern pattern;
  std::vector<int32_t> source;
};
TransposedPattern transpose(const Pattern& pattern);

// The 1x1 pattern that holds the same weights; index k of the result is canonical index source[k] of
// `pattern`.
TransposedPattern unblocked(const Pattern& pattern);

// `blocks` live blocks drawn uniformly without replacement, the same for the same seed and name.
Pattern random_pattern(int64_t rows, int64_t cols, BlockShape block, int64_t blocks, uint64_t seed,
                       const std::string& name);

}  // namespace coppice
