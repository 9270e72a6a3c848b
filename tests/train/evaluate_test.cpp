// SPDX-License-Identifier: Apache-2.0
#include "train/evaluate.h"

#include <gtest/gtest.h>

#include <algorithm>

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

}  // namespace
}  // namespace coppice
