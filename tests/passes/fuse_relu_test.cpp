// SPDX-License-Identifier: Apache-2.0
#include "passes/fuse_relu.h"

#include <gtest/gtest.h>

#include "passes/fuse_add.h"
#include "passes/pass_checks.h"

namespace coppice {
namespace {

using testing::count;
using testing::expect_same_values;
using testing::with_gradients;

TEST(FuseRelu, TakesForwardAndBackwardReluIntoTheProductsAroundThem) {
  Graph graph = with_gradients(testing::mlp({8, 6, 6, 3}));
  EXPECT_EQ(expect_same_values(graph, [](Graph& g) { return fuse_relu(g); }), 4);
  fuse_relu(graph);
  EXPECT_EQ(count(graph, "relu"), 0);
  EXPECT_EQ(count(graph, "relu_grad"), 0);
}

TEST(FuseRelu, LeavesWhatTheHostReads) {
  Graph graph = testing::mlp({8, 6, 6, 3});
  const ValueId kept[] = {graph.find("fc2")};
  EXPECT_EQ(fuse_relu(graph, kept), 1);
  EXPECT_EQ(count(graph, "relu"), 1);
}

TEST(FuseRelu, LeavesAReluWhoseInputOthersReadToo) {
  NetworkBuilder b;
  const ValueId x = b.input({"f", {8}});
  b.class_target();
  const ValueId h = b.linear("fc1", x, 6);
  b.softmax_cross_entropy(b.linear("fc2", b.apply("add", "sum", {h, b.relu("relu", h)}), 3));
  const Graph forward = b.finish().take();
  const Graph graph = with_gradients(forward);
  expect_same_values(graph, [](Graph& g) { return fuse_relu(g); });
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
    EXPECT_GT(expect_same_values(graph, [](Graph& g) { return fuse_relu(g); }), 0);
  }
}

// The gradients of a batch norm cannot tell from its input where a sum behind it was above 0.
TEST(FuseRelu, KeepsTheMaskOfAResidualSumThatOnlyABatchNormReceives) {
  NetworkBuilder b;
  const ValueId x = b.input({"chw", {2, 4, 3}});
  b.class_target();
  // The input of the network wants no gradient, so the mask's only readers are those of the batch norm.
  const ValueId sum = b.apply("add", "sum", {b.batch_norm("bn", b.conv("conv", x, 2, {})), x});
  b.softmax_cross_entropy(b.linear("fc", b.apply("global_pool", "pool", {b.relu("relu", sum)}), 3));
  const Graph graph = with_gradients(b.finish().take());
  EXPECT_GT(expect_same_values(graph, [](Graph& g) { return fuse_add(g) + fuse_relu(g); }), 1);
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
  EXPECT_GT(expect_same_values(graph, [](Graph& g) { return fuse_relu(g); }), 0);
}

}  // namespace
}  // namespace coppice
