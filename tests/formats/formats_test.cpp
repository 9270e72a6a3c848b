// SPDX-License-Identifier: Apache-2.0
#include "formats/formats.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "coppice_kernels.h"

namespace coppice {
namespace {

struct Case {
  int64_t rows, cols;
  BlockShape block;
  double density;
};

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const BlockShape block : {BlockShape{1, 1}, BlockShape{4, 1}, BlockShape{16, 1}, BlockShape{16, 4}})
    for (const double density : {0.001, 0.05, 0.1, 0.5, 1.0})
      for (const auto& [rows, cols] :
           {std::pair{1, 1}, {1, 37}, {3, 5}, {37, 1}, {2, 300}, {65, 17}, {40, 1000}})
        all.push_back({rows * block.rows, cols * block.cols, block, density});
  all.push_back({1030, 520, {}, 0.02});
  all.push_back({10, 1024, {}, 1.0});
  return all;
}

Pattern pattern_of(const Case& c) {
  const int64_t total = c.rows * c.cols / c.block.size();
  const auto blocks = static_cast<int64_t>(static_cast<double>(total) * c.density);
  return random_pattern(c.rows, c.cols, c.block, blocks, 7, "formats");
}

std::string text(const Case& c, const FormatDef& format) {
  return std::string(format.name) + " " + std::to_string(c.rows) + "x" + std::to_string(c.cols) + " block " +
         c.block.text() + " density " + std::to_string(c.density);
}

template <class Check>  // check(format, pattern, encoding, tiling)
void each_encoding(Check&& check) {
  for (const Case& c : cases())
    for (const FormatDef* format : weight_formats())
      for (const int width : {16, 64}) {
        const Pattern pattern = pattern_of(c);
        if (!format->refuses(pattern).empty()) continue;
        SCOPED_TRACE(text(c, *format) + " width " + std::to_string(width));
        const Tiling tiling = {.l1_bytes = 32 << 10, .l2_bytes = 1 << 20, .width = width};
        const auto encoding = format->encode(pattern, tiling);
        check(*format, pattern, *encoding, tiling);
      }
}

// Where a place of the format lies in the matrix, read from the struct that kernels see; -1 for padding.
std::vector<int64_t> matrix_places(const coppice_segments& f) {
  std::vector<int64_t> places;
  for (int32_t part = 0; part < f.blocks * f.panels; ++part) {
    EXPECT_EQ(static_cast<size_t>(f.weight_start[part]), places.size());
    for (int32_t s = f.segment_start[part]; s < f.segment_start[part + 1]; ++s)
      for (int i = 0; i < f.segments[s].count; ++i) {
        const int64_t row = part / f.blocks * f.panel_rows + f.segments[s].row;
        const int64_t col = part % f.blocks * f.block_cols + f.column[places.size()];
        places.push_back(row * f.cols + col);
      }
  }
  return places;
}

std::vector<int64_t> matrix_places(const coppice_blocks& f) {
  std::vector<int64_t> places;
  for (int32_t panel = 0; panel < f.panels; ++panel)
    for (int32_t block = 0; block < f.blocks; ++block)
      for (int32_t i = 0; i < coppice_panel_block_rows(&f, panel); ++i) {
        const int32_t* start = coppice_block_starts(&f, panel, block) + i;
        EXPECT_EQ(static_cast<size_t>(start[0]) * static_cast<size_t>(f.r), places.size());
        for (int32_t k = start[0]; k < start[1]; ++k)
          for (int32_t r = 0; r < f.r; ++r) {
            const int64_t row = (panel * f.part_block_rows + i) * f.r + r;
            const int64_t col = block * f.block_cols + (f.column ? f.column[k] : k - start[0]);
            places.push_back(row < f.rows ? row * f.cols + col : -1);
          }
      }
  return places;
}

std::vector<int64_t> matrix_places(const FormatDef& format, Encoding& encoding) {
  const void* view = encoding.bind(nullptr);
  return &format == &kSegments ? matrix_places(*static_cast<const coppice_segments*>(view))
                               : matrix_places(*static_cast<const coppice_blocks*>(view));
}

std::vector<int64_t> canonical_places(const Pattern& p) {
  std::vector<int64_t> places;
  for (int64_t row = 0; row < p.block_rows(); ++row)
    for (const int32_t col : p.row(row))
      for (int r = 0; r < p.block().rows; ++r)
        for (int c = 0; c < p.block().cols; ++c)
          places.push_back((row * p.block().rows + r) * p.cols() + col * p.block().cols + c);
  return places;
}

size_t distinct(std::vector<int32_t> numbers) {
  std::sort(numbers.begin(), numbers.end());
  return static_cast<size_t>(std::unique(numbers.begin(), numbers.end()) - numbers.begin());
}

