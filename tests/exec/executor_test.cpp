// SPDX-License-Identifier: Apache-2.0
#include "exec/executor.h"

#include <gtest/gtest.h>

#include <cmath>

#include "exec/oracle.h"
#include "graph/grad.h"
#include "ops/build.h"
#include "support/batch.h"

namespace coppice {
namespace {

Graph mlp(const std::vector<int64_t>& sizes) {
  NetworkBuilder b;
  ValueId x = b.input({"f", {sizes[0]}});
  b.class_target();
  for (size_t i = 1; i < sizes.size(); ++i) {
    x = b.linear("fc" + std::to_string(i), x, sizes[i]);
    if (i + 1 < sizes.size()) x = b.relu("relu" + std::to_string(i), x);
  }
  b.softmax_cross_entropy(x);
  return b.finish().take();
}

Network network(const Graph& graph, double density, BlockShape block = {}, uint64_t seed = 7) {
  SparsityConfig sparsity;
  sparsity.density = density;
  sparsity.distribution = Distribution::kUniform;
  sparsity.block = block;
  return Network::create(graph, sparsity, seed).take();
}

// Layers of more rows than one part of a kernel has, and of more columns than one column block.
TEST(Executor, LayersOfSeveralPartsEqualTheOracleHoweverTheyAreCut) {
  const Graph graph = mlp({700, 600, 300, 10});
  for (const BlockShape block : {BlockShape{1, 1}, BlockShape{4, 1}, BlockShape{16, 1}, BlockShape{16, 4}})
    for (const double density : {1.0, 0.1})
      for (const int threads : {1, 2, 3})
        for (const int samples : {16, 70}) {
          SCOPED_TRACE(block.text() + " density " + std::to_string(density) + " threads " +
                       std::to_string(threads) + " samples " + std::to_string(samples));
          Network net = network(graph, density, block);
          ExecOptions options;
          options.batch = samples;
          options.threads = threads;
          options.keep_gradients = true;
          auto executor = Executor::create(net, options).take();
          TestBatch batch = random_batch(graph, *executor, samples, 3);
          Graph with_gradients = graph;
          const std::vector<ValueId> gradients = build_gradients(with_gradients).take();
          const std::vector<ReferenceArray> truth = run_oracle(with_gradients, net, batch.oracle).take();
          ASSERT_TRUE(executor->train_step({&batch.view, 1}, {}).ok());
          const std::vector<float> logits = untile(executor->view(graph.logits), 10, samples);
          for (size_t i = 0; i < logits.size(); ++i)
            ASSERT_NEAR(logits[i], truth[static_cast<size_t>(graph.logits)].data[i], 1e-4) << "logit " << i;
          for (const Param& param : net.params) {
            const std::vector<double> got = dense_values(param, param.gradient);
            const ValueId id = gradients[static_cast<size_t>(graph.find(param.name()))];
            const std::vector<double>& want = truth[static_cast<size_t>(id)].data;
            for (size_t i = 0; i < got.size(); ++i)
              ASSERT_TRUE(got[i] == 0.0 || std::abs(got[i] - want[i]) < 1e-4)
                  << "d " << param.name() << " [" << i << "] " << got[i] << " is not " << want[i];
          }
        }
}

}  // namespace
}  // namespace coppice
