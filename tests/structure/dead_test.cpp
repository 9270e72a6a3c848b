// SPDX-License-Identifier: Apache-2.0
// What pruning leaves behind goes, and nobody hears the difference.
#include "structure/dead.h"

#include <gtest/gtest.h>

#include "exec/executor.h"
#include "models/models.h"
#include "ops/build.h"
#include "structure/evaluated.h"
#include "structure/rearrange.h"
#include "support/batch.h"

namespace coppice {
namespace {

using testing::evaluated;
using testing::network_of;
using testing::trained_network;

DeadUnits remove(Network& net) {
  auto report = remove_dead(net);
  EXPECT_TRUE(report.ok()) << report.status().message();
  return report.ok() ? *report : DeadUnits();
}

// Says the same without its dead, runs and learns, and has no more of them.
DeadUnits check(Network& net, const std::string& what) {
  const std::vector<double> before = evaluated(net);
  const int64_t live = net.live_weights();
  const DeadUnits report = remove(net);
  EXPECT_EQ(live - net.live_weights(), report.weights) << what;
  const std::vector<double> after = evaluated(net);
  EXPECT_EQ(before.size(), after.size());
  for (size_t i = 0; i < before.size(); ++i)
    EXPECT_NEAR(before[i], after[i], 1e-5 * (1 + std::abs(before[i]))) << what << " [" << i << "]";
  EXPECT_EQ(remove(net).removed, 0) << what;
  ExecOptions options;
  options.batch = 4;
  auto executor = Executor::create(net, options);
  EXPECT_TRUE(executor.ok()) << what << ": " << executor.status().message();
  if (!executor.ok()) return report;
  TestBatch batch = random_batch(net.graph, **executor, 4, 3);
  EXPECT_TRUE((*executor)->train_step({&batch.view, 1}, {1, 0, 1e-3}).ok()) << what;
  return report;
}

DeadUnits check(Network&& net, const std::string& what) { return check(net, what); }

TEST(Dead, RandomNetworksSayTheSameWithoutThem) {
  const ModelInput digits{1, 28, 28, 10}, small{3, 8, 8, 10};
  const std::pair<const char*, ModelInput> models[] = {
      {"mlp:784-64-64-32-10", digits}, {"lenet5", digits}, {"resnet8", small}, {"resnet20", small}};
  for (const auto& [model, input] : models)
    for (const BlockShape block :
         {BlockShape{1, 1}, BlockShape{4, 1}, BlockShape{16, 1}, BlockShape{16, 4}}) {
      const Graph graph = make_model(model, input).take();
      int64_t removed = 0;
      for (const double density : {0.003, 0.01, 0.05})
        for (const uint64_t seed : {1, 2}) {
          // Not so few that a layer would get no block.
          if (!distribute(graph, {density, Distribution::kUniform, block, {}}).ok()) continue;
          removed += check(trained_network(graph, density, block, seed),
                           std::string(model) + " " + block.text() + " " + std::to_string(density))
                         .removed;
        }
      EXPECT_GT(removed, 0) << model << " " << block.text();
    }
}

// fc1 (3 neurons), fc2 (2), fc3, with these live weights only.
Network tiny(const std::vector<std::vector<int32_t>>& first,
             const std::vector<std::vector<int32_t>>& second) {
  Network net = network_of(testing::mlp({2, 3, 2, 2}), 1.0);
  const auto set = [&net](const char* name, int64_t cols, const std::vector<std::vector<int32_t>>& rows) {
    std::vector<int32_t> indptr{0}, indices;
    for (const std::vector<int32_t>& row : rows) {
      indices.insert(indices.end(), row.begin(), row.end());
      indptr.push_back(static_cast<int32_t>(indices.size()));
    }
    Param& param = *net.find(name);
    const auto count = static_cast<float>(indices.size());
    param = Param::weight(
        name, param.dims(),
        Pattern::from_indices(static_cast<int64_t>(rows.size()), cols, {}, indptr, indices).take());
    for (size_t i = 0; i < param.value.size(); ++i) param.value[i] = 0.5f + static_cast<float>(i) / count;
  };
  set("fc1.weight", 2, first);
  set("fc2.weight", 3, second);
  net.find("fc1.bias")->value[0] = 2.0f;
  net.find("fc1.bias")->value[1] = -1.0f;
  return net;
}

TEST(Dead, AConstantGoesIntoTheBiasBehindIt) {
  // Neuron 0 hears nothing and says relu(2), neuron 1 says relu(-1).
  const DeadUnits report = check(tiny({{}, {}, {0, 1}}, {{0, 1, 2}, {2}}), "tiny");
  EXPECT_EQ(report.removed, 2);
  EXPECT_EQ(report.folded, 1);
  EXPECT_EQ(report.weights, 2);
  EXPECT_EQ(report.constant, 0);
}

TEST(Dead, WhoIsHeardOnlyByTheDeadIsDead) {
  // Neuron 1 of fc2 hears neuron 2 of fc1 alone, and nobody hears it.
  Network net = tiny({{0}, {1}, {0, 1}}, {{0, 1}, {2}});
  Param& last = *net.find("fc3.weight");
  last = Param::weight("fc3.weight", last.dims(), Pattern::from_indices(2, 2, {}, {0, 1, 2}, {0, 0}).take());
  last.value[0] = last.value[1] = 1.0f;
  const DeadUnits report = check(std::move(net), "tiny");
  EXPECT_EQ(report.removed, 2);
  EXPECT_EQ(report.weights, 3);
}

TEST(Dead, ALayerKeepsItsLastUnit) {
  Network net = tiny({{}, {}, {}}, {{}, {}});
  const DeadUnits report = check(net, "nothing lives");
  EXPECT_EQ(report.removed, 3);
  EXPECT_EQ(report.constant, 2);
}

// Zeros around an image tell on a constant: only without padding, or at 0, does it go.
TEST(Dead, AConstantChannelBeforePaddingStays) {
  for (const bool padded : {true, false})
    for (const float bias : {1.0f, -1.0f}) {
      NetworkBuilder b;
      ValueId x = b.input({"chw", {1, 6, 6}});
      b.class_target();
      x = b.relu("relu", b.conv("conv1", x, 3, {}));
      x = b.conv("conv2", x, 4, {.padding = padded ? 1 : 0});
      b.softmax_cross_entropy(b.linear("fc", b.flatten("flatten", x), 3));
      Network net = trained_network(b.finish().take(), 1.0);
      Param& first = *net.find("conv1.weight");
      std::vector<int32_t> indices(18);
      for (int32_t i = 0; i < 18; ++i) indices[static_cast<size_t>(i)] = i % 9;
      first = Param::weight("conv1.weight", first.dims(),
                            Pattern::from_indices(3, 9, {}, {0, 9, 9, 18}, indices).take());
      for (float& w : first.value) w = 0.3f;
      net.find("conv1.bias")->value[1] = bias;
      const DeadUnits report = check(std::move(net), padded ? "padded" : "not padded");
      const bool stays = padded && bias > 0;
      EXPECT_EQ(report.removed, stays ? 0 : 1);
      EXPECT_EQ(report.constant, stays ? 1 : 0);
      EXPECT_EQ(report.folded, !padded && bias > 0 ? 1 : 0);
    }
}

TEST(Dead, BatchNormGivesAConstantItsShift) {
  NetworkBuilder b;
  ValueId x = b.input({"chw", {1, 6, 6}});
  b.class_target();
  x = b.conv("conv", x, 2, {.bias = false});
  x = b.apply("global_pool", "pool", {b.batch_norm("bn", x)});
  b.softmax_cross_entropy(b.linear("fc", x, 3));
  Network net = trained_network(b.finish().take(), 1.0);
  std::vector<int32_t> indices(9);
  for (int32_t i = 0; i < 9; ++i) indices[static_cast<size_t>(i)] = i;
  Param& weight = *net.find("conv.weight");
  weight =
      Param::weight("conv.weight", weight.dims(), Pattern::from_indices(2, 9, {}, {0, 0, 9}, indices).take());
  for (float& w : weight.value) w = 0.3f;
  const DeadUnits report = check(std::move(net), "batch norm");
  EXPECT_EQ(report.removed, 1);
  EXPECT_EQ(report.folded, 1);
}

// A dead neuron shares its blocks with live ones: they would have to be torn.
TEST(Dead, BlocksStayWhole) {
  Network net = trained_network(testing::mlp({8, 32, 32, 4}), 1.0, {16, 1});
  const auto without_columns = [&net](const char* name, int64_t rows, int32_t cols,
                                      const std::vector<int32_t>& dead) {
    std::vector<int32_t> indptr{0}, indices;
    for (int64_t row = 0; row < rows / 16; ++row) {
      for (int32_t c = 0; c < cols; ++c)
        if (std::find(dead.begin(), dead.end(), c) == dead.end()) indices.push_back(c);
      indptr.push_back(static_cast<int32_t>(indices.size()));
    }
    Param& param = *net.find(name);
    param =
        Param::weight(name, param.dims(), Pattern::from_indices(rows, cols, {16, 1}, indptr, indices).take());
    for (float& w : param.value) w = 0.1f;
  };
  std::vector<int32_t> dead{3};
  for (int32_t i = 16; i < 32; ++i) dead.push_back(i);
  without_columns("fc2.weight", 32, 32, dead);
  const DeadUnits report = check(net, "blocks");
  EXPECT_EQ(report.removed, 16) << "neuron 3 of fc1 stays with the first 16";
  EXPECT_EQ(net.find("fc1.weight")->dims()[0], 16);
  EXPECT_EQ(net.find("fc1.weight")->pattern().block(), (BlockShape{16, 1}));
}

}  // namespace
}  // namespace coppice
