// SPDX-License-Identifier: Apache-2.0
// What an edit takes follows the live weights: a gradient of all positions is never anywhere.
#include <gtest/gtest.h>

#include "exec/executor.h"
#include "sparsify/sparsifier.h"
#include "support/batch.h"
#include "support/count_allocations.h"
#include "support/networks.h"

namespace coppice {
namespace {

TEST(Sparsifier, AnEditTakesMemoryForLiveWeightsAndSomeRows) {
  constexpr int64_t kSide = 2048;
  constexpr int kThreads = 2;
  SparsityConfig target;
  target.density = 0.01;
  target.distribution = Distribution::kUniform;
  target.layers["fc2"] = 1.0;  // else most neurons lead nowhere, and chts would take nearly all links out
  const Graph graph = testing::mlp({kSide, kSide, 10});
  for (const char* method : {"rigl", "set", "chts"}) {
    Network network = Network::create(graph, target, 1).take();
    const SparsifyConfig config{method, find_method(method)->defaults};
    const Sparsifier sparsifier = Sparsifier::create(config, target, graph, 1).take();
    ExecOptions options;
    options.batch = 16;
    options.threads = kThreads;
    options.dense_gradients_of = [&](const Param& param) { return sparsifier.wants_gradient_of(param); };
    const auto executor = Executor::create(network, options).take();
    const TestBatch batch = random_batch(graph, *executor, 16, 1);
    const RunLength run = {1000, 100};
    ASSERT_TRUE(sparsifier.due(100, run));

    testing::bytes_most = testing::bytes_now.load();
    const int64_t before = testing::bytes_now;
    const auto report = sparsifier.edit(network, 100, run, [&](const DenseGradientSink& sink) {
      return executor->dense_gradients(batch.view, {1, 100, 0.1}, sink).status();
    });
    ASSERT_TRUE(report.ok()) << report.status().message();
    EXPECT_GT(report->grown, 0);
    const int64_t dense = kSide * kSide * 4, live = network.find("fc1.weight")->live();
    EXPECT_LT(testing::bytes_most - before, 64 * live) << method;
    EXPECT_LT(testing::bytes_most - before, dense / 4)
        << method << ": less than any copy of a dense gradient";
    constexpr int64_t kRows = 16;
    EXPECT_LT(executor->memory().scratch, kThreads * (kRows * kSide * 4 + 65536)) << method;
    EXPECT_LT(executor->memory().activations, dense / 4) << method;
  }
}

}  // namespace
}  // namespace coppice
