// SPDX-License-Identifier: Apache-2.0
// Single weights: panel of rows, column block, then one segment per row, longest first. Sorting makes the
// trip count of the inner loop change a few times per panel instead of at every row, which the branch
// predictor rewards.
#include <cassert>
#include <numeric>

#include "coppice_kernels.h"
#include "formats/blocking.h"
#include "formats/formats.h"

namespace coppice {
namespace {

// Weights of a row in a column block below which loading and storing its sums weighs more than the weights
// do.
constexpr double kSegmentWeights = 8;

constexpr size_t kColumnPadding = 4;  // kernels load four columns at a time

class SegmentsEncoding final : public Encoding {
 public:
  SegmentsEncoding(const Pattern& pattern, const Tiling& tiling) {
    view_.rows = static_cast<int32_t>(pattern.rows());
    view_.cols = static_cast<int32_t>(pattern.cols());
    view_.block_cols = column_block(pattern.cols(), pattern.density(), kSegmentWeights, tiling);
    view_.blocks = (view_.cols + view_.block_cols - 1) / view_.block_cols;
    view_.panel_rows = row_panel(pattern.rows(), tiling);
    view_.panels = (view_.rows + view_.panel_rows - 1) / view_.panel_rows;
    size_ = pattern.live();
    forward_parts_ = view_.panels;

    column_.reserve(static_cast<size_t>(size_) + kColumnPadding);
    std::vector<int32_t> next(pattern.indptr().begin(), pattern.indptr().end() - 1);
    for (int32_t panel = 0; panel < view_.panels; ++panel)
      for (int32_t block = 0; block < view_.blocks; ++block) append_panel(pattern, block, panel, next);
    segment_start_.push_back(static_cast<int32_t>(segments_.size()));
    part_start_.push_back(static_cast<int32_t>(column_.size()));
    column_.resize(column_.size() + kColumnPadding, 0);

    bytes_ =
        static_cast<int64_t>((segment_start_.size() + part_start_.size()) * sizeof(int32_t) +
                             segments_.size() * sizeof(coppice_segment) + column_.size() * sizeof(uint16_t));
    view_.segment_start = segment_start_.data();
    view_.weight_start = part_start_.data();
    view_.segments = segments_.data();
    view_.column = column_.data();
  }

  const void* bind(float* value) override {
    view_.value = value;
    return &view_;
  }

  Pattern pattern() const override {
    const std::vector<int32_t> indptr = row_starts();
    std::vector<int32_t> indices(static_cast<size_t>(size_));
    each_weight(indptr, [&](int32_t canonical, int32_t, int32_t col) {
      indices[static_cast<size_t>(canonical)] = col;
    });
    return Pattern::of_canonical(view_.rows, view_.cols, {}, indptr, std::move(indices));
  }

  std::vector<int32_t> positions() const override {
    std::vector<int32_t> places(static_cast<size_t>(size_));
    each_weight(row_starts(), [&](int32_t canonical, int32_t place, int32_t) {
      places[static_cast<size_t>(canonical)] = place;
    });
    return places;
  }

 private:
  struct Run {
    int32_t row, begin, count;
  };

  void append_panel(const Pattern& pattern, int32_t block, int32_t panel, std::vector<int32_t>& next) {
    segment_start_.push_back(static_cast<int32_t>(segments_.size()));
    part_start_.push_back(static_cast<int32_t>(column_.size()));
    const int32_t first_col = block * view_.block_cols, end_col = first_col + view_.block_cols;
    const int32_t first_row = panel * view_.panel_rows,
                  end_row = std::min(first_row + view_.panel_rows, view_.rows);
    // The first block starts the sums of every row and the last one ends them, also where they hold no
    // weight.
    const bool all_rows = block == 0 || block == view_.blocks - 1;
    std::vector<Run> runs;
    for (int32_t row = first_row; row < end_row; ++row) {
      const int32_t begin = next[static_cast<size_t>(row)],
                    row_end = pattern.indptr()[static_cast<size_t>(row) + 1];
      int32_t end = begin;
      while (end < row_end && pattern.indices()[static_cast<size_t>(end)] < end_col) ++end;
      next[static_cast<size_t>(row)] = end;
      if (end > begin || all_rows) runs.push_back({row, begin, end - begin});
    }
    std::stable_sort(runs.begin(), runs.end(), [](const Run& a, const Run& b) { return a.count > b.count; });
    for (const Run& run : runs) {
      segments_.push_back({static_cast<uint16_t>(run.row - first_row), static_cast<uint16_t>(run.count)});
      for (int32_t k = run.begin; k < run.begin + run.count; ++k)
        column_.push_back(static_cast<uint16_t>(pattern.indices()[static_cast<size_t>(k)] - first_col));
    }
  }

