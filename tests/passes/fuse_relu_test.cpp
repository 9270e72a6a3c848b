// SPDX-License-Identifier: Apache-2.0
#include "passes/fuse_relu.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <string>

#include "base/rng.h"
#include "exec/oracle.h"
#include "graph/grad.h"
#include "graph/op.h"
#include "support/networks.h"

namespace coppice {
namespace {

int count(const Graph& graph, const std::string& op) {
  return static_cast<int>(std::count_if(graph.nodes().begin(), graph.nodes().end(),
                                        [&](const Node& node) { return op == node.op->name; }));
}

// Every value that both graphs still compute is the same in double, and the fused graph verifies.
int expect_same_values(const Graph& plain, Graph fused) {
  const int nodes = fuse_relu(fused);
  EXPECT_TRUE(verify(fused).ok()) << verify(fused).message();
  Graph forward = plain;
  Network net = Network::create(forward, {}, 3).take();
  OracleRun run;
  run.batch = 3;
  Rng rng(4, 0);
  for (int64_t i = 0; i < 3 * plain.value(plain.input).shape.elements(); ++i)
    run.input.push_back(rng.normal());
  run.target = {0, 2, 1};
  const std::vector<ReferenceArray> want = run_oracle(plain, net, run).take(),
                                    got = run_oracle(fused, net, run).take();
  for (const Node& node : fused.nodes())
    for (const ValueId out : node.outputs) {
      const auto v = static_cast<size_t>(out);
      // Where a batch norm takes over the mask of its relu the sum before it is not masked any more; all else
      // is alike.
      EXPECT_EQ(got[v].data.size(), want[v].data.size());
      for (size_t i = 0; i < got[v].data.size(); ++i)
        EXPECT_NEAR(got[v].data[i], want[v].data[i], 1e-12) << fused.value(out).name << " [" << i << "]";
    }
  return nodes;
}

Graph with_gradients(Graph graph) {
  EXPECT_TRUE(build_gradients(graph).ok());
  return graph;
}

TEST(FuseRelu, TakesForwardAndBackwardReluIntoTheProductsAroundThem) {
  Graph graph = with_gradients(testing::mlp({8, 6, 6, 3}));
  EXPECT_EQ(expect_same_values(graph, graph), 4);
  fuse_relu(graph);
  EXPECT_EQ(count(graph, "relu"), 0);
  EXPECT_EQ(count(graph, "relu_grad"), 0);
}

TEST(FuseRelu, LeavesAReluWhoseInputOthersReadToo) {
  NetworkBuilder b;
  const ValueId x = b.input({"f", {8}});
  b.class_target();
  const ValueId h = b.linear("fc1", x, 6);
  b.softmax_cross_entropy(b.linear("fc2", b.apply("add", "sum", {h, b.relu("relu", h)}), 3));
  const Graph forward = b.finish().take();
  const Graph graph = with_gradients(forward);
  expect_same_values(graph, graph);
  Graph fused = forward;
  EXPECT_EQ(fuse_relu(fused), 0);
}

TEST(FuseRelu, LeavesAReluBehindTheLogits) {
  NetworkBuilder b;
  const ValueId x = b.input({"f", {8}});
  b.class_target();
  const ValueId logits = b.linear("fc1", x, 3);
  b.softmax_cross_entropy(logits);
  b.relu("after", logits);
  Graph graph = b.finish().take();
  EXPECT_EQ(fuse_relu(graph), 0);
  EXPECT_EQ(count(graph, "relu"), 1);
}

TEST(FuseRelu, FusesWithBatchNormAndSums) {
  for (const bool batch_norm : {false, true}) {
    const Graph graph = with_gradients(testing::conv_net(batch_norm));
    EXPECT_GT(expect_same_values(graph, graph), 0);
  }
}

// relu's output is read again, by a residual sum: the mask of the gradient stays its own.
TEST(FuseRelu, KeepsTheGradientOfAValueThatIsUsedTwice) {
  NetworkBuilder b;
  const ValueId x = b.input({"f", {8}});
  b.class_target();
  const ValueId h = b.relu("relu1", b.linear("fc1", x, 6));
  const ValueId sum = b.relu("relu3", b.apply("add", "sum", {h, b.relu("relu2", b.linear("fc2", h, 6))}));
  b.softmax_cross_entropy(b.linear("fc3", sum, 3));
  const Graph graph = with_gradients(b.finish().take());
  EXPECT_GT(expect_same_values(graph, graph), 0);
}

}  // namespace
}  // namespace coppice
