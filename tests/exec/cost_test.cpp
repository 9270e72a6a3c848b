// SPDX-License-Identifier: Apache-2.0
// What a step costs, counted by hand: FLOPs, bytes, and what a limit of memory leaves room for.
#include <gtest/gtest.h>

#include <cmath>
#include <regex>
#include <string>

#include "exec/executor.h"
#include "support/networks.h"

namespace coppice {
namespace {

using testing::conv_net;
using testing::mlp;
using testing::network_of;

std::unique_ptr<Executor> executor_of(Network& net, int batch, bool training, bool keep = false) {
  ExecOptions options;
  options.batch = batch;
  options.training = training;
  options.keep_gradients = keep;
  options.optimizer.kind = OptimizerKind::kAdam;
  return Executor::create(net, options).take();
}

TEST(Cost, OfAnMlpEqualsTheHandCount) {
  for (const double density : {1.0, 0.1}) {
    Network net = network_of(mlp({100, 50, 20, 10}), density);
    const int64_t fc1 = net.find("fc1.weight")->live(), fc2 = net.find("fc2.weight")->live(),
                  fc3 = net.find("fc3.weight")->live();
    const Cost forward = executor_of(net, 64, false)->cost();
    EXPECT_EQ(forward.useful, 2 * (fc1 + fc2 + fc3));
    EXPECT_EQ(forward.dense, 2 * (100 * 50 + 50 * 20 + 20 * 10));
    // Forward and dW of all layers, dX of all but the first.
    const Cost training = executor_of(net, 64, true)->cost();
    EXPECT_EQ(training.useful, 4 * fc1 + 6 * fc2 + 6 * fc3);
    EXPECT_EQ(training.dense, 4 * 100 * 50 + 6 * 50 * 20 + 6 * 20 * 10);
  }
}

// A dense layer is computed in 16 rows at a time; sparse ones have no padding.
TEST(Cost, ExecutedCountsTheRowsThatPadADenseLayer) {
  Network dense = network_of(mlp({100, 50, 28, 16, 5}), 1.0);
  const Cost forward = executor_of(dense, 64, false)->cost(), training = executor_of(dense, 64, true)->cost();
  EXPECT_EQ(forward.executed, 2 * (64 * 100 + 32 * 50 + 16 * 28 + 5 * 16)) << "5 outputs are no dense layer";
  EXPECT_EQ(training.executed, 4 * 64 * 100 + 6 * 32 * 50 + 6 * 16 * 28 + 6 * 5 * 16);
  for (const BlockShape block : {BlockShape{1, 1}, BlockShape{4, 1}}) {
    Network sparse = network_of(mlp({100, 52, 20}), 0.1, block);
    const Cost cost = executor_of(sparse, 64, true)->cost();
    EXPECT_EQ(cost.executed, cost.useful) << block.text();
  }
  Network images = network_of(conv_net(true), 1.0);
  const Cost cost = executor_of(images, 32, true)->cost();
  EXPECT_EQ(cost.executed, cost.useful) << "8 outputs in a block of 16: its kernels skip the other 8";
}

TEST(Cost, OfAConvolutionalNetworkEqualsTheHandCount) {
  for (const bool batch_norm : {false, true}) {
    Network net = network_of(conv_net(batch_norm), 0.3);
    const int64_t conv1 = net.find("conv1.weight")->live(), conv2 = net.find("conv2.weight")->live(),
                  fc = net.find("fc.weight")->live();
    // conv1 has 8 x 8 positions, conv2 2 x 2 of the 4 x 4 that pooling leaves.
    const Cost forward = executor_of(net, 32, false)->cost();
    EXPECT_EQ(forward.useful, 2 * (conv1 * 64 + conv2 * 4 + fc));
    EXPECT_EQ(forward.dense, 2 * (8 * 2 * 9 * 64 + 4 * 8 * 9 * 4 + 16 * 5));
    const Cost training = executor_of(net, 32, true)->cost();
    EXPECT_EQ(training.useful, 4 * conv1 * 64 + 6 * conv2 * 4 + 6 * fc);
    EXPECT_EQ(training.dense, 4 * 8 * 2 * 9 * 64 + 6 * 4 * 8 * 9 * 4 + 6 * 16 * 5);
  }
}

// Two tiles of 64. Outputs and loss, which the host reads, lie once per tile: 17 rows, rounded up to pages.
// The 48 rows of the hidden layer lie once, for the one thread.
TEST(Memory, OfAForwardPassEqualsTheHandCount) {
  Network net = network_of(mlp({100, 48, 16}), 1.0);
  const auto executor = executor_of(net, 128, false);
  const MemoryReport memory = executor->memory();
  EXPECT_EQ(memory.activations, (2 * (2 * 1024 + 16) + 48 * 64 + 16) * 4)
      << "and a vector for each slab, against cache conflicts";
  EXPECT_EQ(memory.scratch, 64) << "one thread, no call asks for any";
  const int64_t indices =
      net.find("fc1.weight")->encoding().bytes() + net.find("fc2.weight")->encoding().bytes();
  EXPECT_EQ(memory.params, 4 * (48 * 100 + 16 * 48 + 48 + 16) + indices);
  EXPECT_LE(indices, 100) << "where each row starts";
}

TEST(Memory, OfASparseTrainingStepEqualsTheHandCount) {
  for (const bool keep : {false, true}) {
    Network net = network_of(mlp({100, 50, 10}), 0.2);
    const auto executor = executor_of(net, 64, true, keep);
    int64_t want = 0;
    for (const Param& param : net.params) {
      // Value and two moments; the gradient where it is stored.
      want += param.live() * 4 * (keep ? 4 : 3);
      if (!param.is_weight()) continue;
      want += param.encoding().bytes();
      // Only the second layer has a dX.
      EXPECT_EQ(param.copy() != nullptr, param.name() == "fc2.weight");
      if (param.copy()) want += param.live() * 8 + param.copy()->encoding->bytes();
    }
    EXPECT_EQ(executor->memory().params, want);
    EXPECT_EQ(executor->memory().total(), want + executor->memory().activations + executor->memory().scratch);
  }
}

TEST(Memory, TheMicroBatchThatTheRefusalNamesFits) {
  const std::regex number("--micro-batch ([0-9]+) would fit");
  int named = 0;
  for (const bool picture : {false, true})
    for (const int batch : {128, 200, 512}) {
      const Graph graph = picture ? conv_net(true) : mlp({64, 256, 256, 10});
      int64_t whole = 0, params = 0;
      {
        Network net = network_of(graph, 0.2);
        const auto executor = executor_of(net, batch, true);
        whole = executor->memory().total();
        params = executor->memory().params;
      }
      for (const double share : {0.9, 0.7, 0.5, 0.4, 0.3, 0.2, 0.1}) {
        Network net = network_of(graph, 0.2);
        ExecOptions options;
        options.batch = batch;
        options.optimizer.kind = OptimizerKind::kAdam;
        options.memory_limit = params + static_cast<int64_t>(share * static_cast<double>(whole - params));
        const auto refused = Executor::create(net, options);
        ASSERT_FALSE(refused.ok());
        EXPECT_EQ(refused.status().code(), Code::kNoMemory);
        std::smatch found;
        const std::string sentence = refused.status().message();
        options.keep_gradients = true;
        if (!std::regex_search(sentence, found, number)) {
          EXPECT_NE(sentence.find("no micro-batch would fit"), std::string::npos) << sentence;
          options.batch = 16;
          EXPECT_FALSE(Executor::create(net, options).ok()) << sentence;
          continue;
        }
        ++named;
        options.batch = std::stoi(found[1]);
        EXPECT_LT(options.batch, batch);
        const auto fits = Executor::create(net, options);
        ASSERT_TRUE(fits.ok()) << sentence << "\n" << fits.status().message();
        EXPECT_LE((*fits)->memory().total(), options.memory_limit);
      }
    }
  EXPECT_GT(named, 20);
}

// What is refused is not allocated first: neither optimizer state, nor gradients, nor activations.
TEST(Memory, ARefusedPlanAllocatesNoOptimizerState) {
  for (const Graph& graph : {mlp({64, 256, 10}), conv_net(true)})
    for (const double density : {0.2, 1.0})
      for (const double clip : {0.0, 1.0}) {
        ExecOptions options;
        options.batch = 64;
        options.optimizer.kind = OptimizerKind::kAdam;
        options.clip_norm = clip;
        Network net = network_of(graph, density);
        const int64_t needs = Executor::create(net, options).take()->memory().total();
        Network fresh = network_of(graph, density);
        options.memory_limit = needs - 1;
        ASSERT_EQ(Executor::create(fresh, options).status().code(), Code::kNoMemory);
        for (const Param& param : fresh.params) {
          EXPECT_TRUE(param.moment1.empty()) << param.name();
          EXPECT_TRUE(param.moment2.empty()) << param.name();
          EXPECT_TRUE(param.gradient.empty()) << param.name();
        }
        options.memory_limit = needs;
        const auto fits = Executor::create(fresh, options);
        ASSERT_TRUE(fits.ok()) << fits.status().message();
        EXPECT_EQ((*fits)->memory().total(), needs) << "what was counted before is what there is now";
        for (const Param& param : fresh.params) EXPECT_EQ(param.gradient.empty(), clip == 0.0);
      }
}

TEST(Memory, OfParametersIsKnownBeforeTheyExist) {
  const auto least = [](const Graph& graph, const SparsityConfig& sparsity, ExecOptions options) {
    for (options.memory_limit = 1;; ++options.memory_limit)
      if (check_parameter_memory(graph, sparsity, options).ok()) return options.memory_limit;
  };
  SparsityConfig sparsity;
  for (const double density : {0.1, 1.0})
    for (const Graph& graph : {mlp({20, 16, 4}), conv_net(true)}) {
      sparsity.density = density;
      const Network net = Network::create(graph, sparsity, 1).take();
      int64_t params = 0, states = 0;
      for (const Param& param : net.params) params += param.live();
      for (const Param& state : net.states) states += state.live();
      ExecOptions options;
      options.optimizer.kind = OptimizerKind::kAdam;
      EXPECT_EQ(least(graph, sparsity, options), 4 * (3 * params + states));
      options.clip_norm = 1;
      EXPECT_EQ(least(graph, sparsity, options), 4 * (4 * params + states));
      options.training = false;
      EXPECT_EQ(least(graph, sparsity, options), 4 * (params + states));
    }
}

TEST(Memory, ALimitBelowTheParametersSaysSo) {
  Network net = network_of(mlp({64, 256, 10}), 1.0);
  ExecOptions options;
  options.memory_limit = 1000;
  const Status status = Executor::create(net, options).status();
  EXPECT_EQ(status.code(), Code::kNoMemory);
  EXPECT_NE(status.message().find("no micro-batch would fit, lower --density or raise --memory"),
            std::string::npos)
      << status.message();
}

TEST(Memory, GrowsWithTheLiveWeightsAndNotWithTheLayer) {
  const auto params = [](double density) {
    Network net = network_of(mlp({512, 512, 512, 10}), density);
    return static_cast<double>(executor_of(net, 32, true)->memory().params);
  };
  const double tenth = params(0.1), twentieth = params(0.05);
  EXPECT_LT(twentieth / tenth, 0.56);
  EXPECT_GT(twentieth / tenth, 0.5);
}

}  // namespace
}  // namespace coppice