TEST(Formats, EveryPatternHasAFormat) {
  for (const Case& c : cases()) {
    const Pattern pattern = pattern_of(c);
    EXPECT_TRUE(std::any_of(weight_formats().begin(), weight_formats().end(),
                            [&](const FormatDef* f) { return f->refuses(pattern).empty(); }));
  }
}

TEST(Formats, RefusalsSayWhy) {
  EXPECT_EQ(kSegments.refuses(Pattern::full(16, 4, {16, 4})),
            "block 16x4 is not 1x1; format 'blocks' takes it");
  EXPECT_EQ(kBlocks.refuses(Pattern::full(16, 4)), "block 1x1 has a single row; format 'segments' takes it");
  EXPECT_EQ(kDense.refuses(random_pattern(8, 8, {}, 3, 1, "p")),
            "3 of 64 weights are live; the dense format takes full patterns only");
}

TEST(Formats, PositionsPlaceEachWeightWhereKernelsReadIt) {
  each_encoding([](const FormatDef& format, const Pattern& pattern, Encoding& encoding, const Tiling&) {
    const std::vector<int64_t> wanted = canonical_places(pattern), seen = matrix_places(format, encoding);
    const std::vector<int32_t> positions = encoding.positions();
    ASSERT_EQ(static_cast<int64_t>(seen.size()), encoding.size());
    ASSERT_EQ(positions.size(), wanted.size());
    std::vector<int64_t> placed(positions.size());
    for (size_t k = 0; k < positions.size(); ++k) placed[k] = seen[static_cast<size_t>(positions[k])];
    EXPECT_EQ(placed, wanted);
    EXPECT_EQ(distinct(positions), positions.size());
    EXPECT_EQ(static_cast<size_t>(std::count(seen.begin(), seen.end(), -1)), seen.size() - wanted.size());
  });
}

TEST(Formats, PatternComesBackFromTheEncoding) {
  each_encoding([](const FormatDef&, const Pattern& pattern, Encoding& encoding, const Tiling&) {
    EXPECT_EQ(encoding.pattern(), pattern);
  });
}

TEST(Formats, PartsCoverTheWeightsInOrder) {
  each_encoding([](const FormatDef&, const Pattern&, Encoding& encoding, const Tiling&) {
    const std::vector<int32_t>& start = encoding.part_start();
    ASSERT_GE(start.size(), 2u);
    EXPECT_EQ(start.front(), 0);
    EXPECT_EQ(start.back(), encoding.size());
    EXPECT_TRUE(std::is_sorted(start.begin(), start.end()));
  });
}

TEST(Formats, EveryRowHasASegmentInTheFirstAndTheLastBlock) {
  each_encoding([](const FormatDef& format, const Pattern& pattern, Encoding& encoding, const Tiling&) {
    if (&format != &kSegments) return;
    const auto& f = *static_cast<const coppice_segments*>(encoding.bind(nullptr));
    for (const int32_t block : {0, f.blocks - 1}) {
      std::set<int64_t> rows;
      for (int32_t panel = 0; panel < f.panels; ++panel)
        for (int32_t s = f.segment_start[panel * f.blocks + block];
             s < f.segment_start[panel * f.blocks + block + 1]; ++s)
          rows.insert(panel * f.panel_rows + f.segments[s].row);
      EXPECT_EQ(static_cast<int64_t>(rows.size()), pattern.rows());
    }
  });
}

TEST(Formats, SegmentsOfAPanelAreSortedByLength) {
  each_encoding([](const FormatDef& format, const Pattern&, Encoding& encoding, const Tiling&) {
    if (&format != &kSegments) return;
    const auto& f = *static_cast<const coppice_segments*>(encoding.bind(nullptr));
    for (int32_t part = 0; part < f.blocks * f.panels; ++part)
      EXPECT_TRUE(std::is_sorted(f.segments + f.segment_start[part], f.segments + f.segment_start[part + 1],
                                 [](const auto& a, const auto& b) { return a.count > b.count; }));
  });
}

TEST(Formats, AColumnBlockOfADensePatternFitsTheL1) {
  for (const int width : {16, 32, 64}) {
    const Tiling tiling = {.l1_bytes = 48 << 10, .l2_bytes = 2 << 20, .width = width};
    const auto encoding = kDense.encode(Pattern::full(64, 4096), tiling);
    const auto& f = *static_cast<const coppice_blocks*>(encoding->bind(nullptr));
    EXPECT_LE(f.block_cols * width * 4, tiling.l1_bytes);
    EXPECT_GT(f.blocks, 1);
  }
}

TEST(Formats, IndicesOfSixteenRowBlocksCostAFewBitsAWeight) {
  const auto encoding = kBlocks.encode(random_pattern(1024, 1024, {16, 1}, 6553, 1, "p"), {});
  EXPECT_EQ(encoding->size(), 6553 * 16);
  EXPECT_LT(static_cast<double>(encoding->bytes()), 0.2 * static_cast<double>(encoding->size()));
}

}  // namespace
}  // namespace coppice
