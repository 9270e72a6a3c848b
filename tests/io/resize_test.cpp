// SPDX-License-Identifier: Apache-2.0
#include "io/resize.h"

#include <gtest/gtest.h>

#include "support/pictures.h"

namespace coppice {
namespace {

using testing::pattern;
using testing::plain;

uint64_t fingerprint(const Image& image) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const uint8_t byte : image.pixels) hash = (hash ^ byte) * 0x100000001b3;
  return hash;
}

// Frozen from Pillow 9.4: Image.fromarray(pattern).resize((width, height), Image.BILINEAR).
TEST(Resize, GivesTheBitsOfPillow) {
  const struct {
    int height, width;
    uint64_t bits;
  } golden[] = {{3, 4, 0x16f7833f7a06617},
                {7, 2, 0x8472ab841a36aa59},
                {2, 5, 0x78f1e88aed010b0a},
                {12, 9, 0x662a05b635112cf6},
                {1, 1, 0x3877891ae675ab49}};
  for (const auto& g : golden) {
    const Image image = resized(pattern(7, 5, 3), g.height, g.width);
    EXPECT_EQ(image.info, (ImageInfo{g.height, g.width, 3}));
    EXPECT_EQ(fingerprint(image), g.bits) << g.height << " x " << g.width;
  }
  EXPECT_EQ(fingerprint(resized(pattern(203, 331, 1), 32, 32)), 0x6f5988c68f725786);
  EXPECT_EQ(fingerprint(resized(pattern(203, 331, 1), 64, 20)), 0x5d8766aca5959af0);
}

// Resize(32) and CenterCrop(32) of torchvision, on Pillow.
TEST(Resize, CropIsThatOfTorchvision) {
  EXPECT_EQ(fingerprint(*fitted(pattern(203, 331, 3), 32, 32, Fit::kCrop)), 0x471d29fe391ba25u);
  EXPECT_EQ(fingerprint(*fitted(pattern(91, 40, 3), 32, 32, Fit::kCrop)), 0x5428ec0e4b1cf0c9u);
}

TEST(Resize, APlainPictureStaysPlain) {
  for (const int side : {1, 2, 31, 33, 200})
    for (const Fit fit : {Fit::kCrop, Fit::kStretch}) {
      const auto image = fitted(plain(40, 90, 3, 200), side, side + 1, fit);
      ASSERT_TRUE(image.ok());
      EXPECT_EQ(image->pixels, plain(side, side + 1, 3, 200).pixels) << side;
    }
}

TEST(Resize, WhatHasTheSizeIsNotTouched) {
  EXPECT_EQ(fitted(pattern(5, 9, 1), 5, 9, Fit::kCrop)->pixels, pattern(5, 9, 1).pixels);
}

TEST(Resize, ASmallPictureGrows) {
  const auto image = fitted(pattern(3, 2, 3), 8, 8, Fit::kCrop);
  ASSERT_TRUE(image.ok());
  EXPECT_EQ(image->info, (ImageInfo{8, 8, 3}));
}

TEST(Resize, RefusesAStripThatWouldTakeMuchMemory) {
  const Image strip = plain(65536, 1, 1, 3);
  for (const Fit fit : {Fit::kCrop, Fit::kStretch}) EXPECT_TRUE(fitted(strip, 32, 32, fit).ok());
  const auto refused = fitted(strip, 1024, 1024, Fit::kCrop);
  EXPECT_EQ(refused.status().code(), Code::kUnsupported);
  EXPECT_NE(refused.status().message().find("is 1 x 65536 pixels, too long a strip"), std::string::npos);
}

}  // namespace
}  // namespace coppice
