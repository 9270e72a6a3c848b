// SPDX-License-Identifier: Apache-2.0
#include "sparsify/ticket.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "exec/oracle.h"
#include "support/networks.h"

namespace coppice {
namespace {

using testing::mlp;

Network drawn(uint64_t seed, double density = 1.0, const char* block = "1x1") {
  SparsityConfig sparsity;
  sparsity.density = density;
  sparsity.block = BlockShape::parse(block).take();
  return Network::create(mlp({64, 48, 32, 10}), sparsity, seed).take();
}

SparsityConfig target_of(double density) {
  SparsityConfig target;
  target.density = density;
  return target;
}

TEST(Ticket, LosesTheSmallestWeightsOfTheWholeNetwork) {
  Network network = drawn(1);
  std::vector<float> magnitudes;
  for (const Param& param : network.params)
    if (param.is_weight())
      for (const float w : param.canonical(param.value)) magnitudes.push_back(std::abs(w));
  std::sort(magnitudes.rbegin(), magnitudes.rend());
  ASSERT_TRUE(take_smallest(network, target_of(0.25), Ranking::kNetwork).ok());
  const auto live = static_cast<size_t>(std::llround(0.25 * static_cast<double>(magnitudes.size())));
  EXPECT_EQ(network.live_weights(), static_cast<int64_t>(live));
  for (const Param& param : network.params) {
    if (!param.is_weight()) continue;
    for (const float w : param.canonical(param.value)) EXPECT_GE(std::abs(w), magnitudes[live - 1]);
  }
  // And again, from what is left.
  ASSERT_TRUE(take_smallest(network, target_of(0.1), Ranking::kNetwork).ok());
  EXPECT_EQ(network.live_weights(), std::llround(0.1 * static_cast<double>(magnitudes.size())));
  EXPECT_FALSE(take_smallest(network, target_of(1.0), Ranking::kNetwork).ok());
}

TEST(Ticket, KeepsItsOwnValuesAtThePlacesOfAnother) {
  for (const char* block : {"1x1", "16x1"}) {
    Network network = drawn(1, 1.0, block), like = drawn(2, 1.0, block);
    const Network before = drawn(1, 1.0, block);
    for (Param& param : network.params) {
      param.ensure(param.moment1);
      for (size_t i = 0; i < param.moment1.size(); ++i) param.moment1.data()[i] = 7;
    }
    ASSERT_TRUE(take_smallest(like, target_of(0.3), Ranking::kLayer).ok());
    ASSERT_TRUE(keep_patterns(network, like).ok());
    for (size_t p = 0; p < network.params.size(); ++p) {
      const Param& param = network.params[p];
      if (!param.is_weight()) continue;
      EXPECT_TRUE(param.pattern() == like.params[p].pattern()) << param.name();
      const auto was = dense_values(before.params[p], before.params[p].value);
      const auto is = dense_values(param, param.value);
      int64_t same = 0;
      for (size_t i = 0; i < is.size(); ++i) same += is[i] != 0 && is[i] == was[i];
      EXPECT_EQ(same, param.live()) << param.name();
      EXPECT_EQ(param.moment1.data()[0], 7);
    }
    forget_moments(network);
    EXPECT_EQ(network.params[0].moment1.data()[0], 0);
    // What is gone has no value to come back with.
    const Status grown = keep_patterns(network, drawn(3, 1.0, block));
    EXPECT_NE(grown.message().find("weight 'fc1.weight': "), std::string::npos) << grown.message();
    EXPECT_NE(grown.message().find("blocks that shall live have no value to begin with"), std::string::npos);
  }
  Network network = drawn(1);
  EXPECT_EQ(keep_patterns(network, drawn(1, 1.0, "16x1")).message(),
            "weight 'fc1.weight': the patterns are of two different networks");
}

TEST(Ticket, KeepsAsManyElsewhere) {
  Network network = drawn(1), like = drawn(2), other = drawn(1);
  ASSERT_TRUE(take_smallest(like, target_of(0.3), Ranking::kNetwork).ok());
  ASSERT_TRUE(keep_as_many(network, like, 5).ok());
  ASSERT_TRUE(keep_as_many(other, like, 6).ok());
  for (size_t p = 0; p < network.params.size(); ++p) {
    if (!network.params[p].is_weight()) continue;
    EXPECT_EQ(network.params[p].live(), like.params[p].live());
    EXPECT_FALSE(network.params[p].pattern() == like.params[p].pattern());
    EXPECT_FALSE(network.params[p].pattern() == other.params[p].pattern());
  }
}

}  // namespace
}  // namespace coppice
