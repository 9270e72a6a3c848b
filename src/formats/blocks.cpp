// SPDX-License-Identifier: Apache-2.0
// Blocks of 4 or 16 rows that share a column, and the full pattern as such blocks without an index. One
// encoding serves forward, dX and dW: all three walk a block row and use each loaded activation r times.
#include <cassert>

#include "coppice_kernels.h"
#include "formats/blocking.h"
#include "formats/formats.h"

namespace coppice {
namespace {

// Blocks of weights of a block row in a column block below which the load and store of its sums would
// dominate.
constexpr double kRunBlocks = 16;

constexpr size_t kColumnPadding = 16;

constexpr int kDenseRows = 16;

class BlocksEncoding final : public Encoding {
 public:
  BlocksEncoding(const Pattern& pattern, const Tiling& tiling, bool dense) : shape_(pattern.block()) {
    view_.rows = static_cast<int32_t>(pattern.rows());
    view_.cols = static_cast<int32_t>(pattern.cols());
    view_.r = dense ? kDenseRows : shape_.rows;
    view_.block_rows = (view_.rows + view_.r - 1) / view_.r;
    // A multiple of 16 columns, so that no block of several columns is cut.
    view_.block_cols = (column_block(pattern.cols(), pattern.density(), kRunBlocks, tiling) + 15) / 16 * 16;
    view_.blocks = (view_.cols + view_.block_cols - 1) / view_.block_cols;
    view_.part_block_rows = row_panel(view_.rows, tiling) / view_.r;
    view_.panels = (view_.block_rows + view_.part_block_rows - 1) / view_.part_block_rows;
    forward_parts_ = view_.panels;
    dx_parts_ = view_.blocks;
    interleave_ = view_.r;

    if (dense)
      fill_dense();
    else
      fill_sparse(pattern);
    size_ = static_cast<int64_t>(start_.back()) * view_.r;
    for (int32_t panel = 0; panel < view_.panels; ++panel)
      for (int32_t block = 0; block < view_.blocks; ++block)
        part_start_.push_back(start_[at(block, panel * view_.part_block_rows)] * view_.r);
    part_start_.push_back(static_cast<int32_t>(size_));

    bytes_ = static_cast<int64_t>(start_.size() * sizeof(int32_t) + column_.size() * sizeof(uint16_t));
    view_.start = start_.data();
    view_.column = dense ? nullptr : column_.data();
  }

  const void* bind(float* value) override {
    view_.value = value;
    return &view_;
  }

  Pattern pattern() const override {
    if (column_.empty()) return Pattern::full(view_.rows, view_.cols, shape_);
    std::vector<int32_t> indptr = {0}, indices;
    for (int32_t row = 0; row < view_.block_rows; ++row) {
      for (int32_t block = 0; block < view_.blocks; ++block)
        for (int32_t k = start_[at(block, row)]; k < start_[at(block, row) + 1]; k += shape_.cols)
          indices.push_back((block * view_.block_cols + column_[static_cast<size_t>(k)]) / shape_.cols);
      indptr.push_back(static_cast<int32_t>(indices.size()));
    }
    return Pattern::of_canonical(view_.rows, view_.cols, shape_, std::move(indptr), std::move(indices));
  }

  std::vector<int32_t> positions() const override {
    return column_.empty() ? dense_positions() : sparse_positions();
  }

 private:
  int32_t panel_end(int32_t panel) const {
    return std::min((panel + 1) * view_.part_block_rows, view_.block_rows);
  }

  // Where start_ holds a block row of a column block: panel by panel, as the weights lie.
  size_t at(int32_t block, int32_t block_row) const {
    const int32_t panel = block_row / view_.part_block_rows, begin = panel * view_.part_block_rows;
    return static_cast<size_t>(begin) * static_cast<size_t>(view_.blocks) +
           static_cast<size_t>(block) * static_cast<size_t>(panel_end(panel) - begin) +
           static_cast<size_t>(block_row - begin);
  }

  template <class Visit>  // visit(column block, block row), in storage order
  void each_run(Visit&& visit) const {
    for (int32_t panel = 0; panel < view_.panels; ++panel)
      for (int32_t block = 0; block < view_.blocks; ++block)
        for (int32_t row = panel * view_.part_block_rows; row < panel_end(panel); ++row) visit(block, row);
  }

