// SPDX-License-Identifier: Apache-2.0
// Batch norm goes into the layers beside it, and nobody hears the difference.
#include "structure/fold_batch_norm.h"

#include <gtest/gtest.h>

#include "exec/executor.h"
#include "models/models.h"
#include "ops/build.h"
#include "ops/ops.h"
#include "passes/nodes.h"
#include "structure/dead.h"
#include "structure/evaluated.h"

namespace coppice {
namespace {

using testing::evaluated;
using testing::expect_close;
using testing::trained_network;

int norms(const Graph& graph) {
  return static_cast<int>(std::count_if(graph.nodes().begin(), graph.nodes().end(),
                                        [](const Node& node) { return is(node, "batch_norm"); }));
}

// How many went, of a network that says the same without them.
int check(Network net, const std::string& what) {
  const std::vector<double> before = evaluated(net);
  const std::string said = net.graph.value(net.graph.logits).name;
  const int64_t live = net.live_weights();
  const int all = norms(net.graph);
  auto report = fold_batch_norm(net);
  EXPECT_TRUE(report.ok()) << what << ": " << report.status().message();
  if (!report.ok()) return 0;
  EXPECT_EQ(std::ssize(*report), all) << what;
  int folded = 0;
  for (const FoldedNorm& norm : *report) {
    EXPECT_NE(norm.into.empty(), norm.why.empty()) << what << ": " << norm.name;
    folded += !norm.into.empty();
  }
  EXPECT_EQ(norms(net.graph), all - folded) << what;
  EXPECT_EQ(net.live_weights(), live) << what;
  EXPECT_EQ(net.graph.value(net.graph.logits).name, said) << what;
  EXPECT_EQ(std::ssize(net.states), 2 * (all - folded)) << what;
  for (const Param& param : net.params) EXPECT_NE(net.graph.find(param.name()), kNoValue) << param.name();
  expect_close(before, evaluated(net), what);
  // What comes after finds a network as any other.
  EXPECT_TRUE(remove_dead(net).ok()) << what;
  ExecOptions options;
  options.batch = 4;
  options.training = false;
  EXPECT_TRUE(Executor::create(net, options).ok()) << what;
  return folded;
}

TEST(FoldBatchNorm, NetworksSayTheSameWithoutIt) {
  const ModelInput small{3, 8, 8, 10};
  for (const BlockShape block : {BlockShape{1, 1}, BlockShape{4, 1}, BlockShape{16, 1}, BlockShape{16, 4}})
    for (const double density : {0.1, 0.5, 1.0}) {
      const std::string what = block.text() + " " + std::to_string(density);
      const Graph graph = make_model("resnet20", small).take();
      EXPECT_EQ(check(trained_network(graph, density, block), what), norms(graph)) << what;
    }
}

TEST(FoldBatchNorm, SamplesOfAllOpsSayTheSameWithoutIt) {
  int folded = 0;
  for (const OpDef* op : all_ops()) {
    if (!op->samples) continue;
    for (const Sample& sample : op->samples())
      folded += check(trained_network(sample.graph, 0.7), std::string(op->name) + ", " + sample.name);
  }
  EXPECT_GE(folded, 4);
}

struct Board {
  NetworkBuilder b;
  ValueId x;
  Board() : x(b.input({"chw", {4, 6, 5}})) { b.class_target(); }
  Network finish(double density = 0.6) {
    b.softmax_cross_entropy(b.linear("fc", b.flatten("flatten", x), 3));
    return trained_network(b.finish().take(), density);
  }
};

TEST(FoldBatchNorm, WeightsAndBiasByHand) {
  Board board;
  ConvOptions plain;
  plain.bias = false;
  plain.kernel = 1;
  plain.padding = 0;
  board.x = board.b.batch_norm("bn", board.b.conv("conv", board.x, 2, plain));
  Network net = board.finish(1.0);
  const auto set = [&net](const char* name, std::vector<float> values) {
    Param& param = *net.find(name);
    param.set_canonical(param.value, values);
  };
  set("conv.weight", {1, 2, 3, 4, 5, 6, 7, 8});
  set("bn.weight", {2, 3});
  set("bn.bias", {10, 20});
  set("bn.running_mean", {1, -1});
  set("bn.running_var", {4 - 1e-5f, 9 - 1e-5f});
  net.find("conv.weight")->ensure(net.find("conv.weight")->moment1);
  const auto report = fold_batch_norm(net).take();
  ASSERT_EQ(report.size(), 1U);
  EXPECT_EQ(report[0].name, "bn");
  EXPECT_EQ(report[0].into, "conv");
  const Param& weight = *net.find("conv.weight");
  EXPECT_TRUE(weight.moment1.empty());
  const std::vector<float> weights{1, 2, 3, 4, 5, 6, 7, 8}, biases{9, 21};
  for (size_t i = 0; i < weights.size(); ++i) EXPECT_NEAR(weight.value[i], weights[i], 1e-5) << i;
  for (size_t i = 0; i < biases.size(); ++i)
    EXPECT_NEAR(net.find("conv.bias")->value[i], biases[i], 1e-5) << i;
  EXPECT_EQ(net.find("bn.weight"), nullptr);
  EXPECT_EQ(net.graph.find("bn"), kNoValue);
}

// The layer behind takes it where the one before cannot.
TEST(FoldBatchNorm, GoesForwardWhereThatIsExact) {
  {
    Board board;
    board.x = board.b.batch_norm("bn", board.x);
    Network net = board.finish();
    EXPECT_EQ(check(std::move(net), "through flatten"), 1);
  }
  for (const int groups : {1, 2})
    for (const bool wrap : {false, true}) {
      Board board;
      ConvOptions options;
      options.groups = groups;
      options.wrap = wrap;
      options.padding = wrap ? 1 : 0;
      board.x = board.b.conv("conv", board.b.batch_norm("bn", board.x), 4, options);
      EXPECT_EQ(check(board.finish(), "before a convolution of " + std::to_string(groups) + " groups"), 1);
    }
  Board twice;
  twice.x = twice.b.batch_norm("bn2", twice.b.batch_norm("bn1", twice.b.conv("conv", twice.x, 4, {})));
  EXPECT_EQ(check(twice.finish(), "twice"), 2);
}

// The layer that takes over the output's node takes over its name.
TEST(FoldBatchNorm, TheOutputKeepsItsName) {
  NetworkBuilder b;
  const ValueId x = b.input({"chw", {2, 4, 4}});
  b.dense_target({"chw", {3, 4, 4}});
  b.mean_squared_error(b.batch_norm("said", b.conv("conv", x, 3, {})));
  EXPECT_EQ(check(trained_network(b.finish().take(), 1.0), "output"), 1);
}

std::string why_stays(Network net) {
  const std::vector<double> before = evaluated(net);
  const auto report = fold_batch_norm(net).take();
  EXPECT_EQ(report.size(), 1U);
  EXPECT_EQ(report[0].into, "");
  expect_close(before, evaluated(net), report[0].why);
  return report[0].why;
}

TEST(FoldBatchNorm, SaysWhyItStays) {
  {
    Board board;
    board.x = board.b.conv("conv", board.b.batch_norm("bn", board.x), 4, {});
    EXPECT_EQ(why_stays(board.finish()),
              "its input is the network's, and conv2d 'conv' behind it has zeros around its input");
  }
  {
    Board board;
    const ValueId shared = board.b.conv("conv", board.x, 4, {});
    board.x = board.b.apply("add", "sum", {board.b.batch_norm("bn", shared), shared});
    EXPECT_EQ(why_stays(board.finish()),
              "its input 'conv' is read by others as well, and add 'sum' behind it has no weights");
  }
  {
    Board board;
    const ValueId y = board.b.batch_norm("bn", board.b.relu("relu", board.x));
    board.x = board.b.apply("add", "sum", {y, y});
    EXPECT_EQ(why_stays(board.finish()),
              "its input comes from relu 'relu', which has no weights, and what it says is read by several "
              "nodes, or is what the network says");
  }
  {
    Board board;
    ConvOptions plain;
    plain.bias = false;
    board.x = board.b.relu("relu", board.b.batch_norm("bn", board.b.conv("conv", board.x, 4, plain)));
    Network net = board.finish();
    for (float& variance : net.find("bn.running_var")->value) variance = -1.0f;
    EXPECT_EQ(fold_batch_norm(net).take()[0].why,
              "the weights of conv2d 'conv' would not be finite, and relu 'relu' behind it has no weights");
  }
}

}  // namespace
}  // namespace coppice
