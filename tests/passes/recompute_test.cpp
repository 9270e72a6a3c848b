// SPDX-License-Identifier: Apache-2.0
#include "passes/recompute.h"

#include <gtest/gtest.h>

#include "passes/pass_checks.h"

namespace coppice {
namespace {

using testing::count;
using testing::expect_same_values;
using testing::with_gradients;

TEST(Recompute, GradientsReadWhatIsComputedForThem) {
  NetworkBuilder b;
  ValueId x = b.input({"chw", {2, 4, 3}});
  b.class_target();
  x = b.batch_norm("bn1", b.conv("conv1", x, 4, {}));
  x = b.batch_norm("bn2", b.conv("conv2", x, 4, {}));
  b.softmax_cross_entropy(b.linear("fc", b.apply("global_pool", "pool", {x}), 3));
  const Graph graph = with_gradients(b.finish().take());
  EXPECT_EQ(expect_same_values(graph, recompute), 2);
  Graph after = graph;
  recompute(after);
  EXPECT_EQ(count(after, "batch_norm_again"), 2);
  const NodeId loss = after.producer(after.loss);
  for (NodeId n = loss + 1; n < static_cast<NodeId>(after.nodes().size()); ++n)
    for (const ValueId in : after.node(n).inputs)
      for (const char* norm : {"bn1", "bn2"}) EXPECT_NE(in, after.find(norm)) << after.node(n).name;
}

TEST(Recompute, LeavesAGraphWithoutGradients) {
  Graph graph = testing::conv_net(true);
  const size_t nodes = graph.nodes().size();
  EXPECT_EQ(recompute(graph), 0);
  EXPECT_EQ(graph.nodes().size(), nodes);
}

}  // namespace
}  // namespace coppice
