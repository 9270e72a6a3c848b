// SPDX-License-Identifier: Apache-2.0
#include "train/init.h"

#include <gtest/gtest.h>

#include "exec/oracle.h"
#include "io/safetensors.h"
#include "support/small_run.h"
#include "support/temp_dir.h"
#include "train/checkpoint.h"

namespace coppice {
namespace {

using testing::run;
using testing::small_recipe;
using testing::TempDir;

std::string outcome_of(const InitReport& report, const std::string& name) {
  for (const InitReport::Row& row : report.rows)
    if (row.name == name) return row.outcome;
  return "(no row)";
}

Network network_of(const Recipe& recipe) {
  const Dataset data = load_recipe_data(Env::system(), recipe, nullptr).take();
  return make_network(Env::system(), recipe, data).take();
}

const Param& param_of(Network& network, const std::string& name) { return *network.find(name); }

// A trained network whose last layer gets another number of outputs: the rest comes over.
TEST(Init, TakesWhatFitsAndSaysWhatDoesNot) {
  const TempDir folder;
  ASSERT_TRUE(run(Env::system(), small_recipe({{"density", "1"}}), folder.path(), false).ok());
  const std::string file = folder.file(kBestFile);
  Network trained = read_checkpoint(Env::system(), file).take().network;
  Network other = network_of(small_recipe({{"model", "mlp:784-32-24-10"}, {"density", "1"}}));
  const std::vector<float> drawn =
      param_of(other, "fc3.weight").canonical(param_of(other, "fc3.weight").value);

  const auto report = init_from_file(Env::system(), file, other);
  ASSERT_TRUE(report.ok()) << report.status().message();
  EXPECT_EQ(outcome_of(*report, "fc1.weight"), "taken");
  EXPECT_EQ(outcome_of(*report, "fc2.weight"), "16x32 in the file, 24x32 here");
  EXPECT_EQ(outcome_of(*report, "fc3.weight"), "10x16 in the file, 10x24 here");
  EXPECT_EQ(outcome_of(*report, "fc3.bias"), "taken");
  EXPECT_EQ(report->taken(), 3);
  EXPECT_TRUE(report->unused.empty());
  const Param &from = param_of(trained, "fc1.weight"), &to = param_of(other, "fc1.weight");
  EXPECT_TRUE(testing::same_bits(from.canonical(from.value), to.canonical(to.value)));
  EXPECT_TRUE(testing::same_bits(param_of(other, "fc3.weight").canonical(param_of(other, "fc3.weight").value),
                                 drawn));
}

// Each live weight, whatever the block, is the one of the dense file at its place.
TEST(Init, GivesASparseLayerTheValuesOfADenseFile) {
  const TempDir folder;
  std::vector<float> weights(32 * 784);
  for (size_t i = 0; i < weights.size(); ++i) weights[i] = static_cast<float>(i);
  const std::string file = folder.file("dense.safetensors");
  const TensorView view{"fc1.weight", Dtype::kF32, {32, 784}, weights.data()};
  const TensorView extra{"head.weight", Dtype::kF32, {32, 784}, weights.data()};
  ASSERT_TRUE(write_safetensors(Env::system(), file, {view, extra}, {}).ok());
  for (const char* block : {"1x1", "4x1", "16x1", "16x4"}) {
    Network network = network_of(small_recipe({{"block", block}}));
    const auto report = init_from_file(Env::system(), file, network);
    ASSERT_TRUE(report.ok()) << report.status().message();
    EXPECT_EQ(report->unused, std::vector<std::string>{"head.weight"});
    const Param& param = param_of(network, "fc1.weight");
    const std::vector<double> dense = dense_values(param, param.value);
    int64_t live = 0;
    for (size_t i = 0; i < dense.size(); ++i) {
      if (dense[i] == 0.0) continue;
      EXPECT_EQ(dense[i], static_cast<double>(i)) << block;
      ++live;
    }
    EXPECT_NEAR(static_cast<double>(live), static_cast<double>(param.live()), 1) << block;
  }
}

TEST(Init, ASparseFileBringsItsPattern) {
  const TempDir folder;
  ASSERT_TRUE(run(Env::system(), small_recipe({{"block", "4x1"}, {"seed", "5"}}), folder.path(), false).ok());
  Checkpoint trained = read_checkpoint(Env::system(), folder.file(kBestFile)).take();
  for (const char* density : {"1", "0.05"}) {
    Network network = network_of(small_recipe({{"density", density}}));
    const auto report = init_from_file(Env::system(), folder.file(kLastFile), network);
    ASSERT_TRUE(report.ok()) << report.status().message();
    EXPECT_EQ(outcome_of(*report, "fc1.weight"), "taken, with its pattern");
    EXPECT_TRUE(report->unused.empty()) << "optimizer state is not what is looked for";
    EXPECT_TRUE(param_of(network, "fc1.weight").pattern() ==
                param_of(trained.network, "fc1.weight").pattern());
    EXPECT_EQ(network.live_weights(), trained.network.live_weights());
    EXPECT_EQ(network.choices[0].reason, "the pattern of the file");
    EXPECT_TRUE(param_of(network, "fc1.weight").moment1.empty());
  }
}

TEST(Init, RefusesAFileOfAnotherArchitecture) {
  const TempDir folder;
  const float one = 1;
  const std::string file = folder.file("other.safetensors");
  const TensorView view{"encoder.weight", Dtype::kF32, {1, 1}, &one};
  ASSERT_TRUE(write_safetensors(Env::system(), file, {view}, {}).ok());
  Network network = network_of(small_recipe());
  EXPECT_EQ(
      init_from_file(Env::system(), file, network).status().message(),
      file +
          ": nothing in it fits this network: fc1.weight (not in the file), fc1.bias (not in the file), "
          "fc2.weight (not in the file), ...; it holds encoder.weight, ...; is it the same architecture?");
  EXPECT_FALSE(init_from_file(Env::system(), folder.file("none.safetensors"), network).ok());
}

// Only the head learns: the rest keeps its bits and has neither gradient nor optimizer state.
TEST(Freeze, KeepsTheBitsOfWhatIsFrozen) {
  for (const char* model : {"mlp:784-32-16-10", "lenet5", "resnet8"})
    for (const char* names : {"*1.*", "*2*"}) {
      SCOPED_TRACE(std::string(model) + " " + names);
      const TempDir folder;
      const Recipe recipe =
          small_recipe({{"model", model}, {"freeze", names}, {"epochs", "1"}, {"max_steps", "2"}});
      Network before = network_of(recipe);
      const auto report = run(Env::system(), recipe, folder.path(), false);
      ASSERT_TRUE(report.ok()) << report.status().message();
      Network after = read_checkpoint(Env::system(), folder.file(kLastFile)).take().network;
      int frozen = 0, changed = 0;
      for (const Param& param : after.params) {
        const Param& was = param_of(before, param.name());
        const bool same = testing::same_bits(param.canonical(param.value), was.canonical(was.value));
        EXPECT_EQ(after.frozen(param), before.frozen(was)) << param.name();
        if (after.frozen(param)) {
          EXPECT_TRUE(same) << param.name();
          EXPECT_TRUE(param.moment1.empty()) << param.name();
          ++frozen;
        } else {
          changed += !same;
        }
      }
      EXPECT_GT(frozen, 0);
      EXPECT_GT(changed, 0);
    }
}

TEST(Freeze, SavesTheWorkOfGradientsThatNobodyWants) {
  const TempDir all, head;
  const std::vector<std::pair<std::string, std::string>> settings = {
      {"density", "1"}, {"epochs", "1"}, {"max_steps", "1"}};
  auto with_freeze = settings;
  with_freeze.emplace_back("freeze", "fc1.*,fc2.*");
  const auto whole = run(Env::system(), small_recipe(settings), all.path(), false);
  const auto part = run(Env::system(), small_recipe(with_freeze), head.path(), false);
  ASSERT_TRUE(whole.ok() && part.ok());
  EXPECT_EQ(whole->work.useful, 64 * 2.0 * (2 * 784 * 32 + 3 * 32 * 16 + 3 * 16 * 10));
  EXPECT_EQ(part->work.useful, 64 * 2.0 * (784 * 32 + 32 * 16 + 2 * 16 * 10));
  EXPECT_LT(part->planned_bytes, whole->planned_bytes);
}

TEST(Freeze, RefusesWhatItDoesNotFind) {
  const TempDir folder;
  const auto refusal = [&](const char* names) {
    return run(Env::system(), small_recipe({{"freeze", names}}), folder.path(), false).status().message();
  };
  EXPECT_EQ(
      refusal("fc9.*"),
      "freeze: 'fc9.*' is the name of no parameter; there are fc1.weight, fc1.bias, fc2.weight, fc2.bias, "
      "fc3.weight, fc3.bias");
  EXPECT_EQ(refusal("*"), "freeze: '*' leaves nothing to train");
}

TEST(Freeze, GoesOnBitForBit) {
  const Recipe recipe = small_recipe({{"freeze", "fc1.*"}});
  const TempDir whole, parts;
  ASSERT_TRUE(run(Env::system(), recipe, whole.path(), false).ok());
  std::atomic<bool> stop{false};
  TrainCallbacks callbacks;
  callbacks.stop = &stop;
  callbacks.on_step = [&](const StepEvent& event) { stop = event.step >= 7; };
  ASSERT_TRUE(run(Env::system(), recipe, parts.path(), false, callbacks).ok());
  ASSERT_TRUE(run(Env::system(), recipe, parts.path(), true).ok());
  const Checkpoint a = read_checkpoint(Env::system(), whole.file(kLastFile)).take();
  const Checkpoint b = read_checkpoint(Env::system(), parts.file(kLastFile)).take();
  testing::expect_same_network(a.network, b.network);
}

}  // namespace
}  // namespace coppice
