// SPDX-License-Identifier: Apache-2.0
#include "dataset/tile.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/rng.h"

namespace coppice {
namespace {

// Every way to cut: planes below, at and off a multiple of 16, full and partial groups, and nothing else
// touched.
TEST(Tile, FillsEachColumnWithItsSample) {
  Rng rng(3, stream_id("test", "tile"));
  constexpr ByteScale kChannels[] = {{0.5f, 1.0f}, {0.25f, -3.0f}, {2.0f, 0.0f}};
  constexpr float kUntouched = -12345.0f;
  for (const int plane : {1, 9, 15, 16, 17, 48, 49}) {
    const int features = 3 * plane;
    std::vector<uint8_t> bytes(static_cast<size_t>(16 * features));
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(rng.below(256));
    std::array<const uint8_t*, kColumnGroup> samples;
    for (int c = 0; c < 16; ++c) samples[static_cast<size_t>(c)] = bytes.data() + c * features;
    for (const auto& [valid, columns] : {std::pair{16, 16}, {15, 16}, {1, 16}, {0, 16}, {5, 5}, {2, 7}})
      for (const int width : {16, 24, 64}) {
        std::vector<float> out(static_cast<size_t>(features * width), kUntouched);
        fill_columns(samples, valid, columns, kChannels, plane, out.data(), width);
        for (int f = 0; f < features; ++f)
          for (int c = 0; c < width; ++c) {
            const ByteScale by = kChannels[f / plane];
            float expected = kUntouched;
            if (c < valid)
              expected =
                  static_cast<float>(bytes[static_cast<size_t>(c * features + f)]) * by.scale + by.shift;
            else if (c < columns)
              expected = 0;
            ASSERT_EQ(out[static_cast<size_t>(f * width + c)], expected)
                << "plane " << plane << " valid " << valid << " width " << width << " at " << f << ", " << c;
          }
      }
  }
}

}  // namespace
}  // namespace coppice
