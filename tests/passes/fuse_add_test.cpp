// SPDX-License-Identifier: Apache-2.0
#include "passes/fuse_add.h"

#include <gtest/gtest.h>

#include "passes/fuse_relu.h"
#include "passes/pass_checks.h"

namespace coppice {
namespace {

using testing::count;
using testing::expect_same_values;
using testing::with_gradients;

// relu(bn(conv(h)) + h) twice, as in a ResNet.
Graph residual(bool batch_norm) {
  NetworkBuilder b;
  ValueId h = b.input({"chw", {2, 4, 3}});
  b.class_target();
  h = b.relu("relu0", b.conv("conv0", h, 4, {}));
  for (const char* name : {"1", "2"}) {
    ValueId y = b.conv(std::string("conv") + name, h, 4, {});
    if (batch_norm) y = b.batch_norm(std::string("bn") + name, y);
    h = b.relu(std::string("relu") + name, b.apply("add", std::string("sum") + name, {y, h}));
  }
  b.softmax_cross_entropy(b.linear("fc", b.apply("global_pool", "pool", {h}), 3));
  return b.finish().take();
}

TEST(FuseAdd, TakesResidualSumsIntoBatchNormsAndSumsOfGradientsIntoConvolutions) {
  const Graph graph = with_gradients(residual(true));
  EXPECT_EQ(expect_same_values(graph, [](Graph& g) { return fuse_add(g); }), 4);
  Graph fused = graph;
  fuse_add(fused);
  EXPECT_EQ(count(fused, "add"), 0);
  fuse_relu(fused);
  EXPECT_EQ(count(fused, "relu"), 0);
  EXPECT_EQ(count(fused, "relu_grad"), 1) << "only that of the pooled value has no product before it";
  EXPECT_GT(expect_same_values(graph, [](Graph& g) { return fuse_add(g) + fuse_relu(g); }), 4);
}

TEST(FuseAdd, LeavesSumsWhoseOperandsNobodyCanAddTo) {
  const Graph graph = residual(false);
  EXPECT_EQ(expect_same_values(graph, [](Graph& g) { return fuse_add(g); }), 0)
      << "a convolution takes no residual";
}

TEST(FuseAdd, LeavesWhatTheHostReads) {
  Graph graph = residual(true);
  const ValueId kept[] = {graph.find("bn1")};
  EXPECT_EQ(fuse_add(graph, kept), 1);
  EXPECT_EQ(count(graph, "add"), 1);
}

TEST(FuseAdd, LeavesAnOperandThatOthersReadToo) {
  NetworkBuilder b;
  const ValueId x = b.input({"chw", {2, 4, 3}});
  b.class_target();
  const ValueId norm = b.batch_norm("bn", b.conv("conv", x, 2, {}));
  const ValueId sum = b.apply("add", "again", {b.apply("add", "sum", {norm, x}), norm});
  b.softmax_cross_entropy(b.linear("fc", b.apply("global_pool", "pool", {sum}), 3));
  EXPECT_EQ(expect_same_values(b.finish().take(), [](Graph& g) { return fuse_add(g); }), 0);
}

TEST(FuseAdd, OfTwoBatchNormsTheLaterOneTakesTheSum) {
  NetworkBuilder b;
  const ValueId x = b.input({"chw", {2, 4, 3}});
  b.class_target();
  const ValueId early = b.batch_norm("bn1", b.conv("conv1", x, 2, {})),
                late = b.batch_norm("bn2", b.conv("conv2", x, 2, {}));
  const ValueId sum = b.apply("add", "sum", {late, early});
  b.softmax_cross_entropy(b.linear("fc", b.apply("global_pool", "pool", {sum}), 3));
  const Graph graph = b.finish().take();
  EXPECT_EQ(expect_same_values(graph, [](Graph& g) { return fuse_add(g); }), 1);
  Graph fused = graph;
  fuse_add(fused);
  EXPECT_EQ(fused.node(fused.producer(sum)).name, "bn2");
}

TEST(FuseAdd, AGraphWithAFusedSumHasNoGradients) {
  Graph graph = residual(true);
  fuse_add(graph);
  const auto gradients = build_gradients(graph);
  ASSERT_FALSE(gradients.ok());
  EXPECT_NE(gradients.status().message().find("bn2"), std::string::npos) << gradients.status().message();
}

}  // namespace
}  // namespace coppice
