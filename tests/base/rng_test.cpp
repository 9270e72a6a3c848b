// SPDX-License-Identifier: Apache-2.0
#include "base/rng.h"

#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <cmath>
#include <set>
#include <vector>

namespace coppice {
namespace {

using Words = std::array<uint32_t, 4>;

// The known answers that come with Random123 (philox4x32-10). Its counter words are {counter low, counter
// high, stream low, stream high}, its key words {seed low, seed high}.
TEST(Philox, GivesTheKnownAnswersOfRandom123) {
  EXPECT_EQ(philox(0, 0, 0), (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox(UINT64_MAX, UINT64_MAX, UINT64_MAX),
            (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox(0x299f31d0a4093822, 0x0370734413198a2e, 0x85a308d3243f6a88),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Philox, EveryBitOfSeedStreamAndCounterMatters) {
  std::set<Words> seen = {philox(0, 0, 0)};
  for (int bit = 0; bit < 64; ++bit) {
    const uint64_t one = uint64_t{1} << bit;
    seen.insert({philox(one, 0, 0), philox(0, one, 0), philox(0, 0, one)});
  }
  EXPECT_EQ(seen.size(), 1u + 3 * 64);
}

// Files, splits of data and every result depend on these: they may never change.
TEST(StreamId, IsPinned) {
  EXPECT_EQ(stream_id("init", "fc1.weight"), 0x397e7ddced31b2d9u);
  EXPECT_EQ(stream_id("pattern", "fc1.weight"), 0x3b303807e21e9b7bu);
  EXPECT_EQ(stream_id("shuffle", uint64_t{0}), 0xd2be8421ae71a634u);
  EXPECT_EQ(stream_id("shuffle", uint64_t{1}), 0x3f5270c419d3ba47u);
  EXPECT_EQ(stream_id("", ""), 0xa99c907b6f64763u);
}

TEST(StreamId, SeparatesPurposeFromName) {
  EXPECT_NE(stream_id("ab", "c"), stream_id("a", "bc"));
  EXPECT_NE(stream_id("abc", ""), stream_id("", "abc"));
  EXPECT_NE(stream_id("a", ""), stream_id("", "a"));
  EXPECT_NE(stream_id("shuffle", uint64_t{1}), stream_id("shuffle", uint64_t{256}));
  EXPECT_NE(stream_id("shuffle", uint64_t{1}), stream_id("shuffle", "1"));
}

TEST(Rng, StreamsArePinned) {
  Rng bits(42, stream_id("test", "pinned"));
  const std::vector<uint32_t> got = {bits.bits(), bits.bits(), bits.bits(), bits.bits(), bits.bits()};
  EXPECT_EQ(got, (std::vector<uint32_t>{0x2c4cd796, 0x62f8f374, 0x4fa16ebb, 0xde27202a, 0x8d107e5b}));
  Rng below(42, stream_id("test", "pinned"));
  EXPECT_EQ(below.below(1000), 700u);
  EXPECT_EQ(below.below(UINT64_MAX), 0x4fa16ebbde27202au);
  Rng uniform(42, stream_id("test", "pinned"));
  EXPECT_EQ(std::bit_cast<uint32_t>(uniform.uniform()), 0x3e31335cu);
  EXPECT_EQ(std::bit_cast<uint64_t>(uniform.uniform_double()), 0x3fd8be3cda7d0b74u);
}

TEST(Rng, WalksTheWordsOfItsCounters) {
  Rng rng(7, 9);
  for (uint64_t counter = 0; counter < 3; ++counter)
    for (const uint32_t word : philox(7, 9, counter)) EXPECT_EQ(rng.bits(), word);
}

TEST(Rng, ACopyGoesOnFromTheSamePlace) {
  Rng rng(1, 2);
  (void)rng.bits();
  Rng copy = rng;
  for (int i = 0; i < 9; ++i) EXPECT_EQ(rng.bits(), copy.bits());
}

TEST(Rng, UniformNumbersFillTheHalfOpenInterval) {
  Rng rng(3, 0);
  double sum = 0.0, squares = 0.0, least = 1.0, most = 0.0;
  constexpr int kDraws = 200000;
  for (int i = 0; i < kDraws; ++i) {
    const double x = i % 2 ? static_cast<double>(rng.uniform()) : rng.uniform_double();
    least = std::min(least, x);
    most = std::max(most, x);
    sum += x;
    squares += x * x;
  }
  EXPECT_GE(least, 0.0);
  EXPECT_LT(most, 1.0);
  EXPECT_LT(least, 1e-4);
  EXPECT_GT(most, 1.0 - 1e-4);
  // Four standard deviations of the mean of so many draws.
  EXPECT_NEAR(sum / kDraws, 0.5, 4 * std::sqrt(1.0 / 12 / kDraws));
  EXPECT_NEAR(squares / kDraws, 1.0 / 3, 4 * std::sqrt(4.0 / 45 / kDraws));
}

TEST(Rng, BelowIsUniformAlsoWhereItDoesNotDivideTheRange) {
  for (const uint64_t n : {uint64_t{1}, uint64_t{3}, uint64_t{10}, uint64_t{64}}) {
    Rng rng(5, n);
    std::vector<int> count(n, 0);
    const int draws = 20000 * static_cast<int>(n);
    for (int i = 0; i < draws; ++i) {
      const uint64_t x = rng.below(n);
      ASSERT_LT(x, n);
      ++count[x];
    }
    double chi = 0.0;
    for (const int c : count) chi += (c - 20000.0) * (c - 20000.0) / 20000.0;
    // Mean n - 1, standard deviation sqrt(2 (n - 1)): five of them.
    EXPECT_LE(chi, static_cast<double>(n - 1) + 5 * std::sqrt(2.0 * static_cast<double>(n - 1))) << n;
  }
}

// With n = 3 * 2^62 a plain remainder would give the lowest third half of all draws; rejection gives it a
// third.
TEST(Rng, BelowRejectsTheIncompleteLastInterval) {
  constexpr uint64_t kThird = uint64_t{1} << 62;
  Rng rng(6, 0);
  constexpr int kDraws = 30000;
  int low = 0;
  for (int i = 0; i < kDraws; ++i) low += rng.below(3 * kThird) < kThird;
  EXPECT_NEAR(static_cast<double>(low) / kDraws, 1.0 / 3, 5 * std::sqrt(2.0 / 9 / kDraws));
}

TEST(Rng, NormalNumbersHaveTheMomentsOfTheNormalDistribution) {
  Rng rng(8, 0);
  constexpr int kDraws = 100000;
  double sum = 0.0, squares = 0.0, fourth = 0.0;
  int beyond_two = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double x = static_cast<double>(rng.normal());
    ASSERT_TRUE(std::isfinite(x));
    sum += x;
    squares += x * x;
    fourth += x * x * x * x;
    beyond_two += std::abs(x) > 2.0;
  }
  EXPECT_NEAR(sum / kDraws, 0.0, 4 / std::sqrt(kDraws));
  EXPECT_NEAR(squares / kDraws, 1.0, 4 * std::sqrt(2.0 / kDraws));
  EXPECT_NEAR(fourth / kDraws, 3.0, 4 * std::sqrt(96.0 / kDraws));
  EXPECT_NEAR(static_cast<double>(beyond_two) / kDraws, 0.0455, 4 * std::sqrt(0.0455 / kDraws));
}

}  // namespace
}  // namespace coppice
