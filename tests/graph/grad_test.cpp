// SPDX-License-Identifier: Apache-2.0
#include "graph/grad.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "base/rng.h"
#include "exec/network.h"
#include "exec/oracle.h"
#include "ops/build.h"
#include "ops/ops.h"

namespace coppice {
namespace {

// Builds input {8}, a body, and a loss over `classes` outputs.
Graph network(const std::function<ValueId(NetworkBuilder&, ValueId)>& body) {
  NetworkBuilder b;
  const ValueId x = b.input({"f", {8}});
  b.class_target();
  b.softmax_cross_entropy(body(b, x));
  return b.finish().take();
}

// Gradients of all parameters in double against (loss(w + h) - loss(w - h)) / 2h.
void expect_finite_differences(const Graph& graph) {
  Network net = Network::create(graph, {}, 3).take();
  Graph both = graph;
  const std::vector<ValueId> gradients = build_gradients(both).take();
  ASSERT_TRUE(verify(both).ok());
  OracleRun run;
  run.batch = 3;
  Rng rng(4, 0);
  for (int i = 0; i < 3 * 8; ++i) run.input.push_back(rng.normal());
  run.target = {0, 2, 1};
  const std::vector<ReferenceArray> values = run_oracle(both, net, run).take();
  for (size_t v = 0; v < graph.values().size(); ++v) {
    if (graph.values()[v].kind != ValueKind::kParam) continue;
    const std::string& name = graph.values()[v].name;
    ASSERT_NE(gradients[v], kNoValue) << name;
    const std::vector<double> base = values[v].data;
    for (size_t i = 0; i < base.size(); ++i) {
      double loss[2];
      for (const int side : {0, 1}) {
        run.replace[name] = base;
        run.replace[name][i] += side ? 1e-6 : -1e-6;
        loss[side] = oracle_loss(graph, run_oracle(graph, net, run).take());
      }
      run.replace.clear();
      EXPECT_NEAR(values[static_cast<size_t>(gradients[v])].data[i], (loss[1] - loss[0]) / 2e-6, 1e-7)
          << name << i;
    }
  }
}

TEST(Gradients, OfAValueThatIsUsedTwiceAreAddedUp) {
  const Graph graph = network([](NetworkBuilder& b, ValueId x) {
    const ValueId h = b.linear("fc1", x, 6);
    return b.linear("fc2", b.apply("add", "skip", {h, b.relu("relu", h)}), 3);
  });
  expect_finite_differences(graph);
  Graph both = graph;
  ASSERT_TRUE(build_gradients(both).ok());
  EXPECT_NE(both.find("d fc1 sum"), kNoValue);
}

TEST(Gradients, OfAValueThatIsUsedThreeTimesOrTwiceByOneNodeAreAddedUp) {
  expect_finite_differences(network([](NetworkBuilder& b, ValueId x) {
    const ValueId h = b.linear("fc1", x, 6);
    const ValueId two = b.apply("add", "two", {h, b.relu("relu", h)});
    return b.linear("fc2", b.apply("add", "three", {two, b.apply("sigmoid", "sigmoid", {h})}), 3);
  }));
  expect_finite_differences(network([](NetworkBuilder& b, ValueId x) {
    const ValueId h = b.linear("fc1", x, 6);
    return b.linear("fc2", b.apply("add", "twice", {h, h}), 3);
  }));
}

TEST(Gradients, TheFirstLayerHasNoneForItsInput) {
  Graph graph = network(
      [](NetworkBuilder& b, ValueId x) { return b.linear("fc2", b.relu("r", b.linear("fc1", x, 6)), 3); });
  const size_t forward = graph.nodes().size();
  const std::vector<ValueId> gradients = build_gradients(graph).take();
  EXPECT_EQ(gradients[static_cast<size_t>(graph.input)], kNoValue);
  EXPECT_EQ(gradients[static_cast<size_t>(graph.target)], kNoValue);
  int dx = 0, dw = 0;
  for (size_t n = forward; n < graph.nodes().size(); ++n) {
    dx += std::string(graph.nodes()[n].op->name) == "linear_dx";
    dw += std::string(graph.nodes()[n].op->name) == "linear_dw";
  }
  EXPECT_EQ(dx, 1);
  EXPECT_EQ(dw, 2);
}

TEST(Gradients, ABranchThatDoesNotReachTheLossHasNone) {
  NetworkBuilder b;
  const ValueId x = b.input({"f", {8}});
  b.class_target();
  b.linear("aside", x, 5);
  b.softmax_cross_entropy(b.linear("fc", x, 3));
  Graph graph = b.finish().take();
  const std::vector<ValueId> gradients = build_gradients(graph).take();
  EXPECT_EQ(gradients[static_cast<size_t>(graph.find("aside.weight"))], kNoValue);
  EXPECT_NE(gradients[static_cast<size_t>(graph.find("fc.weight"))], kNoValue);
}

TEST(Gradients, AParameterOfTwoNodesIsRefusedByName) {
  NetworkBuilder b;
  const ValueId x = b.input({"f", {8}});
  b.class_target();
  const ValueId w = b.parameter("tied.weight", {"oi", {8, 8}}, ParamRole::kWeight, Init::kKaimingUniform, 8);
  const ValueId h = b.relu("relu", b.apply("linear", "one", {x, w}));
  b.softmax_cross_entropy(b.apply("linear", "two", {h, w}));
  Graph graph = b.finish().take();
  const Status status = build_gradients(graph).status();
  EXPECT_EQ(status.code(), Code::kUnsupported);
  EXPECT_EQ(status.message().rfind("linear 'one': parameter 'tied.weight' is used by two nodes", 0), 0u)
      << status.message();
}

TEST(Gradients, WithoutALossThereAreNone) {
  NetworkBuilder b;
  b.linear("fc", b.input({"f", {8}}), 3);
  Graph graph = b.finish().take();
  const Status status = build_gradients(graph).status();
  EXPECT_EQ(status.code(), Code::kInvalid);
  EXPECT_EQ(status.message(), "the network has no loss, so there is nothing to differentiate");
}

TEST(Gradients, OfAnOpWithoutThatFacetAreRefusedByName) {
  Graph graph = network([](NetworkBuilder& b, ValueId x) {
    const ValueId h = b.linear("fc1", x, 6);
    return b.linear("fc2", b.apply("relu_grad", "odd", {h, h}), 3);
  });
  const Status status = build_gradients(graph).status();
  EXPECT_EQ(status.code(), Code::kUnsupported);
  EXPECT_EQ(status.message(), "relu_grad 'odd': this op cannot be trained");
}

TEST(Gradients, FindNamesOfTheirOwnWhereTheUsualOneIsTaken) {
  Graph graph = network([](NetworkBuilder& b, ValueId x) {
    const ValueId h = b.relu("d fc2", b.linear("fc1", x, 6));
    return b.linear("fc2", h, 3);
  });
  const std::vector<ValueId> gradients = build_gradients(graph).take();
  EXPECT_NE(gradients[static_cast<size_t>(graph.find("fc2"))], graph.find("d fc2"));
  EXPECT_TRUE(verify(graph).ok());
}

}  // namespace
}  // namespace coppice
