// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <numeric>

#include "exec/layers.h"
#include "models/models.h"
#include "support/batch.h"
#include "support/networks.h"

namespace coppice {
namespace {

TEST(NetworkReport, ACallBelongsToTheLayerThatItNames) {
  const std::vector<std::string> layers = {"conv1", "layer1.0.conv1", "fc", "layer1"};
  const auto layer = [&](const char* call) { return layer_of_call(call, layers); };
  EXPECT_EQ(layer("conv1"), 0U);
  EXPECT_EQ(layer("d conv1.weight dw"), 0U);
  EXPECT_EQ(layer("update conv1.bias"), 0U);
  EXPECT_EQ(layer("d layer1.0.conv1 both sum"), 1U);
  EXPECT_EQ(layer("layer1.0.bn1 sums"), 3U);
  EXPECT_EQ(layer("fc2"), 4U);
  EXPECT_EQ(layer("d conv10"), 4U);
  EXPECT_EQ(layer("loss"), 4U);
  EXPECT_EQ(layer(""), 4U);
}

// Whoever renames the calls of an op hears of it here.
TEST(NetworkReport, EachLayerOfEachModelHasForwardGradientAndUpdate) {
  ModelInput input;
  input.channels = 3;
  input.height = input.width = 32;
  input.outputs = 10;
  for (const char* model : {"mlp:3072-32-10", "lenet5", "resnet8"}) {
    Network network = testing::network_of(make_model(model, input).take(), 0.3);
    ExecOptions options;
    options.batch = 32;
    const auto executor = Executor::create(network, options).take();
    const NetworkReport report = report_network(network, *executor);
    EXPECT_EQ(report.timed_steps, 0);
    std::vector<std::string> names;
    for (const LayerReport& layer : report.layers) names.push_back(layer.name());
    ASSERT_FALSE(names.empty());
    std::vector<int> forward(names.size()), gradients(names.size()), updates(names.size());
    for (const CallSpec& call : executor->schedule().calls) {
      const size_t layer = layer_of_call(call.name, names);
      if (layer == names.size()) continue;
      ++(call.name.starts_with("update ") ? updates
         : call.name.starts_with("d ")    ? gradients
                                          : forward)[layer];
    }
    for (size_t i = 0; i < names.size(); ++i) {
      SCOPED_TRACE(std::string(model) + " " + names[i]);
      EXPECT_GE(forward[i], 1);
      EXPECT_GE(gradients[i], 1);
      EXPECT_GE(updates[i], 1);
    }
  }
}

TEST(NetworkReport, MeasuresEveryNthStepAndLosesNoTime) {
  Network network = testing::network_of(testing::mlp({20, 16, 5}), 0.5);
  ExecOptions options;
  options.batch = 32;
  options.time_every = 3;
  const auto executor = Executor::create(network, options).take();
  const TestBatch batch = random_batch(network.graph, *executor, 32, 1);
  for (int64_t step = 0; step < 10; ++step) {
    ASSERT_TRUE(executor->train_step({&batch.view, 1}, {1, step, 0.1}).ok());
    EXPECT_EQ(executor->call_times().steps, (step + 1) / 3);
  }
  const NetworkReport report = report_network(network, *executor);
  const std::vector<double> calls = executor->call_times().seconds;
  double sum = report.other_seconds;
  for (const LayerReport& layer : report.layers) {
    EXPECT_GT(layer.seconds, 0);
    sum += layer.seconds;
  }
  EXPECT_NEAR(sum, std::accumulate(calls.begin(), calls.end(), 0.0) / 3, 1e-12);
}

TEST(NetworkReport, MeasuringChangesNoBit) {
  std::vector<float> ends[2];
  for (const int every : {0, 1}) {
    Network network = testing::network_of(testing::conv_net(true), 0.5);
    ExecOptions options;
    options.batch = 32;
    options.time_every = every;
    const auto executor = Executor::create(network, options).take();
    const TestBatch batch = random_batch(network.graph, *executor, 32, 1);
    for (int64_t step = 0; step < 3; ++step)
      ASSERT_TRUE(executor->train_step({&batch.view, 1}, {1, step, 0.1}).ok());
    const Param& param = network.params[0];
    ends[every] = param.canonical(param.value);
  }
  EXPECT_EQ(ends[0], ends[1]);
}

}  // namespace
}  // namespace coppice
