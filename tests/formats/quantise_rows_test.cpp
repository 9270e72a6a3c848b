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
                                                                                   -2, 1, 0.51f,            //
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
                    std::vector<float>{kTiny, -kTiny, 100 * kLeast, -kLeast, 254 * kLeast, 127.5f * kLeast});
  for (const float scale : rows.scale) EXPECT_TRUE(std::isnormal(scale)) << scale;
  EXPECT_EQ(rows.value, (std::vector<int8_t>{0, 0, 100, -1, 127, 64}));
  constexpr float kMost = std::numeric_limits<float>::max();
  EXPECT_EQ(quantise_rows(Pattern::full(1, 2), std::vector<float>{kMost, -0.99f * kMost}).value,
            (std::vector<int8_t>{127, -126}));
}

// What DequantizeLinear makes of integers.
std::vector<float> times(float scale, const std::vector<int8_t>& integers) {
  std::vector<float> out;
  for (const int8_t integer : integers) out.push_back(scale * static_cast<float>(integer));
  return out;
}

TEST(QuantiseRows, IntegersComeBackAsTheyWere) {
  const std::vector<int8_t> rows[] = {{100, -3, 0, 41},  {-128, 127, 5, 0}, {-128, 1, 2, 64}, {50, 7, -49, 1},
                                      {127, -127, 9, 2}, {1, -2, 0, 0},     {3, 65, -64, 2}};
  for (const std::vector<int8_t>& integers : rows)
    for (const float scale : {0.0123f, 0.1f, 1.9999999f, 1.0000001f, 3.3e-5f, 0.7f}) {
      const QuantisedRows made = quantise_rows(Pattern::full(1, 4), times(scale, integers));
      EXPECT_EQ(made.value, integers) << scale;
      EXPECT_EQ(times(made.scale[0], integers), times(scale, integers)) << scale;
      EXPECT_FLOAT_EQ(made.scale[0], scale);
    }
  // 128 is no byte: the row is rounded as any other.
  EXPECT_EQ(quantise_rows(Pattern::full(1, 3), std::vector<float>{128, -128, 1}).value,
            (std::vector<int8_t>{127, -127, 1}));
}

// Twice the integers of half the scale are the same weights: the bias says which.
TEST(QuantiseRows, TheBiasOfIntegersStaysOneToo) {
  constexpr float kX = 0.05f, kScale = 0.02f;
  const auto of = [&](float bias) {
    return quantise_rows(Pattern::full(1, 2), times(kScale, {60, -20}), std::vector<float>{bias}, kX);
  };
  EXPECT_EQ(of(0).value, (std::vector<int8_t>{3, -1}));
  EXPECT_EQ(of(kX * kScale * 40).value, (std::vector<int8_t>{3, -1}));
  EXPECT_EQ(of(kX * kScale * 41).value, (std::vector<int8_t>{60, -20}));
  EXPECT_FLOAT_EQ(of(kX * kScale * 41).scale[0], kScale);
  // One that is no such multiple is rounded as finely as the weights allow.
  EXPECT_EQ(of(kX * kScale * 40.3f).value, (std::vector<int8_t>{126, -42}));
}

TEST(QuantiseRows, ABiasAloneKeepsItsDigits) {
  const QuantisedRows made =
      quantise_rows(Pattern::full(1, 2), std::vector<float>{0, 0}, std::vector<float>{0.01f}, 0.5f);
  EXPECT_EQ(made.value, (std::vector<int8_t>{0, 0}));
  const double unit = 0.5 * static_cast<double>(made.scale[0]);
  EXPECT_NEAR(std::nearbyint(0.01 / unit) * unit, 0.01, 1e-9);
}

}  // namespace
}  // namespace coppice
