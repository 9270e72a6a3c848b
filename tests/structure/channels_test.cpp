// SPDX-License-Identifier: Apache-2.0
#include "structure/channels.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "exec/executor.h"
#include "models/models.h"
#include "structure/rearrange.h"
#include "support/batch.h"
#include "support/networks.h"

namespace coppice {
namespace {

using testing::network_of;

TEST(Channels, ReachTheDensityAndLeaveADenseNetworkThatLearns) {
  const ModelInput image{3, 8, 8, 10};
  for (const char* model : {"mlp:192-64-32-10", "resnet8", "resnet20"})
    for (const double density : {0.7, 0.3, 0.1}) {
      const Network net = network_of(make_model(model, image).take(), 1.0);
      auto cut = cut_channels(net, density);
      ASSERT_TRUE(cut.ok()) << cut.status().message();
      Network& left = cut->network;
      EXPECT_EQ(left.live_weights(), left.total_weights());
      const auto share = static_cast<double>(left.total_weights()) / static_cast<double>(net.total_weights());
      EXPECT_LE(share, density) << model;
      EXPECT_GT(share, 0.7 * density) << model;
      EXPECT_LT(cut->removed, cut->all);
      ExecOptions options;
      options.batch = 4;
      auto executor = Executor::create(left, options).take();
      TestBatch batch = random_batch(left.graph, *executor, 4, 3);
      EXPECT_TRUE(executor->train_step({&batch.view, 1}, {1, 0, 1e-3}).ok());
    }
}

// Layers of another scale compete fairly: of each the units go that are small beside the others of the layer.
TEST(Channels, TheSmallestOfEachLayerGoWhateverItsScale) {
  Network net = network_of(testing::mlp({8, 10, 10, 4}), 1.0);
  const auto scale = [&net](const char* name, float layer, int64_t small) {
    Param& param = *net.find(name);
    std::vector<float> values = param.canonical(param.value);
    const int64_t cols = param.dims()[1];
    for (size_t i = 0; i < values.size(); ++i)
      values[i] = (static_cast<int64_t>(i) / cols < small ? 0.1f : 1.0f) * layer;
    param.set_canonical(param.value, values);
  };
  scale("fc1.weight", 100.0f, 3);
  scale("fc2.weight", 1.0f, 3);
  scale("fc3.weight", 1.0f, 0);
  // Without the three small ones of each: 8 x 7 + 7 x 7 + 7 x 4 of 220.
  const auto cut = cut_channels(net, 133.0 / 220.0);
  ASSERT_TRUE(cut.ok()) << cut.status().message();
  EXPECT_EQ(cut->removed, 6);
  EXPECT_EQ(cut->all, 20);
  for (const char* name : {"fc1.weight", "fc2.weight"}) {
    const Param& left = *cut->network.find(name);
    const std::vector<float> values = left.canonical(left.value);
    EXPECT_EQ(left.dims()[0], 7);
    EXPECT_TRUE(std::all_of(values.begin(), values.end(), [&](float x) { return x == values[0]; })) << name;
  }
}

TEST(Channels, SayWhatTheyCannotDo) {
  EXPECT_EQ(
      cut_channels(network_of(testing::mlp({8, 10, 4}), 0.5), 0.3).status().message(),
      "channels are cut from a dense network, this one has 50.00 % of its weights; take the one that it was "
      "made from");
  EXPECT_EQ(
      cut_channels(network_of(testing::mlp({8, 10, 4}), 1.0), 0.05).status().message(),
      "density 5.00 % cannot be reached by channels: with one in each layer 10.00 % of the weights are left; "
      "raise the density");
}

}  // namespace
}  // namespace coppice
