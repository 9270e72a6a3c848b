// SPDX-License-Identifier: Apache-2.0
#include "dataset/glyphs.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <array>
#include <cstdlib>

namespace coppice {
namespace {

constexpr size_t kPixels = size_t{kGlyphSide} * kGlyphSide;
using Glyph = std::array<uint8_t, kPixels>;

// Published results depend on these bytes: a change of the drawing is a change of the data set.
TEST(Glyphs, BytesNeverChange) {
  uLong sum = crc32(0, nullptr, 0);
  for (int64_t index = 0; index < 500; ++index) {
    Glyph glyph;
    const auto digit = static_cast<Bytef>(draw_glyph(7, index, glyph.data()));
    sum = crc32(crc32(sum, glyph.data(), kPixels), &digit, 1);
  }
  EXPECT_EQ(sum, 2317809489u);
}

TEST(Glyphs, AreAPureFunctionOfSeedAndIndex) {
  Glyph a, b;
  EXPECT_EQ(draw_glyph(1, 5, a.data()), draw_glyph(1, 5, b.data()));
  EXPECT_EQ(a, b);
  draw_glyph(2, 5, b.data());
  EXPECT_NE(a, b);
  draw_glyph(1, 6, b.data());
  EXPECT_NE(a, b);
}

TEST(Glyphs, DrawEveryDigitEquallyOften) {
  std::array<int, 10> count{};
  Glyph glyph;
  for (int64_t index = 0; index < 2000; ++index)
    ++count[static_cast<size_t>(draw_glyph(0, index, glyph.data()))];
  for (const int n : count) EXPECT_NEAR(n, 200, 60);
}

// A digit is written somewhere near the middle, with ink enough to be read.
TEST(Glyphs, HaveInkInTheMiddleAndLittleAtTheRim) {
  double middle = 0, rim = 0;
  Glyph glyph;
  for (int64_t index = 0; index < 300; ++index) {
    draw_glyph(3, index, glyph.data());
    double ink = 0;
    for (size_t i = 0; i < kPixels; ++i) {
      const int y = static_cast<int>(i) / kGlyphSide, x = static_cast<int>(i) % kGlyphSide;
      const bool inside = std::abs(2 * y - 27) < 20 && std::abs(2 * x - 27) < 16;
      (inside ? middle : rim) += glyph[i];
      ink += glyph[i];
    }
    EXPECT_GT(ink / 255, 15) << index;
  }
  EXPECT_GT(middle / (20 * 16), 3 * rim / static_cast<double>(kPixels - 20 * 16));
}

TEST(Glyphs, TestSamplesFollowTheTrainingSamples) {
  const Dataset data = make_glyphs(30, 20, 4).take();
  Glyph glyph;
  const int digit = draw_glyph(4, 30, glyph.data());
  EXPECT_EQ(data.test.samples->labels[0], digit);
  EXPECT_TRUE(std::equal(glyph.begin(), glyph.end(), data.test.samples->pixels.begin()));
}

TEST(Glyphs, RefuseImpossibleCounts) {
  EXPECT_EQ(make_glyphs(0, 10, 0).status().code(), Code::kInvalid);
  EXPECT_EQ(make_glyphs(10, -1, 0).status().code(), Code::kInvalid);
  EXPECT_EQ(make_glyphs(int64_t{1} << 40, 10, 0).status().code(), Code::kInvalid);
}

}  // namespace
}  // namespace coppice
