// SPDX-License-Identifier: Apache-2.0
#include "pack/insert_fake_quantise.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <vector>

#include "exec/executor.h"
#include "models/models.h"
#include "structure/dead.h"
#include "support/answers.h"
#include "support/batch.h"
#include "support/networks.h"

namespace coppice {
namespace {

using testing::conv_net;
using testing::network_of;

std::vector<float> normal_numbers(int64_t count) {
  Rng rng(2, stream_id("test", "insert"));
  std::vector<float> out;
  for (int64_t i = 0; i < count; ++i) out.push_back(rng.normal());
  return out;
}

std::set<std::string> names(const Quantisations& of) {
  std::set<std::string> out;
  for (const auto& [name, quantisation] : of) out.insert(name);
  return out;
}

constexpr CalibrationOptions kPlain;

// What a relu takes belongs to the layer before it, and a maximum stays what it was.
TEST(QuantisationsOf, AreOfWhatIntegersAreStoredFor) {
  Network net = network_of(conv_net(true), 1.0);
  const Ranges ranges = calibrate(net, normal_numbers(8 * 128), kPlain).take();
  EXPECT_EQ(ranges.size(), 9U);
  EXPECT_EQ(names(quantisations_of(net.graph, ranges)),
            (std::set<std::string>{"input", "conv1", "relu1", "relu2"}));
}

TEST(QuantisationsOf, LeaveAloneWhatTheNetworkRounds) {
  Network net = network_of(conv_net(true), 1.0);
  const std::vector<float> samples = normal_numbers(8 * 128);
  ASSERT_TRUE(insert_fake_quantise(net, {{"input", {0.5f, 0}}, {"relu2", {0.1f, -128}}}).ok());
  EXPECT_EQ(names(quantisations_of(net.graph, calibrate(net, samples, kPlain).take())),
            (std::set<std::string>{"conv1", "relu1"}));
}

TEST(InsertFakeQuantise, RoundsToTheIntegersOfEachValue) {
  Network net = network_of(testing::mlp({2, 2, 2}), 1.0);
  const auto set = [&net](const char* name, std::vector<float> values) {
    Param& param = *net.find(name);
    param.set_canonical(param.value, values);
  };
  set("fc1.weight", {1, 0, 0, 1});
  set("fc2.weight", {1, 0, 0, 1});
  for (const char* bias : {"fc1.bias", "fc2.bias"}) set(bias, {0, 0});
  EXPECT_EQ(insert_fake_quantise(net, {{"input", {0.5f, 0}}, {"relu1", {2, -128}}}).take(), 2);
  EXPECT_TRUE(verify(net.graph).ok());
  EXPECT_EQ(net.graph.value(net.graph.logits).name, "fc2");
  // 5.3 -> 5.5 -> 6, halves to even: 5 -> 5 -> 2.5 steps of 2 -> 4; 100 -> 63.5 -> 64.
  EXPECT_EQ(testing::answers(net, {5.3f, 5, 100, -1}, 2), (std::vector<float>{6, 4, 64, 0}));
  // Passes find a graph as any other.
  EXPECT_TRUE(remove_dead(net).ok());
}

// Every value of it is off by some steps at most.
TEST(InsertFakeQuantise, SaysNearlyTheSame) {
  for (const char* model : {"resnet8", "lenet5"}) {
    Network net = network_of(make_model(model, {1, 28, 28, 10}).take(), 0.5);
    const std::vector<float> samples = normal_numbers(12 * 784);
    const std::vector<float> before = testing::answers(net, samples, 12);
    const Ranges ranges = calibrate(net, samples, kPlain).take();
    const Quantisations of = quantisations_of(net.graph, ranges);
    EXPECT_EQ(insert_fake_quantise(net, of).take(), std::ssize(of));
    const std::vector<float> after = testing::answers(net, samples, 12);
    double squares = 0, errors = 0;
    for (size_t i = 0; i < before.size(); ++i) {
      squares += std::pow(double{before[i]}, 2);
      errors += std::pow(double{after[i]} - double{before[i]}, 2);
    }
    EXPECT_LT(std::sqrt(errors / squares), 0.05) << model;
    EXPECT_NE(before, after) << model;
  }
}

TEST(InsertFakeQuantise, WhatItRoundsCanLearn) {
  Network net = network_of(conv_net(true), 1.0);
  const Ranges ranges = calibrate(net, normal_numbers(32 * 128), kPlain).take();
  ASSERT_TRUE(insert_fake_quantise(net, quantisations_of(net.graph, ranges)).ok());
  ExecOptions options;
  options.batch = 32;
  auto executor = Executor::create(net, options).take();
  TestBatch batch = random_batch(net.graph, *executor, 32, 3);
  StepState state;
  state.learning_rate = 0.05;
  double first = 0, last = 0;
  for (state.step = 0; state.step < 60; ++state.step) {
    last = executor->train_step({&batch.view, 1}, state).take();
    if (state.step == 0) first = last;
  }
  EXPECT_LT(last, 0.7 * first);
}

TEST(InsertFakeQuantise, RefusesWhatCannotBeRounded) {
  Network net = network_of(testing::mlp({2, 2, 2}), 1.0);
  const auto said = [&net](const char* name, Quantisation with = {}) {
    return insert_fake_quantise(net, {{name, with}}).status().message();
  };
  EXPECT_EQ(said("fc9"), "'fc9' is no activation of the network, so it cannot be rounded");
  EXPECT_EQ(said("fc1.weight"), "'fc1.weight' is no activation of the network, so it cannot be rounded");
  EXPECT_EQ(said("target"), "'target' is no activation of the network, so it cannot be rounded");
  EXPECT_EQ(said("fc2"), "'fc2' is what the network says, which is not rounded; leave it out");
  EXPECT_EQ(said("fc1", {0, 0}),
            "fake_quantise 'fc1.rounded': scale must be above 0, and 255 times it a 32-bit float");
  EXPECT_EQ(said("fc1", {1, 128}),
            "fake_quantise 'fc1.rounded': zero_point must be at least -128 and at most 127");
  EXPECT_EQ(net.graph.nodes().size(), 4U);
}

}  // namespace
}  // namespace coppice
