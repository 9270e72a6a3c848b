// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "exec/executor.h"
#include "support/batch.h"
#include "support/count_allocations.h"
#include "support/networks.h"

namespace coppice {
namespace {

TEST(Training, AllocatesNothingFromTheThirdStepOn) {
  for (const bool picture : {false, true})
    for (const int threads : {1, 2})
      for (const bool clips : {false, true}) {
        const Graph graph = picture ? testing::conv_net(true) : testing::mlp({40, 300, 10});
        Network net = testing::network_of(graph, 0.2);
        ExecOptions options;
        options.batch = 65;
        options.threads = threads;
        options.clip_norm = clips ? 1.0 : 0.0;
        options.optimizer.kind = OptimizerKind::kAdam;
        auto executor = Executor::create(net, options).take();
        const TestBatch batch = random_batch(graph, *executor, 65, 1);
        StepState state;
        state.learning_rate = 1e-3;
        int64_t before = 0;
        for (state.step = 0; state.step < 8; ++state.step) {
          if (state.step == 2) before = testing::allocations;
          ASSERT_TRUE(executor->train_step({&batch.view, 1}, state).ok());
        }
        EXPECT_EQ(testing::allocations, before)
            << graph.nodes().size() << " nodes, " << threads << " threads";
      }
}

TEST(Evaluation, AllocatesNothingFromTheSecondBatchOn) {
  const Graph graph = testing::conv_net(true);
  Network net = testing::network_of(graph, 0.2);
  ExecOptions options;
  options.batch = 65;
  options.threads = 2;
  options.training = false;
  auto executor = Executor::create(net, options).take();
  const TestBatch batch = random_batch(graph, *executor, 65, 1);
  int64_t before = 0;
  for (int step = 0; step < 5; ++step) {
    if (step == 1) before = testing::allocations;
    ASSERT_TRUE(executor->evaluate(batch.view).ok());
  }
  EXPECT_EQ(testing::allocations, before);
}

}  // namespace
}  // namespace coppice
