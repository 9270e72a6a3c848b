// SPDX-License-Identifier: Apache-2.0
#include "pack/simulate.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "models/models.h"
#include "support/answers.h"
#include "support/networks.h"

namespace coppice {
namespace {

TEST(QuantiseWeights, ByHand) {
  Network net = testing::network_of(testing::mlp({2, 2}), 1.0);
  Param& weight = *net.find("fc1.weight");
  weight.set_canonical(weight.value, std::vector<float>{127, 3.25f, 0, 0});
  const auto report = quantise_weights(net).take();
  ASSERT_EQ(report.size(), 1U);
  EXPECT_EQ(report[0].name, "fc1.weight");
  EXPECT_NEAR(report[0].largest, 0.25 / 127, 1e-9);
  EXPECT_NEAR(report[0].mean_square, 0.25 / std::sqrt(127 * 127 + 3.25 * 3.25), 1e-9);
  EXPECT_EQ(weight.canonical(weight.value), (std::vector<float>{127, 3, 0, 0}));
}

// Near what they were, and a second time changes nothing.
TEST(QuantiseWeights, RoundsRowsOfAnyPattern) {
  for (const BlockShape block : {BlockShape{1, 1}, BlockShape{4, 1}, BlockShape{16, 1}, BlockShape{16, 4}}) {
    Network net = testing::network_of(make_model("mlp:256-64-64-16", {1, 16, 16, 16}).take(), 0.5, block),
            as_it_was = testing::network_of(net.graph, 0.5, block);
    for (const RoundedWeight& weight : quantise_weights(net).take()) {
      EXPECT_GT(weight.mean_square, 0);
      EXPECT_LT(weight.mean_square, 0.01) << weight.name;
      EXPECT_LE(weight.largest, 0.5001 / 127) << weight.name;
      const Param &after = *net.find(weight.name), &before = *as_it_was.find(weight.name);
      EXPECT_EQ(after.pattern(), before.pattern());
      for (size_t k = 0; k < before.value.size(); ++k)
        EXPECT_NEAR(after.value[k], before.value[k], 0.01) << weight.name;
    }
    for (const RoundedWeight& weight : quantise_weights(net).take())
      EXPECT_LT(weight.mean_square, 1e-6) << weight.name;
  }
}

// The same whether an executor has encoded the weights before or not.
TEST(QuantiseWeights, WhatAnExecutorHasEncodedIsRounded) {
  const Graph graph = testing::conv_net(true);
  Network plain = testing::network_of(graph, 0.4), encoded = testing::network_of(graph, 0.4);
  const std::vector<float> input(2 * 8 * 8, 0.5f);
  const std::vector<float> before = testing::answers(encoded, input, 1);
  ASSERT_TRUE(quantise_weights(plain).ok());
  ASSERT_TRUE(quantise_weights(encoded).ok());
  const std::vector<float> after = testing::answers(encoded, input, 1);
  EXPECT_EQ(after, testing::answers(plain, input, 1));
  EXPECT_NE(after, before);
}

TEST(QuantiseWeights, RefusesWhatIsNotFinite) {
  Network net = testing::network_of(testing::mlp({3, 2, 2}), 1.0);
  const float before = net.find("fc1.weight")->value[0];
  net.find("fc2.weight")->value[1] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(quantise_weights(net).status().message(),
            "weight 'fc2.weight' is NaN or infinite somewhere; 8-bit integers are neither");
  EXPECT_EQ(net.find("fc1.weight")->value[0], before);
}

}  // namespace
}  // namespace coppice