  template <class Visit>  // visit(segment, its row, its block), in storage order
  void each_segment(Visit&& visit) const {
    for (int32_t part = 0; part < view_.blocks * view_.panels; ++part)
      for (int32_t s = segment_start_[static_cast<size_t>(part)];
           s < segment_start_[static_cast<size_t>(part) + 1]; ++s) {
        const coppice_segment& segment = segments_[static_cast<size_t>(s)];
        visit(segment, part / view_.blocks * view_.panel_rows + segment.row, part % view_.blocks);
      }
  }

  std::vector<int32_t> row_starts() const {
    std::vector<int32_t> starts(static_cast<size_t>(view_.rows) + 1, 0);
    each_segment([&](const coppice_segment& segment, int32_t row, int32_t) {
      starts[static_cast<size_t>(row) + 1] += segment.count;
    });
    std::partial_sum(starts.begin(), starts.end(), starts.begin());
    return starts;
  }

  template <class Visit>  // visit(canonical index, place, column). Blocks ascend, so each row's columns do.
  void each_weight(std::vector<int32_t> next, Visit&& visit) const {
    int32_t place = 0;
    each_segment([&](const coppice_segment& segment, int32_t row, int32_t block) {
      for (int32_t end = place + segment.count; place < end; ++place)
        visit(next[static_cast<size_t>(row)]++, place,
              block * view_.block_cols + column_[static_cast<size_t>(place)]);
    });
  }

  coppice_segments view_{};
  std::vector<int32_t> segment_start_;
  std::vector<coppice_segment> segments_;
  std::vector<uint16_t> column_;
};

std::string refuses(const Pattern& pattern) {
  if (pattern.block() == BlockShape{}) return {};
  return "block " + pattern.block().text() + " is not 1x1; format 'blocks' takes it";
}

std::unique_ptr<Encoding> encode(const Pattern& pattern, const Tiling& tiling) {
  assert(refuses(pattern).empty());
  return std::make_unique<SegmentsEncoding>(pattern, tiling);
}

// What dX reads: the same weights by columns.
class TransposedEncoding final : public Encoding {
 public:
  TransposedEncoding(TransposedPattern across, const Tiling& tiling)
      : source_(std::move(across.source)), across_(across.pattern, tiling) {
    size_ = across_.size();
    bytes_ = across_.bytes();
    part_start_ = across_.part_start();
    forward_parts_ = across_.forward_parts();
  }
  const void* bind(float* value) override { return across_.bind(value); }
  Pattern pattern() const override { return transpose(across_.pattern()).pattern; }
  std::vector<int32_t> positions() const override {
    const std::vector<int32_t> there = across_.positions();
    std::vector<int32_t> out(there.size());
    for (size_t k = 0; k < there.size(); ++k) out[static_cast<size_t>(source_[k])] = there[k];
    return out;
  }

 private:
  std::vector<int32_t> source_;
  SegmentsEncoding across_;
};

std::unique_ptr<Encoding> encode_copy(const Pattern& pattern, const Tiling& tiling) {
  return std::make_unique<TransposedEncoding>(transpose(pattern), tiling);
}

}  // namespace

const FormatDef kSegments = {"segments", "single weights, rows of a cache block sorted by length", refuses,
                             encode, encode_copy};

}  // namespace coppice
