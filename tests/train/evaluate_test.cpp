// SPDX-License-Identifier: Apache-2.0
#include "train/evaluate.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/rng.h"
#include "support/temp_dir.h"
#include "train/trainer.h"

namespace coppice {
namespace {

Recipe recipe_for(const std::string& data, const std::string& model) {
  Recipe recipe;
  recipe.data = data;
  recipe.model = model;
  recipe.threads = 2;
  recipe.train_samples = 200;
  recipe.test_samples = 150;
  return recipe;
}

struct Judged {
  Dataset data;
  Evaluation evaluation;
  Outputs outputs;
};

Judged judged(const Recipe& recipe) {
  Env& env = Env::system();
  Judged result;
  result.data = load_recipe_data(env, recipe, nullptr).take();
  Network network = make_network(env, recipe, result.data).take();
  const auto evaluator = make_evaluator(network, recipe, result.data.features).take();
  result.outputs.samples = 7;  // of an earlier call
  result.evaluation =
      evaluate(*evaluator, network.graph, result.data, result.data.test, {}, &result.outputs).take();
  return result;
}

TEST(Evaluate, KeepsTheOutputsOfEachSampleWithItsLabel) {
  const Judged judgement = judged(recipe_for("glyphs", "mlp:784-20-10"));
  const Outputs& outputs = judgement.outputs;
  const Split& test = judgement.data.test;
  ASSERT_EQ(outputs.samples, 150);
  ASSERT_EQ(outputs.width, 10);
  ASSERT_EQ(outputs.said.size(), 1500U);
  EXPECT_TRUE(outputs.targets.empty());
  ASSERT_EQ(outputs.labels.size(), 150U);
  int64_t right = 0;
  for (size_t n = 0; n < 150; ++n) {
    EXPECT_EQ(outputs.labels[n], test.samples->labels[static_cast<size_t>(test.indices[n])]);
    const auto row = outputs.said.begin() + static_cast<std::ptrdiff_t>(n * 10);
    right += std::max_element(row, row + 10) - row == outputs.labels[n];
  }
  EXPECT_DOUBLE_EQ(judgement.evaluation.accuracy, static_cast<double>(right) / 150);
}

TEST(Evaluate, KeepsTheTargetsOfEachBoard) {
  const Judged judgement = judged(recipe_for("life", "life:1,2"));
  const Outputs& outputs = judgement.outputs;
  const auto width = static_cast<size_t>(outputs.width);
  ASSERT_EQ(outputs.width, judgement.data.outputs);
  ASSERT_EQ(outputs.samples, 150);
  ASSERT_EQ(outputs.targets.size(), 150 * width);
  ASSERT_EQ(outputs.said.size(), 150 * width);
  const Split& test = judgement.data.test;
  for (size_t n = 0; n < 150; ++n)
    for (size_t o = 0; o < width; ++o)
      ASSERT_EQ(outputs.targets[n * width + o],
                test.samples->targets[static_cast<size_t>(test.indices[n]) * width + o]);
  int64_t right = 0;
  for (size_t i = 0; i < outputs.said.size(); ++i) right += (outputs.said[i] > 0) == (outputs.targets[i] > 0);
  EXPECT_DOUBLE_EQ(judgement.evaluation.accuracy,
                   static_cast<double>(right) / static_cast<double>(outputs.said.size()));
}

// Pictures of 28 x 28 with two targets each that nothing tells; more samples than a tile of either width.
Dataset pictures(Task task) {
  constexpr int kSamples = 150;
  Rng rng(2, stream_id("test", "pictures"));
  auto samples = std::make_shared<Samples>();
  for (int i = 0; i < kSamples * 28 * 28; ++i)
    samples->pixels.push_back(static_cast<uint8_t>(rng.below(256)));
  for (int i = 0; i < kSamples * 2; ++i) {
    if (task == Task::kLabels)
      samples->targets.push_back(static_cast<uint8_t>(rng.below(2)));
    else
      samples->quantities.push_back(1000 + 50 * rng.normal());
  }
  Dataset data;
  data.name = "pictures";
  data.features = {1, 28, 28};
  data.task = task;
  data.outputs = 2;
  data.target_names = {"a", "b"};
  data.normalisation = {{0.5f}, {0.25f}};
  if (task == Task::kRegression) data.target_scale = {{1000, 990}, {50, 60}};
  data.test.samples = std::move(samples);
  for (int i = 0; i < kSamples; ++i) data.test.indices.push_back(i);
  return data;
}

// Errors that are too large for a float are not known, and no errors of 0.
// Columns go by their names, classes by theirs, and all is normalised as the samples that are learnt from.
TEST(RecipeData, ValidationSamplesMayComeFromElsewhere) {
  const testing::TempDir folder;
  const std::string learnt =
      folder.write("a.csv", "width,height,kind\n1,10,rose\n2,20,tulip\n3,30,rose\n4,40,tulip\n5,50,rose\n");
  Recipe recipe;
  recipe.data = learnt;
  recipe.test_share = 0;
  recipe.val_data = folder.write("b.csv", "height,kind,width\n70,tulip,7\n80,tulip,8\n");
  const Dataset data = load_recipe_data(Env::system(), recipe, nullptr).take();
  EXPECT_EQ(data.train.size(), 5);
  ASSERT_EQ(data.validation.size(), 2);
  EXPECT_EQ(data.validation.samples->numbers, (std::vector<float>{7, 70, 8, 80}));
  EXPECT_EQ(data.validation.samples->labels, (std::vector<int32_t>{1, 1}));
  recipe.val_data.clear();
  EXPECT_EQ(load_recipe_data(Env::system(), recipe, nullptr)->normalisation.mean, data.normalisation.mean);

  recipe.val_data = folder.write("c.csv", "width,depth,kind\n7,70,tulip\n");
  const std::string refused = load_recipe_data(Env::system(), recipe, nullptr).status().message();
  EXPECT_EQ(refused.find("val_data: "), 0u) << refused;
}

TEST(Evaluate, WhatIsTooLargeIsUnknown) {
  Dataset data = pictures(Task::kRegression);
  data.target_scale = {{3e38f, 3e38f}, {3e38f, 3e38f}};
  const Recipe recipe = recipe_for("none", "mlp:784-20-2");
  Network network = make_network(Env::system(), recipe, data).take();
  const auto evaluator = make_evaluator(network, recipe, data.features).take();
  const auto judged = evaluate(*evaluator, network.graph, data, data.test);
  ASSERT_TRUE(judged.ok()) << judged.status().message();
  EXPECT_TRUE(std::isfinite(judged->loss));
  EXPECT_FALSE(judged->rmse.has_value());
  EXPECT_FALSE(judged->r2.has_value());
}

TEST(Evaluate, ManyOutputsAreNotKeptUnasked) {
  Dataset data;
  data.outputs = 256;
  Split split;
  split.generate = [](int64_t, int64_t, uint8_t*, uint8_t*) {};
  split.generated = 1 << 18;
  EXPECT_TRUE(few_outputs(data, split));
  ++split.generated;
  EXPECT_FALSE(few_outputs(data, split));
}

// The loss of each sample is that of what was said about it and of its own targets, whatever the tiles of
// pictures and targets are.
TEST(Evaluate, EachSampleMeetsItsOwnTargets) {
  for (const Task task : {Task::kLabels, Task::kRegression})
    for (const char* model : {"lenet5", "resnet8", "mlp:784-20-2"}) {
      const Dataset data = pictures(task);
      const Recipe recipe = recipe_for("none", model);
      Network network = make_network(Env::system(), recipe, data).take();
      const auto evaluator = make_evaluator(network, recipe, data.features).take();
      Outputs outputs;
      const auto judged = evaluate(*evaluator, network.graph, data, data.test, {}, &outputs);
      ASSERT_TRUE(judged.ok()) << judged.status().message();
      ASSERT_EQ(outputs.samples, 150);
      ASSERT_EQ(outputs.losses.size(), 150U);
      for (size_t n = 0; n < 150; ++n) {
        double loss = 0;
        for (size_t k = 0; k < 2; ++k) {
          const auto said = static_cast<double>(outputs.said[2 * n + k]),
                     target = static_cast<double>(outputs.targets[2 * n + k]);
          if (task == Task::kLabels) {
            ASSERT_EQ(outputs.targets[2 * n + k], data.test.samples->targets[2 * n + k]);
            loss += (std::log1p(std::exp(said)) - target * said) / 2;
          } else {
            ASSERT_EQ(outputs.targets[2 * n + k], data.test.samples->quantities[2 * n + k]);
            loss += std::pow((said - target) / static_cast<double>(data.target_scale.stddev[k]), 2) / 2;
          }
        }
        ASSERT_NEAR(static_cast<double>(outputs.losses[n]), loss, 1e-4 * loss + 1e-5) << model << " " << n;
      }
    }
}

}  // namespace
}  // namespace coppice
