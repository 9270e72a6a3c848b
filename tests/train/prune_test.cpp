// SPDX-License-Identifier: Apache-2.0
#include "train/prune.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>

#include "exec/oracle.h"
#include "support/small_run.h"
#include "support/temp_dir.h"

namespace coppice {
namespace {

using testing::expect_same_run;
using testing::run;
using testing::small_recipe;
using testing::TempDir;

Recipe pruned(const PruneSource& source, const std::vector<Setting>& chosen, bool finetune = true) {
  auto recipe = prune_recipe(source, chosen, finetune);
  EXPECT_TRUE(recipe.ok()) << recipe.status().message();
  return recipe.take();
}

TEST(PruneRecipe, TakesOverWhatWasTrainedAndNotHowLong) {
  const Recipe from = small_recipe({{"optimizer", "sgd"},
                                    {"learning_rate", "0.2"},
                                    {"momentum", "0.8"},
                                    {"layer", "fc1=0.5"},
                                    {"warmup", "0.1"},
                                    {"patience", "2"},
                                    {"seed", "9"}});
  const Recipe recipe = pruned({"best.safetensors", from}, {{"density", "0.1", "test"}});
  EXPECT_EQ(recipe.data, from.data);
  EXPECT_EQ(recipe.model, from.model);
  EXPECT_EQ(recipe.train_samples, from.train_samples);
  EXPECT_EQ(recipe.init, "best.safetensors");
  EXPECT_EQ(recipe.optimizer.momentum, 0.8f);
  EXPECT_EQ(recipe.sparsity.layers, from.sparsity.layers);
  EXPECT_EQ(recipe.sparsity.density, 0.1);
  EXPECT_EQ(recipe.sparsify.method, "magnitude");
  EXPECT_EQ(recipe.epochs, 10);
  EXPECT_EQ(recipe.patience, 0);
  EXPECT_EQ(recipe.seed, Recipe().seed);
  EXPECT_EQ(recipe.rate.warmup, 0.0);
  EXPECT_EQ(recipe.rate.peak, 0.1) << "half of what it was trained with";
}

TEST(PruneRecipe, WhatIsChosenWinsAlsoWhereTheInheritedMeansNothingBesideIt) {
  const Recipe from = small_recipe({{"optimizer", "sgd"}, {"momentum", "0.8"}, {"schedule", "cosine"}});
  const Recipe recipe = pruned({"best.safetensors", from}, {{"density", "0.1", "test"},
                                                            {"optimizer", "adam", "test"},
                                                            {"schedule", "constant", "test"},
                                                            {"learning_rate", "0.004", "test"},
                                                            {"method", "granet", "test"},
                                                            {"epochs", "3", "test"}});
  EXPECT_EQ(recipe.optimizer.kind, OptimizerKind::kAdam);
  EXPECT_EQ(recipe.rate.peak, 0.004);
  EXPECT_EQ(recipe.sparsify.method, "granet");
  EXPECT_EQ(recipe.epochs, 3);
}

TEST(PruneRecipe, NeedsADensity) {
  const auto recipe = prune_recipe({"best.safetensors", small_recipe()}, {}, true);
  EXPECT_EQ(recipe.status().message(), "density: say how many weights shall stay, such as --density 0.1");
}

// Every weight that is left has the value it had, and batch norm knows the network that is left.
TEST(Prune, WithoutFineTuningOnlyRunningStatisticsChange) {
  const TempDir before, after;
  const Recipe dense = small_recipe({{"model", "resnet8"},
                                     {"density", "1"},
                                     {"epochs", "1"},
                                     {"optimizer", "sgd"},
                                     {"train_samples", "96"},
                                     {"test_samples", "16"}});
  ASSERT_TRUE(run(Env::system(), dense, before.path(), false).ok());
  const std::string file = join_path(before.path(), kBestFile);
  const Recipe recipe = pruned({file, dense}, {{"density", "0.3", "test"}, {"batch", "32", "test"}}, false);
  const auto report = run(Env::system(), recipe, after.path(), false);
  ASSERT_TRUE(report.ok()) << report.status().message();
  Checkpoint old = read_checkpoint(Env::system(), file).take();
  const Checkpoint now = read_checkpoint(Env::system(), join_path(after.path(), kBestFile)).take();
  EXPECT_EQ(now.network.live_weights(), std::llround(0.3 * static_cast<double>(now.network.total_weights())));
  for (const Param& param : now.network.params) {
    const Param& was = *old.network.find(param.name());
    const std::vector<double> x = dense_values(was, was.value), y = dense_values(param, param.value);
    for (size_t i = 0; i < x.size(); ++i)
      ASSERT_TRUE(y[i] == x[i] || (param.is_weight() && y[i] == 0.0)) << param.name() << " [" << i << "]";
  }
  bool changed = false;
  for (const Param& state : now.network.states) {
    const Param& was = *old.network.find(state.name());
    changed |= was.canonical(was.value) != state.canonical(state.value);
  }
  EXPECT_TRUE(changed);
}

// An edit of a hundred rounds takes minutes in a large network.
TEST(Prune, AnEditOfManyRoundsEndsAtOnceAndIsMadeUpFor) {
  const Recipe recipe = small_recipe({{"method", "synflow"}, {"density", "0.1"}});
  const TempDir whole, parts;
  ASSERT_TRUE(run(Env::system(), recipe, whole.path(), false).ok());
  std::atomic<bool> stop{false};
  int64_t rounds = 0;
  TrainCallbacks callbacks;
  callbacks.stop = &stop;
  callbacks.on_pruning = [&](int64_t done, int64_t all) {
    EXPECT_EQ(done, rounds++);
    EXPECT_EQ(all, 100);
    stop = done == 3;
  };
  const auto part = run(Env::system(), recipe, parts.path(), false, callbacks);
  ASSERT_TRUE(part.ok()) << part.status().message();
  EXPECT_EQ(part->stop, Stop::kInterrupted);
  EXPECT_EQ(rounds, 4);
  EXPECT_EQ(part->progress.step, 0);
  ASSERT_TRUE(run(Env::system(), recipe, parts.path(), true).ok());
  expect_same_run(whole.path(), parts.path());
}

// The best state of a run that prunes is one that has lost what it should.
TEST(Prune, TheBestStateHasTheDensityThatWasAskedFor) {
  const TempDir before, after;
  const Recipe dense = small_recipe({{"density", "1"}});
  ASSERT_TRUE(run(Env::system(), dense, before.path(), false).ok());
  const Recipe recipe =
      pruned({join_path(before.path(), kBestFile), dense},
             {{"density", "0.1", "test"}, {"epochs", "6", "test"}, {"update_every", "1", "test"}});
  TrainCallbacks callbacks;
  std::vector<int64_t> live;
  callbacks.on_epoch = [&](const EpochEvent& event) {
    live.push_back(event.live_weights);
    EXPECT_TRUE(!event.best || event.live_weights == live.back());
    EXPECT_FALSE(event.best && event.epoch < 4) << "60 % of the run, not yet over";
  };
  const auto report = run(Env::system(), recipe, after.path(), false, callbacks);
  ASSERT_TRUE(report.ok()) << report.status().message();
  EXPECT_TRUE(std::is_sorted(live.rbegin(), live.rend()));
  EXPECT_GT(live.front(), live.back());
  const Checkpoint best = read_checkpoint(Env::system(), join_path(after.path(), kBestFile)).take();
  EXPECT_EQ(best.network.live_weights(),
            std::llround(0.1 * static_cast<double>(best.network.total_weights())));
  EXPECT_GT(report->progress.edits, 0);
  // Of the work of a run that lost its weights on the way.
  EXPECT_GT(report->work.useful, 0.1 * report->work.dense);
  EXPECT_LT(report->work.useful, report->work.dense);
}

// Patience waits from when there is something to wait for, and a density that falls to the last update is
// reached.
TEST(Prune, ADensityThatFallsToTheEndIsReachedWhateverThePatience) {
  const TempDir directory;
  const Recipe recipe = small_recipe({{"density", "0.1"},
                                      {"method", "magnitude"},
                                      {"prune_end", "1"},
                                      {"update_every", "3"},
                                      {"patience", "1"},
                                      {"learning_rate", "1e-9"},
                                      {"epochs", "4"}});
  const auto report = run(Env::system(), recipe, directory.path(), false);
  ASSERT_TRUE(report.ok()) << report.status().message();
  EXPECT_EQ(report->stop, Stop::kDone);
  EXPECT_EQ(report->progress.best_epoch, 4);
  EXPECT_EQ(report->live_weights, std::llround(0.1 * static_cast<double>(report->total_weights)));
}

}  // namespace
}  // namespace coppice
