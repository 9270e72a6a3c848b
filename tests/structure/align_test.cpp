// SPDX-License-Identifier: Apache-2.0
#include "structure/align.h"

#include <gtest/gtest.h>

#include "base/rng.h"
#include "exec/oracle.h"
#include "models/models.h"
#include "structure/rearrange.h"
#include "support/networks.h"

namespace coppice {
namespace {

using testing::network_of;

std::vector<double> outputs(Network& net) {
  OracleRun run;
  run.batch = 3;
  run.training = false;
  Rng rng(3, stream_id("test", "inputs"));
  const Graph& graph = net.graph;
  for (int64_t i = 0; i < run.batch * graph.value(graph.input).shape.elements(); ++i)
    run.input.push_back(rng.normal());
  run.target.assign(static_cast<size_t>(run.batch), 1.0);
  return run_oracle(graph, net, run).take()[static_cast<size_t>(graph.logits)].data;
}

Result<Alignment> align(const Network& net, BlockShape block, double density, bool network_wide = true) {
  const std::vector<LayerChoice> choices =
      distribute(net.graph, {density, Distribution::kErk, block, {}}).take();
  return align_blocks(net, choices, std::vector<bool>(choices.size(), false), network_wide);
}

TEST(Align, KeepsMoreAndSaysTheSame) {
  const ModelInput image{3, 8, 8, 10};
  for (const char* model : {"mlp:192-64-64-10", "lenet5", "resnet8", "resnet20"})
    for (const BlockShape block : {BlockShape{4, 1}, BlockShape{16, 1}, BlockShape{16, 4}}) {
      const bool digits = std::string(model) == "lenet5";
      Network net = network_of(make_model(model, digits ? ModelInput{1, 28, 28, 10} : image).take(), 1.0);
      auto aligned = align(net, block, 0.2);
      ASSERT_TRUE(aligned.ok()) << aligned.status().message();
      EXPECT_GT(aligned->after, aligned->before) << model << " " << block.text();
      const std::vector<double> before = outputs(net), after = outputs(aligned->network);
      for (size_t i = 0; i < before.size(); ++i)
        ASSERT_NEAR(before[i], after[i], 1e-9 * (1 + std::abs(before[i]))) << model << " " << block.text();
    }
}

// Rows of four kinds, mixed: in order, a block holds one kind.
TEST(Align, FindsWhatBelongsTogether) {
  Network net = network_of(testing::mlp({4, 64, 5}), 1.0);
  Param& weight = *net.find("fc1.weight");
  for (size_t row = 0; row < 64; ++row)
    for (size_t c = 0; c < 4; ++c) weight.value[row * 4 + c] = row % 4 == c ? 1.0f : 0.01f;
  std::vector<LayerChoice> choices = distribute(net.graph, {1.0, Distribution::kErk, {16, 1}, {}}).take();
  choices[0].density = 0.25;
  for (const bool network_wide : {true, false}) {
    const auto aligned = align_blocks(net, choices, {false, false}, network_wide);
    ASSERT_TRUE(aligned.ok()) << aligned.status().message();
    EXPECT_NEAR(aligned->before, 0.25, 1e-6);
    EXPECT_NEAR(aligned->after, 1.0 / 1.03, 1e-6);
  }
}

TEST(Align, IsTheSameEachTime) {
  const Network net = network_of(make_model("resnet8", {3, 8, 8, 10}).take(), 1.0);
  const auto a = align(net, {16, 1}, 0.2), b = align(net, {16, 1}, 0.2);
  for (const Param& param : a->network.params)
    EXPECT_EQ(param.canonical(param.value),
              b->network.find(param.name())->canonical(b->network.find(param.name())->value));
}

TEST(Align, WantsADenseNetwork) {
  EXPECT_EQ(
      align(network_of(testing::mlp({4, 64, 5}), 0.5), {16, 1}, 0.3).status().message(),
      "units are put in order for blocks before anything is pruned; this network has 50.00 % of its weights; "
      "take the one that it was made from");
}

}  // namespace
}  // namespace coppice
