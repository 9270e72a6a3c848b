// SPDX-License-Identifier: Apache-2.0
#include "exec/network.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "ops/build.h"

namespace coppice {
namespace {

// 3 x 16 x 16 -> conv 16 -> conv 32 in two groups -> 1x1 conv 8 -> linear 40 -> linear 10
Graph mixed() {
  NetworkBuilder b;
  ValueId x = b.input({"chw", {3, 16, 16}});
  b.class_target();
  ConvOptions plain, grouped, pointwise;
  grouped.groups = 2;
  pointwise.kernel = 1;
  pointwise.padding = 0;
  x = b.relu("relu1", b.conv("conv1", x, 16, plain));
  x = b.relu("relu2", b.conv("conv2", x, 32, grouped));
  x = b.relu("relu3", b.conv("conv3", x, 8, pointwise));
  x = b.relu("relu4", b.linear("fc1", b.flatten("flatten", x), 40));
  b.softmax_cross_entropy(b.linear("fc2", x, 10));
  return b.finish().take();
}

SparsityConfig sparse(double density, Distribution distribution, BlockShape block = {}) {
  SparsityConfig config;
  config.density = density;
  config.distribution = distribution;
  config.block = block;
  return config;
}

std::map<std::string, LayerChoice> by_name(const std::vector<LayerChoice>& choices) {
  std::map<std::string, LayerChoice> out;
  for (const LayerChoice& choice : choices) out[choice.weight] = choice;
  return out;
}

TEST(Distribute, TheWholeNetworkHasTheDensityAskedForWithinABlockForEachLayer) {
  for (const Distribution distribution : {Distribution::kUniform, Distribution::kEr, Distribution::kErk})
    for (const double density : {1.0, 0.5, 0.1, 0.02})
      for (const BlockShape block :
           {BlockShape{1, 1}, BlockShape{4, 1}, BlockShape{16, 1}, BlockShape{16, 4}}) {
        SCOPED_TRACE(std::to_string(static_cast<int>(distribution)) + " " + std::to_string(density) + " " +
                     block.text());
        const Network net = Network::create(mixed(), sparse(density, distribution, block), 1).take();
        double slack = 0.0;
        for (const LayerChoice& choice : net.choices) slack += 0.5 * choice.block.size() + 1e-6;
        EXPECT_NEAR(static_cast<double>(net.live_weights()),
                    density * static_cast<double>(net.total_weights()), slack);
      }
}

TEST(Distribute, UniformGivesEveryLayerTheSame) {
  for (const LayerChoice& choice : distribute(mixed(), sparse(0.2, Distribution::kUniform)).take())
    EXPECT_DOUBLE_EQ(choice.density, 0.2) << choice.weight;
}

// Two layers that are not clipped: their densities relate as the formulas say.
TEST(Distribute, ErAndErkFollowTheirFormulas) {
  const auto er = by_name(distribute(mixed(), sparse(0.02, Distribution::kEr)).take());
  const double fc1 = (40.0 + 2048.0) / (40 * 2048), fc2 = (10.0 + 40.0) / (10 * 40);
  const double conv2 = (32.0 + 8 * 9) / (32 * 8 * 9);
  EXPECT_NEAR(er.at("fc1.weight").density / er.at("conv2.weight").density, fc1 / conv2, 1e-9);
  EXPECT_NEAR(er.at("fc1.weight").density / er.at("fc2.weight").density, fc1 / fc2, 1e-9);
  const auto erk = by_name(distribute(mixed(), sparse(0.02, Distribution::kErk)).take());
  const double conv2_k = (32.0 + 8 + 3 + 3) / (32 * 8 * 9);
  EXPECT_NEAR(erk.at("fc1.weight").density / erk.at("conv2.weight").density, fc1 / conv2_k, 1e-9);
}

TEST(Distribute, ALayerThatWouldExceedItsSizeIsDenseAndTheOthersShareTheRest) {
  const auto choices = by_name(distribute(mixed(), sparse(0.3, Distribution::kErk)).take());
  int dense = 0, partial = 0;
  for (const auto& [name, choice] : choices) {
    EXPECT_LE(choice.density, 1.0);
    if (choice.density < 1.0) {
      ++partial;
      continue;
    }
    ++dense;
    EXPECT_EQ(choice.reason, "dense: its share of the density exceeds its size");
  }
  EXPECT_GT(dense, 0);
  EXPECT_GT(partial, 0);
}

TEST(Distribute, ALayerSetByHandIsPaidFromTheWhole) {
  SparsityConfig config = sparse(0.1, Distribution::kUniform);
  config.layers = {{"fc2", 1.0}, {"conv1.weight", 0.5}};
  const Network net = Network::create(mixed(), config, 1).take();
  const auto choices = by_name(net.choices);
  EXPECT_EQ(choices.at("fc2.weight").density, 1.0);
  EXPECT_EQ(choices.at("fc2.weight").reason, "set by hand");
  EXPECT_EQ(choices.at("conv1.weight").density, 0.5);
  EXPECT_LT(choices.at("fc1.weight").density, 0.1);
  EXPECT_NEAR(static_cast<double>(net.live_weights()), 0.1 * static_cast<double>(net.total_weights()), 5.0);
}

TEST(Distribute, RefusesWhatCannotBeMeant) {
  const auto refusal = [](double density, std::map<std::string, double> layers) {
    SparsityConfig config = sparse(density, Distribution::kErk);
    config.layers = std::move(layers);
    const auto choices = distribute(mixed(), config);
    return choices.ok() ? "(accepted)" : choices.status().message();
  };
  const std::string range = "density must be above 0 and at most 1 (0.1 keeps 10 % of the weights)";
  for (const double density : {0.0, -0.1, 1.1, std::nan("")}) EXPECT_EQ(refusal(density, {}), range);
  EXPECT_EQ(refusal(0.5, {{"fc1", 0.0}}), "layer 'fc1': density must be above 0 and at most 1");
  EXPECT_EQ(refusal(0.5, {{"fc1", std::nan("")}}), "layer 'fc1': density must be above 0 and at most 1");
  EXPECT_EQ(refusal(0.5, {{"fc9", 0.5}}),
            "layer 'fc9': there is no such layer; this network has conv1, conv2, conv3, fc1, fc2");
  EXPECT_EQ(refusal(0.5, {{"fc1", 0.5}, {"fc1.weight", 0.5}}),
            "layer 'fc1.weight': its density is given twice; give it once");
  EXPECT_EQ(refusal(0.01, {{"fc1", 0.9}})
                .rfind("density 1 % cannot be reached: the layers with a fixed density use", 0),
            0u)
      << refusal(0.01, {{"fc1", 0.9}});
  // All layers fixed, at more than the whole may have.
  EXPECT_NE(refusal(0.1, {{"conv1", 0.5}, {"conv2", 0.5}, {"conv3", 0.5}, {"fc1", 0.5}, {"fc2", 0.5}}),
            "(accepted)");
}

TEST(Distribute, TheBlockIsTheLargestNotAboveTheWishThatFits) {
  const auto blocks = [](BlockShape wish) {
    std::map<std::string, std::string> out;
    for (const LayerChoice& choice : distribute(mixed(), sparse(0.5, Distribution::kUniform, wish)).take())
      out[choice.weight] = choice.block.text();
    return out;
  };
  using Blocks = std::map<std::string, std::string>;
  EXPECT_EQ(blocks({16, 4}), (Blocks{{"conv1.weight", "16x1"},  // its window keeps inputs apart
                                     {"conv2.weight", "16x1"},  // 16 outputs in each group
                                     {"conv3.weight", "4x1"},   // 8 outputs
                                     {"fc1.weight", "4x1"},     // 40 outputs
                                     {"fc2.weight", "1x1"}}));  // 10 outputs
  EXPECT_EQ(blocks({4, 1})["conv1.weight"], "4x1");
  EXPECT_EQ(blocks({1, 1})["conv1.weight"], "1x1");
}

TEST(Distribute, ABlockNeverSpansTwoGroupsAndDepthwiseHasNone) {
  NetworkBuilder b;
  ValueId x = b.input({"chw", {32, 8, 8}});
  b.class_target();
  ConvOptions options;
  options.groups = 4;
  x = b.conv("grouped", x, 32, options);  // 8 outputs in each group
  options.groups = 32;
  x = b.conv("depthwise", x, 64, options);
  b.softmax_cross_entropy(b.linear("fc", b.flatten("flatten", x), 16));
  const auto choices =
      by_name(distribute(b.finish().take(), sparse(0.5, Distribution::kUniform, {16, 1})).take());
  EXPECT_EQ(choices.at("grouped.weight").block, (BlockShape{4, 1}));
  EXPECT_NE(choices.at("grouped.weight").reason.find("block 16x1 does not fit"), std::string::npos);
  EXPECT_EQ(choices.at("depthwise.weight").block, (BlockShape{1, 1}));
  EXPECT_EQ(choices.at("fc.weight").block, (BlockShape{16, 1}));
}

TEST(Distribute, AConvolutionOfOneInputIsNotDepthwise) {
  NetworkBuilder b;
  const ValueId x = b.input({"chw", {1, 8, 8}});
  b.class_target();
  b.softmax_cross_entropy(b.linear("fc", b.flatten("flatten", b.conv("conv", x, 16, {})), 3));
  const auto choices =
      by_name(distribute(b.finish().take(), sparse(1.0, Distribution::kUniform, {16, 1})).take());
  EXPECT_EQ(choices.at("conv.weight").block, (BlockShape{16, 1}));
}

TEST(Network, AWeightThatIndicesCannotCountIsRefusedBeforeItIsAllocated) {
  NetworkBuilder b;
  const ValueId x = b.input({"f", {60000}});
  b.class_target();
  b.softmax_cross_entropy(b.linear("huge", x, 60000));
  const auto net = Network::create(b.finish().take(), {}, 1);
  ASSERT_FALSE(net.ok());
  EXPECT_EQ(net.status().message().rfind("weight 'huge.weight' of o=60000 i=60000 has 2^31", 0), 0u)
      << net.status().message();
}

TEST(Network, IsAFunctionOfGraphSparsityAndSeed) {
  const auto same = [](const Network& a, const Network& b) {
    bool equal = true;
    for (size_t p = 0; p < a.params.size(); ++p) {
      equal = equal && a.params[p].canonical(a.params[p].value) == b.params[p].canonical(b.params[p].value);
      if (a.params[p].is_weight()) equal = equal && a.params[p].pattern() == b.params[p].pattern();
    }
    return equal;
  };
  const SparsityConfig config = sparse(0.1, Distribution::kErk);
  const Network net = Network::create(mixed(), config, 1).take();
  EXPECT_TRUE(same(net, Network::create(mixed(), config, 1).take()));
  EXPECT_FALSE(same(net, Network::create(mixed(), config, 2).take()));
}

TEST(Network, EveryLayerKeepsAtLeastOneBlock) {
  const Graph graph = mixed();
  int64_t total = 0, layers = 0;
  for (const Value& value : graph.values())
    if (value.kind == ValueKind::kParam && value.role == ParamRole::kWeight)
      total += value.shape.elements(), ++layers;
  const double least = static_cast<double>(layers) / static_cast<double>(total);
  const Network net = Network::create(graph, sparse(least, Distribution::kUniform), 1).take();
  for (const Param& param : net.params) EXPECT_GE(param.live(), 1) << param.name();
  const Status refused = Network::create(graph, sparse(0.99 * least, Distribution::kUniform), 1).status();
  EXPECT_NE(refused.message().find("a single block in each of " + std::to_string(layers) + " layers is"),
            std::string::npos)
      << refused.message();
}

// Kaiming's rule for the inputs that live: the output keeps the variance of the input at any density.
TEST(Network, InitialWeightsAreScaledForTheLiveInputs) {
  for (const double density : {1.0, 0.1}) {
    NetworkBuilder b;
    const ValueId x = b.input({"f", {1000}});
    b.class_target();
    b.softmax_cross_entropy(b.linear("fc", x, 200));
    const Network net = Network::create(b.finish().take(), sparse(density, Distribution::kUniform), 1).take();
    const Param& weight = net.params[0];
    double squares = 0.0, sum = 0.0;
    for (const float w : weight.value) {
      squares += static_cast<double>(w) * static_cast<double>(w);
      sum += static_cast<double>(w);
    }
    const auto live = static_cast<double>(weight.live());
    EXPECT_NEAR(squares / live * 1000 * density, 2.0, 0.1);
    EXPECT_NEAR(sum / live, 0.0, 4 * std::sqrt(squares / live / live));
    for (const float bias : net.params[1].value) EXPECT_EQ(bias, 0.0f);
  }
}

TEST(Network, CountsLiveAndAllWeightsWithoutBiases) {
  Network net = Network::create(mixed(), {}, 1).take();
  const int64_t all = 16 * 27 + 32 * 8 * 9 + 8 * 32 + 40 * 2048 + 10 * 40;
  EXPECT_EQ(net.total_weights(), all);
  EXPECT_EQ(net.live_weights(), all);
  EXPECT_EQ(net.find("fc1.bias")->live(), 40);
  EXPECT_EQ(net.find("nothing"), nullptr);
}

}  // namespace
}  // namespace coppice