  void fill_dense() {
    int32_t count = 0;
    each_run([&](int32_t block, int32_t) {
      start_.push_back(count);
      count += std::min(view_.block_cols, view_.cols - block * view_.block_cols);
    });
    start_.push_back(count);
  }

  void fill_sparse(const Pattern& pattern) {
    std::vector<int32_t> next(pattern.indptr().begin(), pattern.indptr().end() - 1);
    each_run([&](int32_t block, int32_t row) {
      const int32_t first_col = block * view_.block_cols, end_col = first_col + view_.block_cols;
      start_.push_back(static_cast<int32_t>(column_.size()));
      int32_t& k = next[static_cast<size_t>(row)];
      for (; k < pattern.indptr()[static_cast<size_t>(row) + 1]; ++k) {
        const int32_t col = pattern.indices()[static_cast<size_t>(k)] * shape_.cols;
        if (col >= end_col) break;
        for (int32_t c = col; c < col + shape_.cols; ++c)
          column_.push_back(static_cast<uint16_t>(c - first_col));
      }
    });
    start_.push_back(static_cast<int32_t>(column_.size()));
    column_.resize(column_.size() + kColumnPadding, 0);
  }

  // Canonical order walks the block rows, each over all column blocks; a block is stored column by column.
  std::vector<int32_t> sparse_positions() const {
    std::vector<int32_t> places;
    places.reserve(static_cast<size_t>(size_));
    for (int32_t row = 0; row < view_.block_rows; ++row)
      for (int32_t block = 0; block < view_.blocks; ++block)
        for (int32_t k = start_[at(block, row)]; k < start_[at(block, row) + 1]; k += shape_.cols)
          for (int32_t r = 0; r < shape_.rows; ++r)
            for (int32_t c = 0; c < shape_.cols; ++c) places.push_back((k + c) * view_.r + r);
    return places;
  }

  std::vector<int32_t> dense_positions() const {
    std::vector<int32_t> places;
    places.reserve(static_cast<size_t>(view_.rows) * static_cast<size_t>(view_.cols));
    for (int32_t row = 0; row < view_.rows; row += shape_.rows)
      for (int32_t col = 0; col < view_.cols; col += shape_.cols)
        for (int32_t r = row; r < row + shape_.rows; ++r)
          for (int32_t c = col; c < col + shape_.cols; ++c) {
            const int32_t block = c / view_.block_cols;
            const int32_t k = start_[at(block, r / view_.r)] + c - block * view_.block_cols;
            places.push_back(k * view_.r + r % view_.r);
          }
    return places;
  }

  BlockShape shape_;
  coppice_blocks view_{};
  std::vector<int32_t> start_;
  std::vector<uint16_t> column_;  // empty: dense
};

std::string blocks_refuses(const Pattern& pattern) {
  if (pattern.block().rows > 1) return {};
  return "block 1x1 has a single row; format 'segments' takes it";
}

std::string dense_refuses(const Pattern& pattern) {
  if (!pattern.is_full())
    return std::to_string(pattern.live()) + " of " + std::to_string(pattern.total()) +
           " weights are live; the dense format takes full patterns only";
  const int64_t padded = (pattern.rows() + kDenseRows - 1) / kDenseRows * kDenseRows;
  if (padded * pattern.cols() > INT32_MAX) return "rows padded to 16 would hold 2^31 weights or more";
  return {};
}

std::unique_ptr<Encoding> encode_blocks(const Pattern& pattern, const Tiling& tiling) {
  assert(blocks_refuses(pattern).empty());
  return std::make_unique<BlocksEncoding>(pattern, tiling, false);
}

std::unique_ptr<Encoding> encode_dense(const Pattern& pattern, const Tiling& tiling) {
  assert(dense_refuses(pattern).empty());
  return std::make_unique<BlocksEncoding>(pattern, tiling, true);
}

}  // namespace

const FormatDef kBlocks = {"blocks",
                           "4 or 16 neighbouring rows share a column; one copy for all three products",
                           blocks_refuses, encode_blocks};
const FormatDef kDense = {"dense", "the full pattern in blocks of 16 rows, no index", dense_refuses,
                          encode_dense};

}  // namespace coppice
