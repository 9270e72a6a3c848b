// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "formats/apply.h"

namespace coppice {
namespace {

TEST(QuantiseRows, TheLargestWeightOfARowIs127) {
  const QuantisedRows rows = quantise_rows(Pattern::full(3, 3), std::vector<float>{1.27f, -0.635f, 0.005f,  //
                                                                                   -2, 1, 0.5f,             //
                                                                                   0, 0, 0});
  EXPECT_EQ(rows.value, (std::vector<int8_t>{127, -64, 0, -127, 64, 32, 0, 0, 0}));
  EXPECT_FLOAT_EQ(rows.scale[0], 0.01f);
  EXPECT_FLOAT_EQ(rows.scale[1], 2.0f / 127);
  EXPECT_EQ(rows.scale[2], 1.0f);
}

// A scale that is denormal is 0 on machines that flush.
TEST(QuantiseRows, TinyRowsHaveANormalScale) {
  constexpr float kLeast = std::numeric_limits<float>::min(),
                  kTiny = std::numeric_limits<float>::denorm_min();
  const QuantisedRows rows =
      quantise_rows(Pattern::full(3, 2),
                    std::vector<float>{kTiny, -kTiny, 100 * kLeast, -kLeast, 254 * kLeast, 127 * kLeast});
  for (const float scale : rows.scale) EXPECT_TRUE(std::isnormal(scale)) << scale;
  EXPECT_EQ(rows.value, (std::vector<int8_t>{0, 0, 100, -1, 127, 64}));
  constexpr float kMost = std::numeric_limits<float>::max();
  EXPECT_EQ(quantise_rows(Pattern::full(1, 2), std::vector<float>{kMost, -kMost}).value,
            (std::vector<int8_t>{127, -127}));
}

}  // namespace
}  // namespace coppice
