// SPDX-License-Identifier: Apache-2.0
// Whole runs that learn labels and quantities, and the choice of the best state by a metric.
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <fstream>

#include "base/rng.h"
#include "models/json.h"
#include "support/small_run.h"
#include "support/temp_dir.h"
#include "support/zip.h"
#include "train/usual.h"

namespace coppice {
namespace {

using testing::expect_same_network;
using testing::run;
using testing::TempDir;

// Four columns to learn from; y and z are quantities far from 0, p and q labels.
std::string table(int rows) {
  Rng rng(4, stream_id("test", "table"));
  std::string text = "a,b,c,d,y,z,p,q\n";
  for (int i = 0; i < rows; ++i) {
    double x[4];
    for (double& one : x) one = std::round(1000 * static_cast<double>(rng.normal())) / 1000;
    const double y = 50000 + 4000 * (3 * x[0] - 2 * x[1] + 0.1 * static_cast<double>(rng.normal()));
    for (const double one : x) text += std::to_string(one) + ",";
    text += std::to_string(y) + "," + std::to_string(-1e-3 * x[2]) + "," + (x[0] + x[1] > 0 ? "1," : "0,") +
            (x[2] * x[3] > 0 ? "1\n" : "0\n");
  }
  return text;
}

Recipe recipe_for(const std::string& path, const std::string& target,
                  const std::vector<std::pair<std::string, std::string>>& more = {}) {
  std::vector<Setting> settings = {{"data", path, "test"},     {"target", target, "test"},
                                   {"density", "0.5", "test"}, {"epochs", "6", "test"},
                                   {"threads", "1", "test"},   {"save_every", "0", "test"},
                                   {"batch", "32", "test"},    {"validation", "0.2", "test"}};
  for (const auto& [key, value] : more) settings.push_back({key, value, "test"});
  auto recipe = make_recipe_for_data(Env::system(), settings);
  EXPECT_TRUE(recipe.ok()) << recipe.status().message();
  return recipe.take();
}

struct Case {
  const char *target, *metric, *block;
};
class Tasks : public ::testing::TestWithParam<Case> {};

// By any metric a run that stops and goes on finds the same best as one that does not, on any number of
// threads; and it is the best of its diary.
TEST_P(Tasks, AreTheSameBitsAfterAnInterruptionAndOnAnyNumberOfThreads) {
  const TempDir data;
  const std::string path = data.write("t.csv", table(600));
  const Recipe recipe =
      recipe_for(path, GetParam().target, {{"metric", GetParam().metric}, {"block", GetParam().block}});
  const TempDir whole, parts;
  const auto report = run(Env::system(), recipe, whole.path(), false);
  ASSERT_TRUE(report.ok()) << report.status().message();
  std::atomic<bool> stop{false};
  TrainCallbacks callbacks;
  callbacks.stop = &stop;
  callbacks.on_step = [&](const StepEvent& event) { stop = event.step == 20 || event.step == 55; };
  Recipe other = recipe;
  for (int part = 0; part < 3; ++part) {
    other.threads = part + 1;
    stop = false;
    const auto stopped = run(Env::system(), other, parts.path(), part > 0, callbacks);
    ASSERT_TRUE(stopped.ok()) << stopped.status().message();
    EXPECT_EQ(stopped->stop, part < 2 ? Stop::kInterrupted : Stop::kDone);
  }
  EXPECT_EQ(testing::diary(Env::system(), whole.path()), testing::diary(Env::system(), parts.path()));
  for (const char* file : {kLastFile, kBestFile}) {
    const auto a = read_checkpoint(Env::system(), join_path(whole.path(), file)),
               b = read_checkpoint(Env::system(), join_path(parts.path(), file));
    ASSERT_TRUE(a.ok() && b.ok());
    expect_same_network(a->network, b->network);
    EXPECT_EQ(a->info.progress.best.value, b->info.progress.best.value);
    EXPECT_EQ(a->info.progress.best_epoch, b->info.progress.best_epoch);
    EXPECT_EQ(a->info.preprocessing.target_scale.mean, b->info.preprocessing.target_scale.mean);
  }
  const Score best = report->progress.best;
  const std::string name = *GetParam().metric != '\0' ? GetParam().metric : "loss";
  EXPECT_EQ(best.metric, name);
  ASSERT_TRUE(best.value.has_value());
  for (const Json& row : testing::diary(Env::system(), whole.path())) {
    const double value = row["validation_" + name].get<double>();
    EXPECT_TRUE(best.larger_is_better ? value <= *best.value : value >= *best.value) << row;
    if (row["epoch"] == report->progress.best_epoch) {
      EXPECT_EQ(value, *best.value);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Train, Tasks,
                         ::testing::Values(Case{"y", "", "1x1"}, Case{"y,z", "r2", "4x1"},
                                           Case{"y", "mae", "16x1"}, Case{"p,q", "auc", "1x1"},
                                           Case{"p,q", "f1", "4x1"}),
                         [](const auto& one) { return "case" + std::to_string(one.index); });

TEST(Tasks, LearnQuantitiesInTheirOwnUnit) {
  const TempDir data, folder;
  const Recipe recipe = recipe_for(data.write("t.csv", table(800)), "y,z", {{"epochs", "20"}});
  EXPECT_EQ(recipe.model, "mlp:6-300-100-2");
  const auto report = run(Env::system(), recipe, folder.path(), false);
  ASSERT_TRUE(report.ok()) << report.status().message();
  EXPECT_GT(report->test->r2.value_or(0), 0.95);
  EXPECT_GT(*report->test->rmse, 100) << "half of it is that of y, in its unit";
  EXPECT_LT(*report->test->rmse, 1500);
  EXPECT_LT(report->test->loss, 0.05) << "what is trained has deviation 1";
  // What is kept about each sample is what the metrics are made of.
  Checkpoint best = read_checkpoint(Env::system(), join_path(folder.path(), kBestFile)).take();
  const auto split = load_recipe_data(Env::system(), recipe, &best.info.preprocessing).take();
  const auto evaluator = make_evaluator(best.network, recipe, split.features).take();
  Outputs outputs;
  const auto judged = evaluate(*evaluator, best.network.graph, split, split.test, {}, &outputs);
  ASSERT_TRUE(judged.ok()) << judged.status().message();
  EXPECT_EQ(judged->rmse, report->test->rmse);
  ASSERT_EQ(outputs.samples, split.test.size());
  ASSERT_EQ(outputs.losses.size(), static_cast<size_t>(outputs.samples));
  double squares[2] = {}, loss = 0;
  for (size_t n = 0; n < outputs.losses.size(); ++n) {
    double own = 0;
    for (size_t k = 0; k < 2; ++k) {
      const auto target = static_cast<double>(outputs.targets[2 * n + k]);
      EXPECT_EQ(outputs.targets[2 * n + k],
                split.test.samples->quantities[2 * static_cast<size_t>(split.test.indices[n]) + k]);
      const double error = static_cast<double>(outputs.said[2 * n + k]) - target;
      squares[k] += error * error;
      own += error * error / std::pow(static_cast<double>(split.target_scale.stddev[k]), 2) / 2;
    }
    EXPECT_NEAR(own, static_cast<double>(outputs.losses[n]), 1e-3 * own + 1e-6) << n;
    loss += static_cast<double>(outputs.losses[n]);
  }
  const auto samples = static_cast<double>(outputs.samples);
  EXPECT_NEAR(*judged->rmse, (std::sqrt(squares[0] / samples) + std::sqrt(squares[1] / samples)) / 2, 1e-6);
  EXPECT_NEAR(judged->loss, loss / samples, 1e-6);
}

// With a rate that changes nothing, the loss of the training is that of an evaluation of the same samples:
// both give each its own targets, whatever the tiles of pictures, targets and micro-batches are.
TEST(Tasks, TrainingMeetsTheTargetsThatTheEvaluationMeets) {
  constexpr size_t kSamples = 200;
  Rng rng(9, stream_id("test", "pictures"));
  std::vector<uint8_t> pixels, labels;
  std::vector<float> quantities;
  for (size_t i = 0; i < kSamples * 28 * 28; ++i) pixels.push_back(static_cast<uint8_t>(rng.below(256)));
  for (size_t i = 0; i < kSamples * 2; ++i) {
    labels.push_back(static_cast<uint8_t>(rng.below(2)));
    quantities.push_back(rng.normal());
  }
  const std::string x = testing::npy_of("|u1", "(200, 28, 28)", pixels);
  for (const std::string& y :
       {testing::npy_of("|u1", "(200, 2)", labels), testing::npy_of("<f4", "(200, 2)", quantities)})
    for (const char* micro_batch : {"0", "64"}) {
      const TempDir data, folder;
      const std::string path = data.write(
          "a.npz", testing::zip_of({{.name = "x.npy", .content = x}, {.name = "y.npy", .content = y}}));
      const Recipe recipe = recipe_for(path, "",
                                       {{"model", "lenet5"},
                                        {"batch", "128"},
                                        {"micro_batch", micro_batch},
                                        {"crop", "0"},
                                        {"learning_rate", "1e-20"},
                                        {"epochs", "1"}});
      ASSERT_TRUE(run(Env::system(), recipe, folder.path(), false).ok());
      const double train_loss =
          testing::diary(Env::system(), folder.path()).at(0)["train_loss"].get<double>();
      Checkpoint last = read_checkpoint(Env::system(), join_path(folder.path(), kLastFile)).take();
      const auto all = load_recipe_data(Env::system(), recipe, &last.info.preprocessing).take();
      const auto evaluator = make_evaluator(last.network, recipe, all.features).take();
      const auto judged = evaluate(*evaluator, last.network.graph, all, all.train);
      ASSERT_TRUE(judged.ok()) << judged.status().message();
      EXPECT_NEAR(train_loss, judged->loss, 1e-5) << micro_batch;
    }
}

// The unit of a quantity changes nothing but the unit.
TEST(Tasks, AnotherUnitIsTheSameRun) {
  const TempDir data, grams, kilograms;
  std::string other = "a,b,y\n", text = other;
  Rng rng(6, stream_id("test", "unit"));
  for (int i = 0; i < 200; ++i) {
    const auto a = static_cast<int>(rng.below(1024)), b = static_cast<int>(rng.below(1024));
    const std::string columns = std::to_string(a) + "," + std::to_string(b) + ",";
    text += columns + std::to_string(a - 2 * b) + "\n";
    other += columns + std::to_string(1024 * (a - 2 * b)) + "\n";
  }
  const auto report = run(Env::system(), recipe_for(data.write("g.csv", other), "y"), grams.path(), false),
             scaled = run(Env::system(), recipe_for(data.write("k.csv", text), "y"), kilograms.path(), false);
  ASSERT_TRUE(report.ok() && scaled.ok());
  EXPECT_EQ(report->test->loss, scaled->test->loss);
  EXPECT_DOUBLE_EQ(*report->test->rmse, 1024 * *scaled->test->rmse);
  EXPECT_DOUBLE_EQ(*report->test->r2, *scaled->test->r2);
}

TEST(Tasks, LearnLabels) {
  const TempDir data, folder;
  const auto report =
      run(Env::system(), recipe_for(data.write("t.csv", table(1500)), "p,q", {{"epochs", "20"}}),
          folder.path(), false);
  ASSERT_TRUE(report.ok()) << report.status().message();
  EXPECT_GT(report->test->accuracy, 0.93);
  EXPECT_GT(report->test->exact, 0.85);
  EXPECT_FALSE(report->test->r2.has_value());
}

// A network tells the columns that it learnt to tell, by their names, also where they were the default.
TEST(Tasks, OtherTablesAreAskedForWhatWasLearnt) {
  const TempDir data;
  Preprocessing model;
  model.task = Task::kRegression;
  model.features = {2, 1, 1};
  model.numbers = true;
  model.outputs = 1;
  model.target_names = {"price"};
  model.normalisation = {{0, 0}, {1, 1}};
  model.target_scale = {{0}, {1}};
  Recipe recipe;
  recipe.task = Task::kRegression;
  recipe.test_share = 1;
  const auto load = [&](const char* text) {
    recipe.data = data.write("t.csv", text);
    return load_recipe_data(Env::system(), recipe, &model);
  };
  const auto quantities = [&](const char* text) {
    const auto loaded = load(text);
    EXPECT_TRUE(loaded.ok()) << loaded.status().message();
    return loaded.ok() ? loaded->test.samples->quantities : std::vector<float>();
  };
  EXPECT_EQ(quantities("a,price,rooms\n1,20,3\n4,50,6\n"), (std::vector<float>{20, 50}));
  EXPECT_EQ(
      load("a,b,rooms\n1,20,3\n4,50,6\n").status().message(),
      recipe.data + ": has no column 'price', which the network learnt to tell; its columns are a, b, rooms");
  EXPECT_EQ(quantities("1,20,3\n4,50,6\n"), (std::vector<float>{3, 6})) << "without names: as in the recipe";
  EXPECT_EQ(load("1,20,3\n4,50,6\n")->target_names, model.target_names);
  // By its number, where two have one name; then as a network of a table without names calls it.
  recipe.target = "3";
  EXPECT_EQ(quantities("a,price,price\n1,20,3\n4,50,6\n"), (std::vector<float>{3, 6}));
  model.target_names = {"column 3"};
  EXPECT_EQ(quantities("a,price,rooms\n1,20,3\n4,50,6\n"), (std::vector<float>{3, 6}));
  recipe.target = "";
  model.outputs = 2;
  model.features = {1, 1, 1};
  model.target_names = {"b", "a"};
  model.target_scale = {{0, 0}, {1, 1}};
  EXPECT_EQ(quantities("a,b,c\n1,20,3\n4,50,6\n"), (std::vector<float>{20, 1, 50, 4}));
}

// What stands in another order is found by its name, classes among it; what cannot be is no guess.
TEST(Tasks, OtherTablesAreReadInTheOrderOfTheColumnsThatWereLearnt) {
  const TempDir data;
  Preprocessing model;
  model.features = {2, 1, 1};
  model.numbers = true;
  model.outputs = 2;
  model.classes = {"no", "yes"};
  model.columns = {{"a", "b"}, "kind"};
  model.normalisation = {{0, 0}, {1, 1}};
  Recipe recipe;
  recipe.test_share = 1;
  const auto load = [&](const char* text) {
    recipe.data = data.write("t.csv", text);
    return load_recipe_data(Env::system(), recipe, &model);
  };
  const auto refusal = [&](const char* text) { return load(text).status().message(); };
  for (const char* text : {"a,b,kind\n1,2,no\n3,4,yes\n", "kind,b,a\nno,2,1\nyes,4,3\n",
                           "b,kind,a\n2,no,1\n4,yes,3\n", "1,2,no\n3,4,yes\n"}) {
    const auto loaded = load(text);
    ASSERT_TRUE(loaded.ok()) << loaded.status().message();
    EXPECT_EQ(loaded->test.samples->numbers, (std::vector<float>{1, 2, 3, 4})) << text;
    EXPECT_EQ(loaded->test.samples->labels, (std::vector<int32_t>{0, 1})) << text;
    EXPECT_EQ(loaded->columns, model.columns) << "a run that goes on keeps them";
  }
  const std::string& path = recipe.data;
  EXPECT_EQ(refusal("a,c,kind\n1,2,no\n3,4,yes\n"),
            path + ": has no column 'b', which the network learnt from; its columns are a, c, kind");
  EXPECT_EQ(refusal("a,b,sort\n1,2,no\n3,4,yes\n"),
            path + ": has no column 'kind', which the network learnt to tell; its columns are a, b, sort");
  EXPECT_EQ(refusal("row,a,b,kind\n1,1,2,no\n2,3,4,yes\n"),
            path + ": has a column 'row', which the network did not learn from; take it out");
  EXPECT_EQ(refusal("b,a,a,kind\n1,1,2,no\n2,3,4,yes\n"),
            path +
                ": has 2 columns 'a'; put all columns in the order that the network learnt, so that none is "
                "mistaken");
  model.columns.features = {"a", "a"};
  EXPECT_TRUE(load("a,a,kind\n1,2,no\n3,4,yes\n").ok()) << "in the order of the training";
  EXPECT_EQ(refusal("a,b,kind\n1,2,no\n3,4,yes\n").substr(path.size()),
            ": has no column 'a', which the network learnt from; its columns are a, b, kind");
  // From before there were names.
  model.columns = {};
  EXPECT_EQ(load("b,a,kind\n2,1,no\n4,3,yes\n")->test.samples->numbers, (std::vector<float>{2, 1, 4, 3}));
}

// Nothing changes for classes where a metric is asked for that is the usual one.
TEST(Tasks, TheUsualMetricByNameIsTheUsualRun) {
  const TempDir usual, named;
  ASSERT_TRUE(run(Env::system(), testing::small_recipe(), usual.path(), false).ok());
  ASSERT_TRUE(run(Env::system(), testing::small_recipe({{"metric", "top1"}}), named.path(), false).ok());
  EXPECT_EQ(testing::diary(Env::system(), usual.path()), testing::diary(Env::system(), named.path()));
}

TEST(Tasks, RefuseWhatMeansNothing) {
  const TempDir data, folder;
  const std::string path = data.write("t.csv", table(60));
  const auto message = [&](const Recipe& recipe) {
    return run(Env::system(), recipe, folder.file("run"), false).status().message();
  };
  EXPECT_EQ(message(recipe_for(path, "y", {{"metric", "auc"}})),
            "metric: 'auc' means nothing where the task is regression; there are loss, mse, rmse, mae, r2");
  // What can have no value would leave the choice to the loss.
  EXPECT_EQ(message(recipe_for(path, "", {{"label", "p"}, {"metric", "top5"}, {"patience", "2"}})),
            "metric: 'top5' has no value for the 11 validation samples, as it takes more than five classes; "
            "choose another");
  std::string constant = "a,p,y\n";
  for (int i = 0; i < 40; ++i) constant += std::to_string(i) + ",1,2.5\n";
  const std::string same = data.write("same.csv", constant);
  EXPECT_EQ(message(recipe_for(same, "y", {{"metric", "r2"}})),
            "metric: 'r2' has no value for the 7 validation samples, as it takes targets that vary; choose "
            "another");
  EXPECT_EQ(
      message(recipe_for(same, "p", {{"metric", "auc"}})),
      "metric: 'auc' has no value for the 7 validation samples, as it takes samples of two kinds; choose "
      "another");
  EXPECT_EQ(message(recipe_for(path, "p,q", {{"label_smoothing", "0.1"}})),
            "label_smoothing: belongs to classes, the task is labels; leave it out");
  // A run chose by a metric, and goes on with it.
  Recipe recipe = recipe_for(path, "y", {{"epochs", "1"}});
  ASSERT_TRUE(run(Env::system(), recipe, folder.file("run"), false).ok());
  recipe.metric = "mae";
  recipe.epochs = 2;
  const auto other = run(Env::system(), recipe, folder.file("run"), true);
  EXPECT_EQ(other.status().message(),
            "metric: the run chooses its best by loss, not by mae; start a new one for that");
}

}  // namespace
}  // namespace coppice
