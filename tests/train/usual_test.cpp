// SPDX-License-Identifier: Apache-2.0
#include "train/usual.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "dataset/split.h"
#include "support/pictures.h"
#include "support/temp_dir.h"
#include "train/evaluate.h"

namespace coppice {
namespace {

using testing::plain;
using testing::png_of;
using testing::TempDir;

Dataset shape(Features features, int64_t samples) {
  Dataset data;
  data.features = features;
  data.outputs = 10;
  data.train.indices = all_indices(static_cast<size_t>(samples));
  return data;
}

std::string usual(const Dataset& data, const std::string& key) {
  for (const Setting& setting : usual_settings(data))
    if (setting.key == key) return setting.value;
  return "";
}

TEST(Usual, TheModelFollowsTheSize) {
  EXPECT_EQ(usual(shape({1, 28, 28}, 1000), "model"), "lenet5");
  EXPECT_EQ(usual(shape({3, 28, 28}, 1000), "model"), "resnet20");
  EXPECT_EQ(usual(shape({3, 32, 32}, 1000), "model"), "resnet20");
  EXPECT_EQ(usual(shape({1, 40, 30}, 1000), "model"), "resnet20");
  EXPECT_EQ(usual(shape({3, 96, 96}, 1000), "model"), "resnet8");
  EXPECT_EQ(usual(shape({3, 7, 40}, 1000), "model"), "mlp:840-300-100-10");
  EXPECT_EQ(usual(shape({4, 1, 1}, 1000), "model"), "mlp:4-300-100-10");
}

TEST(Usual, TheBatchFollowsTheNumberOfSamples) {
  EXPECT_EQ(usual(shape({3, 32, 32}, 50000), "batch"), "128");
  EXPECT_EQ(usual(shape({3, 32, 32}, 2500), "batch"), "64");
  EXPECT_EQ(usual(shape({3, 32, 32}, 30), "batch"), "16");
  EXPECT_EQ(usual(shape({3, 224, 224}, 50000), "batch"), "32");
  EXPECT_EQ(usual(shape({3, 32, 32}, 50000), "crop"), "4");
  EXPECT_EQ(usual(shape({30, 1, 1}, 50000), "crop"), "");
  EXPECT_EQ(usual(shape({3, 32, 32}, 50000), "epochs"), "20");
  EXPECT_EQ(usual(shape({3, 32, 32}, 30), "epochs"), "100");
  for (int64_t samples = 2; samples < 10000; ++samples)
    ASSERT_NE(samples % std::stoll(usual(shape({3, 32, 32}, samples), "batch")), 1) << samples;
}

TEST(Usual, SquaredErrorsOfPicturesAreClipped) {
  Dataset data = shape({3, 32, 32}, 1000);
  EXPECT_EQ(usual(data, "clip"), "");
  data.task = Task::kRegression;
  EXPECT_EQ(usual(data, "clip"), "1");
  EXPECT_EQ(usual(data, "crop"), "") << "a quantity may be a place";
  EXPECT_EQ(usual(data, "model"), "resnet20");
  data.features = {30, 1, 1};
  EXPECT_EQ(usual(data, "clip"), "");
  EXPECT_EQ(usual(data, "model"), "mlp:30-300-100-10");
}

TEST(Usual, APathIsEnough) {
  const TempDir dir;
  for (const char* name : {"cat", "dog"}) {
    std::filesystem::create_directories(dir.file(name));
    for (int i = 0; i < 20; ++i)
      dir.write(std::string(name) + "/" + std::to_string(i) + ".png", png_of(plain(32, 40, 3, 5)));
  }
  const auto recipe = make_recipe_for_data(Env::system(), {{"data", dir.path(), "--data"}});
  ASSERT_TRUE(recipe.ok()) << recipe.status().message();
  EXPECT_EQ(recipe->model, "resnet20");
  EXPECT_EQ(recipe->batch, 16);
  EXPECT_EQ(recipe->crop, 4);
  EXPECT_EQ(recipe->optimizer.kind, OptimizerKind::kSgd) << "what belongs to the model is chosen with it";
  const auto chosen = make_recipe_for_data(Env::system(), {{"data", dir.path(), "--data"},
                                                           {"model", "lenet5", "--model"},
                                                           {"image_size", "32", "--image-size"},
                                                           {"epochs", "3", "--epochs"}});
  ASSERT_TRUE(chosen.ok()) << chosen.status().message();
  EXPECT_EQ(chosen->model, "lenet5");
  EXPECT_EQ(chosen->epochs, 3);
  EXPECT_EQ(chosen->optimizer.kind, OptimizerKind::kAdam);
  // What fits the model that will be chosen is no mistake before it is.
  const auto nesterov = make_recipe_for_data(
      Env::system(), {{"data", dir.path(), "--data"}, {"nesterov", "false", "--nesterov"}});
  EXPECT_TRUE(nesterov.ok()) << nesterov.status().message();
  // A mistake in the settings is told before any file is read.
  EXPECT_NE(make_recipe_for_data(Env::system(), {{"data", "/nowhere", "--data"}, {"epochs", "x", "--epochs"}})
                .status()
                .message()
                .find("--epochs"),
            std::string::npos);
  EXPECT_EQ(make_recipe_for_data(Env::system(), {{"data", "/nowhere", "--data"}}).status().code(),
            Code::kNotFound);
  EXPECT_EQ(make_recipe_for_data(Env::system(), {{"data", "mnist", "--data"}})->model, "mlp:784-300-100-10");
}

TEST(Usual, OtherPicturesAreMadeAsTheNetworkWants) {
  const TempDir dir;
  std::filesystem::create_directories(dir.file("dog"));
  dir.write("dog/1.png", png_of(plain(32, 40, 3, 100)));
  Recipe recipe;
  recipe.data = dir.path();
  recipe.test_share = 1;
  Preprocessing model;
  model.features = {1, 8, 8};
  model.normalisation = {{0.25f}, {0.5f}};
  model.outputs = 2;
  model.classes = {"cat", "dog"};
  model.fit = Fit::kStretch;
  const auto data = load_recipe_data(Env::system(), recipe, &model);
  ASSERT_TRUE(data.ok()) << data.status().message();
  EXPECT_EQ(data->features, model.features);
  EXPECT_EQ(data->normalisation.mean, model.normalisation.mean);
  EXPECT_EQ(data->test.samples->labels, std::vector<int32_t>{1});
  EXPECT_EQ(data->test.samples->pixels[0], 100);
}

}  // namespace
}  // namespace coppice
