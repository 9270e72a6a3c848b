// SPDX-License-Identifier: Apache-2.0
#include "train/trainer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <fstream>

#include "host/usage.h"
#include "models/json.h"
#include "support/networks.h"
#include "support/small_run.h"
#include "support/temp_dir.h"
#include "train/cost_table.h"

namespace coppice {
namespace {

using testing::diary;
using testing::expect_same_network;
using testing::expect_same_run;
using testing::last_of;
using testing::run;
using testing::small_recipe;
using testing::TempDir;

// Stops a run after a number of updates, as Ctrl-C does.
struct StopAfter {
  std::atomic<bool> stop{false};
  TrainCallbacks callbacks;
  explicit StopAfter(int64_t step) {
    callbacks.on_step = [this, step](const StepEvent& event) { stop = event.step >= step; };
    callbacks.stop = &stop;
  }
};

struct Case {
  const char *block, *optimizer, *method = "static";
};
class Resume : public ::testing::TestWithParam<Case> {};

TEST_P(Resume, GoesOnBitForBitAfterAnyStep) {
  std::vector<std::pair<std::string, std::string>> more = {
      {"block", GetParam().block}, {"optimizer", GetParam().optimizer}, {"learning_rate", "0.01"}};
  if (const MethodDef& method = *find_method(GetParam().method); method.keep) {
    more.emplace_back("method", method.name);
    more.emplace_back("update_every", "2");
  }
  const Recipe recipe = small_recipe(more);
  const TempDir whole;
  const auto report = run(Env::system(), recipe, whole.path(), false);
  ASSERT_TRUE(report.ok()) << report.status().message();
  EXPECT_EQ(report->progress.step, 15);
  // Within the first epoch, at its end, and after two interruptions; the second part on another number of
  // threads.
  for (const std::vector<int64_t>& stops : {std::vector<int64_t>{3}, {5}, {1, 12}}) {
    const TempDir parts;
    bool resume = false;
    for (const int64_t step : stops) {
      StopAfter after(step);
      const auto part = run(Env::system(), recipe, parts.path(), resume, after.callbacks);
      ASSERT_TRUE(part.ok()) << part.status().message();
      EXPECT_EQ(part->stop, Stop::kInterrupted);
      EXPECT_EQ(part->progress.step, step);
      EXPECT_FALSE(part->test.has_value());
      resume = true;
    }
    Recipe other = recipe;
    other.threads = 3;
    const auto rest = run(Env::system(), other, parts.path(), true);
    ASSERT_TRUE(rest.ok()) << rest.status().message();
    EXPECT_EQ(rest->stop, Stop::kDone);
    expect_same_run(whole.path(), parts.path());
    EXPECT_EQ(rest->test->loss, report->test->loss);
    EXPECT_EQ(rest->validation->accuracy, report->validation->accuracy);
  }
}

INSTANTIATE_TEST_SUITE_P(Train, Resume,
                         ::testing::Values(Case{"1x1", "sgd"}, Case{"4x1", "sgd"}, Case{"1x1", "adam"},
                                           Case{"16x1", "adamw"}, Case{"4x1", "adam"},
                                           Case{"1x1", "adam", "set"}, Case{"4x1", "adam", "rigl"},
                                           Case{"1x1", "sgd", "rigl"}, Case{"16x1", "sgd", "granet"},
                                           Case{"1x1", "adamw", "granet"}, Case{"1x1", "adam", "magnitude"},
                                           Case{"1x1", "sgd", "snip"}, Case{"4x1", "adam", "synflow"},
                                           Case{"1x1", "sgd", "chts"}, Case{"4x1", "adam", "chtss"}));

TEST(Train, GoesOnBitForBitWithFreshBoardsOfLife) {
  const std::vector<Setting> settings = {{"data", "life", "test"},        {"model", "life:1,2", "test"},
                                         {"train_samples", "40", "test"}, {"test_samples", "8", "test"},
                                         {"epochs", "3", "test"},         {"life_side", "6", "test"},
                                         {"threads", "2", "test"}};
  const Recipe recipe = make_recipe(settings).take();
  const TempDir whole, parts;
  ASSERT_TRUE(run(Env::system(), recipe, whole.path(), false).ok());
  StopAfter after(7);
  ASSERT_TRUE(run(Env::system(), recipe, parts.path(), false, after.callbacks).ok());
  ASSERT_TRUE(run(Env::system(), recipe, parts.path(), true).ok());
  expect_same_run(whole.path(), parts.path());
}

// A full layer on single weights: no table that ships would choose that.
constexpr char kTurnedTable[] =
    R"({"coppice.cost_table":1,"cpu":"a CPU","isa":"c","rows":[
        {"format":"dense","density":1,"gflops":1},{"format":"segments","density":1,"gflops":100}]})";

std::string formats_of(Network& network) {
  std::string names;
  const auto executor = Executor::create(network, training_options(small_recipe()));
  EXPECT_TRUE(executor.ok());
  for (const KernelChoice& choice : (*executor)->choices()) names += choice.format + " ";
  return names;
}

// Residual connections: a graph that was read adds up gradients as one that was built.
TEST(Train, GoesOnBitForBitWithAResidualNetwork) {
  const Recipe recipe = small_recipe({{"model", "resnet8"}, {"batch", "16"}, {"epochs", "1"}});
  const TempDir whole, parts;
  ASSERT_TRUE(run(Env::system(), recipe, whole.path(), false).ok());
  StopAfter after(2);
  ASSERT_TRUE(run(Env::system(), recipe, parts.path(), false, after.callbacks).ok());
  const auto rest = run(Env::system(), recipe, parts.path(), true);
  ASSERT_TRUE(rest.ok()) << rest.status().message();
  expect_same_run(whole.path(), parts.path());
}

// The tables that lie around when a run goes on, or is judged, are not those that it began with.
TEST(Train, GoesOnWithTheCostTableThatItBeganWith) {
  const TempDir whole, parts, tables;
  const std::string file = tables.write("table.json", kTurnedTable);
  const Recipe recipe = small_recipe({{"density", "1"}, {"cost_table", file}});
  const auto report = run(Env::system(), recipe, whole.path(), false);
  ASSERT_TRUE(report.ok()) << report.status().message();
  StopAfter after(7);
  ASSERT_TRUE(run(Env::system(), recipe, parts.path(), false, after.callbacks).ok());

  ASSERT_TRUE(Env::system().remove(file).ok());
  const std::string isa = last_of(parts.path()).info.isa;
  setenv("COPPICE_CONFIG_DIR", tables.path().c_str(), 1);
  ASSERT_TRUE(write_cost_table(Env::system(), *tuned_table_path(isa), shipped_cost_table()).ok());
  std::string formats;
  TrainCallbacks callbacks;
  callbacks.on_plan = [&formats](const PlanEvent& event) {
    for (const KernelChoice& choice : event.choices) formats += choice.format + " ";
  };
  // As the command line does: the recipe comes from the checkpoint.
  const auto rest = run(Env::system(), last_of(parts.path()).info.recipe, parts.path(), true, callbacks);
  ASSERT_TRUE(rest.ok()) << rest.status().message();
  EXPECT_EQ(formats, "segments segments segments ");
  expect_same_run(whole.path(), parts.path());
  EXPECT_EQ(rest->test->loss, report->test->loss);

  Checkpoint best = read_checkpoint(Env::system(), join_path(parts.path(), kBestFile)).take();
  EXPECT_EQ(join_path(tables.path(), best.network.cost_table.origin), file) << "not where it lay";
  EXPECT_EQ(formats_of(best.network), "segments segments segments ");
  Checkpoint shipped = read_checkpoint(Env::system(), join_path(parts.path(), kBestFile)).take();
  shipped.network.cost_table = shipped_cost_table();
  for (LayerChoice& choice : shipped.network.choices)
    choice.format.clear();  // what a choice would go on from
  EXPECT_EQ(formats_of(shipped.network), "dense dense dense ") << "the tables would make no difference";

  // The recipe of the run names the copy that the run keeps, so it repeats the run.
  EXPECT_EQ(best.info.recipe.cost_table, kCostTableFile);
  best.info.recipe.cost_table = join_path(parts.path(), kCostTableFile);
  const TempDir again;
  ASSERT_TRUE(run(Env::system(), best.info.recipe, again.path(), false).ok());
  expect_same_run(whole.path(), again.path());
  unsetenv("COPPICE_CONFIG_DIR");
}

TEST(Train, NamesTheShippedCostTableInItsRecipe) {
  const TempDir folder;
  ASSERT_TRUE(run(Env::system(), small_recipe({{"cost_table", "default"}}), folder.path(), false).ok());
  EXPECT_EQ(last_of(folder.path()).info.recipe.cost_table, "default");
  EXPECT_FALSE(Env::system().exists(folder.file(kCostTableFile)));
}

TEST(Train, RefusesACostTableThatIsNone) {
  const TempDir folder, tables;
  const std::string file = tables.write("table.json", "{\"coppice.cost_table\":1}");
  const auto report = run(Env::system(), small_recipe({{"cost_table", file}}), folder.path(), false);
  EXPECT_EQ(report.status().message(), file + ".cpu: is missing; it should be a text");
  EXPECT_FALSE(Env::system().exists(folder.file(kLastFile)));
}

TEST(Train, OneEpochAndTwoMoreAreThreeEpochs) {
  const Recipe three = small_recipe({{"schedule", "constant"}});
  Recipe one = three;
  one.epochs = 1;
  const TempDir whole, parts;
  ASSERT_TRUE(run(Env::system(), three, whole.path(), false).ok());
  ASSERT_TRUE(run(Env::system(), one, parts.path(), false).ok());
  EXPECT_EQ(run(Env::system(), one, parts.path(), true).status().message(),
            "epochs: the run has done all its 5 updates; raise --epochs to go on");
  ASSERT_TRUE(run(Env::system(), three, parts.path(), true).ok());
  expect_same_run(whole.path(), parts.path());
}

TEST(Train, GivesTheSameBitsWithMicroBatchesOnAnyNumberOfThreads) {
  const TempDir one, seven;
  ASSERT_TRUE(
      run(Env::system(), small_recipe({{"threads", "1"}, {"micro_batch", "16"}}), one.path(), false).ok());
  ASSERT_TRUE(
      run(Env::system(), small_recipe({{"threads", "7"}, {"micro_batch", "16"}}), seven.path(), false).ok());
  expect_same_run(one.path(), seven.path());
}

TEST(Train, RefusesMicroBatchesThatCutTiles) {
  const TempDir folder;
  const auto report = run(Env::system(), small_recipe({{"micro_batch", "40"}}), folder.path(), false);
  EXPECT_EQ(report.status().message(), "micro_batch: 40 should be a multiple of 32, the samples of a tile");
}

// Before the first step, not when the epoch is over.
TEST(Train, RefusesALastBatchThatIsTooSmallForBatchNorm) {
  NetworkBuilder b;
  ConvOptions whole_image;
  whole_image.kernel = 28;
  whole_image.padding = 0;
  const ValueId x = b.conv("conv", b.input({"chw", {1, 28, 28}}), 4, whole_image);
  b.class_target();
  b.softmax_cross_entropy(b.linear("fc", b.flatten("flatten", b.batch_norm("bn", x)), 10));
  const Graph graph = b.finish().take();
  const auto status = [&](const char* batch, const char* micro_batch) {
    const TempDir folder;
    const Recipe recipe = small_recipe({{"batch", batch}, {"micro_batch", micro_batch}});
    RunInfo info;
    info.recipe = recipe;
    info.preprocessing = preprocessing_of(load_recipe_data(Env::system(), recipe, nullptr).take());
    Checkpoint from{testing::network_of(graph, 0.5), info};
    return train(Env::system(), {recipe, folder.path(), std::move(from)}, {}).status();
  };
  // 300 samples.
  EXPECT_EQ(
      status("23", "0").message(),
      "batch: 300 samples in batches of 23 end with 1; choose another --batch (batch_norm 'bn': 1 sample "
      "of 1 x 1 pixels is one value per channel, which has no variance; train on batches of 2 samples or "
      "more)");
  EXPECT_EQ(status("33", "32")
                .message()
                .rfind("batch: 300 samples in batches of 33 and micro-batches of 32 end", 0),
            0u);
  EXPECT_TRUE(status("298", "0").ok());
  EXPECT_TRUE(status("400", "0").ok());
}

TEST(Train, LearnsGlyphs) {
  const TempDir folder;
  const auto report = run(
      Env::system(), small_recipe({{"train_samples", "2000"}, {"epochs", "12"}, {"learning_rate", "0.01"}}),
      folder.path(), false);
  ASSERT_TRUE(report.ok()) << report.status().message();
  EXPECT_GT(report->validation->accuracy, 0.6);
  EXPECT_GT(report->test->accuracy, 0.6);
  EXPECT_NEAR(static_cast<double>(report->live_weights), 0.2 * 25760, 2);
  EXPECT_EQ(report->total_weights, 784 * 32 + 32 * 16 + 16 * 10);
  // Hand count: forward, dW and - but for the first layer - dX; 12 epochs of 1,500 samples.
  const Checkpoint last = last_of(folder.path());
  double useful = 0;
  for (const Param& param : last.network.params)
    if (param.is_weight())
      useful += 2.0 * static_cast<double>(param.live()) * (param.name() == "fc1.weight" ? 2 : 3);
  EXPECT_EQ(report->work.useful, useful * 12 * 1500);
  EXPECT_EQ(report->work.dense, 2.0 * (2 * 784 * 32 + 3 * 32 * 16 + 3 * 16 * 10) * 12 * 1500);
  // 23 batches of 64 and one of 28, which takes 32 columns.
  EXPECT_EQ(report->work.executed, useful * 12 * (23 * 64 + 32));
}

// 30 outputs of a dense layer are computed as 32, 10 as 16.
TEST(Train, CountsTheRowsThatPadADenseLayerAsExecuted) {
  const TempDir folder;
  const auto report =
      run(Env::system(), small_recipe({{"model", "mlp:784-30-10"}, {"density", "1"}, {"max_steps", "3"}}),
          folder.path(), false);
  ASSERT_TRUE(report.ok()) << report.status().message();
  EXPECT_EQ(report->work.useful, 2.0 * (2 * 784 * 30 + 3 * 30 * 10) * 3 * 64);
  EXPECT_EQ(report->work.executed, 2.0 * (2 * 784 * 32 + 3 * 30 * 16) * 3 * 64);
  EXPECT_EQ(report->work.dense, report->work.useful);
}

TEST(Train, NeverShowsTheTestSetToTheChoiceOfTheBest) {
  const TempDir folder;
  std::vector<double> losses;
  TrainCallbacks callbacks;
  callbacks.on_epoch = [&](const EpochEvent& event) {
    ASSERT_TRUE(event.validation.has_value());
    EXPECT_EQ(event.validation->samples, 100);
    losses.push_back(event.validation->accuracy);
  };
  const auto report = run(Env::system(), small_recipe(), folder.path(), false, callbacks);
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->validation->accuracy, *std::max_element(losses.begin(), losses.end()));
  EXPECT_EQ(report->test->samples, 60);
}

TEST(Train, StopsWhenPatienceEnds) {
  const TempDir folder;
  // A rate that large never gets better for long.
  const auto report = run(Env::system(),
                          small_recipe({{"optimizer", "sgd"},
                                        {"momentum", "0"},
                                        {"learning_rate", "1e-30"},
                                        {"patience", "2"},
                                        {"epochs", "50"}}),
                          folder.path(), false);
  ASSERT_TRUE(report.ok()) << report.status().message();
  EXPECT_EQ(report->stop, Stop::kPatience);
  EXPECT_EQ(report->progress.epoch, 3);
  EXPECT_EQ(report->progress.best_epoch, 1);
}

TEST(Train, StopsWhenItsTimeIsOverAndSaysHowToGoOn) {
  const TempDir folder;
  const Recipe recipe = small_recipe({{"max_time", "0.000001"}});
  const auto report = run(Env::system(), recipe, folder.path(), false);
  ASSERT_TRUE(report.ok()) << report.status().message();
  EXPECT_EQ(report->stop, Stop::kTime);
  EXPECT_EQ(report->progress.step, 1);
  EXPECT_TRUE(report->test.has_value());
  EXPECT_EQ(run(Env::system(), recipe, folder.path(), true).status().message(),
            "max_time: the run has used its time; raise --max-time to go on");
}

Checkpoint best_of(const std::string& directory) {
  auto checkpoint = read_checkpoint(Env::system(), join_path(directory, kBestFile));
  EXPECT_TRUE(checkpoint.ok()) << checkpoint.status().message();
  return checkpoint.take();
}

// The clock stops it after one step again and again: within the first epoch, when nothing has been judged
// yet, and within later ones.
TEST(Train, ARunThatTheClockStoppedWithinAnEpochFindsTheSameBest) {
  for (const char* validation : {"0.25", "0"})
    for (const char* rate : {"0.3", "0.01"}) {
      const Recipe recipe = small_recipe({{"validation", validation},
                                          {"optimizer", "sgd"},
                                          {"learning_rate", rate},
                                          {"schedule", "constant"}});
      const TempDir whole, parts;
      const auto report = run(Env::system(), recipe, whole.path(), false);
      ASSERT_TRUE(report.ok()) << report.status().message();
      for (int part = 0; part < 13; ++part) {
        Recipe hurried = recipe;
        hurried.max_time = 1e-9 + (part > 0 ? last_of(parts.path()).info.progress.seconds : 0.0);
        const auto stopped = run(Env::system(), hurried, parts.path(), part > 0);
        ASSERT_TRUE(stopped.ok()) << stopped.status().message();
        ASSERT_EQ(stopped->stop, Stop::kTime);
        ASSERT_EQ(stopped->progress.step, part + 1);
        EXPECT_TRUE(stopped->test.has_value()) << "there always is a best";
      }
      const auto rest = run(Env::system(), recipe, parts.path(), true);
      ASSERT_TRUE(rest.ok()) << rest.status().message();
      expect_same_run(whole.path(), parts.path());
      EXPECT_EQ(last_of(whole.path()).info.progress.epochs_since_best,
                last_of(parts.path()).info.progress.epochs_since_best);
      expect_same_network(best_of(whole.path()).network, best_of(parts.path()).network);
      EXPECT_EQ(report->test->loss, rest->test->loss);
    }
}

// Ctrl-C at the last step of a run, within an epoch and at its end: only the evaluation is left to go on
// with.
TEST(Train, AnInterruptionAtTheLastStepLeavesTheEvaluation) {
  for (const char* steps : {"7", "10"}) {
    const Recipe recipe = small_recipe({{"max_steps", steps}});
    const TempDir whole, parts;
    ASSERT_TRUE(run(Env::system(), recipe, whole.path(), false).ok());
    StopAfter after(std::stoi(steps));
    const auto part = run(Env::system(), recipe, parts.path(), false, after.callbacks);
    ASSERT_TRUE(part.ok()) << part.status().message();
    EXPECT_EQ(part->stop, Stop::kInterrupted);
    const auto rest = run(Env::system(), recipe, parts.path(), true);
    ASSERT_TRUE(rest.ok()) << rest.status().message();
    EXPECT_EQ(rest->stop, Stop::kDone);
    expect_same_run(whole.path(), parts.path());
    EXPECT_NE(run(Env::system(), recipe, parts.path(), true).status().message().find("has done all"),
              std::string::npos);
  }
}

TEST(Train, AnInterruptionEndsAnEvaluationAtOnceAndItIsMadeUpFor) {
  const Recipe recipe = small_recipe({{"train_samples", "3000"}, {"validation", "0.9"}});
  const TempDir whole, parts;
  ASSERT_TRUE(run(Env::system(), recipe, whole.path(), false).ok());
  std::atomic<bool> stop{false};
  int64_t seen = 0;
  TrainCallbacks callbacks;
  callbacks.stop = &stop;
  callbacks.on_evaluation = [&](const EvaluationEvent& event) {
    EXPECT_STREQ(event.split, "validation");
    EXPECT_EQ(event.all, 2700);
    seen = event.done;
    stop = true;
  };
  const auto part = run(Env::system(), recipe, parts.path(), false, callbacks);
  ASSERT_TRUE(part.ok()) << part.status().message();
  EXPECT_EQ(part->stop, Stop::kInterrupted);
  EXPECT_LT(seen, 2700);
  EXPECT_EQ(part->progress.epoch, 0);
  ASSERT_TRUE(run(Env::system(), recipe, parts.path(), true).ok());
  expect_same_run(whole.path(), parts.path());
}

// Ctrl-C, or kill -9, after the last step and before anybody was told what the run came to. Patience may have
// ended it, too.
TEST(Train, ARunThatNobodyWasToldOfIsReportedWithoutAnotherStep) {
  for (const char* patience : {"0", "1"}) {
    const Recipe recipe = small_recipe({{"patience", patience}, {"epochs", "8"}, {"learning_rate", "0.3"}});
    const TempDir whole, parts;
    const auto expected = run(Env::system(), recipe, whole.path(), false);
    ASSERT_TRUE(expected.ok()) << expected.status().message();
    std::atomic<bool> stop{false};
    TrainCallbacks callbacks;
    callbacks.stop = &stop;
    callbacks.on_epoch = [&](const EpochEvent& event) { stop = event.step == expected->progress.step; };
    const auto cut = run(Env::system(), recipe, parts.path(), false, callbacks);
    ASSERT_TRUE(cut.ok()) << cut.status().message();
    EXPECT_EQ(cut->stop, Stop::kInterrupted);
    EXPECT_FALSE(cut->test.has_value());
    TrainRequest request{recipe, parts.path(), last_of(parts.path()), true};
    const auto told = train(Env::system(), std::move(request), {});
    ASSERT_TRUE(told.ok()) << told.status().message();
    EXPECT_EQ(told->stop, expected->stop);
    EXPECT_EQ(told->stop, *patience == '0' ? Stop::kDone : Stop::kPatience);
    EXPECT_EQ(told->progress.step, expected->progress.step);
    EXPECT_EQ(told->test->loss, expected->test->loss);
    EXPECT_EQ(told->validation->loss, expected->validation->loss);
    EXPECT_EQ(told->work.useful, expected->work.useful);
    expect_same_run(whole.path(), parts.path());
  }
}

TEST(Train, TwoCannotTrainInOneDirectory) {
  const TempDir folder;
  Status second;
  TrainCallbacks callbacks;
  callbacks.on_epoch = [&](const EpochEvent&) {
    second = run(Env::system(), small_recipe(), folder.path(), true).status();
  };
  ASSERT_TRUE(run(Env::system(), small_recipe({{"epochs", "1"}}), folder.path(), false, callbacks).ok());
  EXPECT_EQ(second.message(), folder.path() +
                                  ": another process trains here; wait for it, stop it, or choose another "
                                  "place with --out");
  EXPECT_TRUE(run(Env::system(), small_recipe({{"epochs", "2"}}), folder.path(), true).ok())
      << "the first one is over";
}

TEST(Train, StopsAtMaxStepsWithinAnEpoch) {
  const TempDir folder;
  const auto report = run(Env::system(), small_recipe({{"max_steps", "7"}}), folder.path(), false);
  ASSERT_TRUE(report.ok()) << report.status().message();
  EXPECT_EQ(report->progress.step, 7);
  EXPECT_EQ(last_of(folder.path()).info.progress.batch, 2);
  EXPECT_EQ(diary(Env::system(), folder.path()).size(), 2u);
}

TEST(Train, DoesNotOverwriteARun) {
  const TempDir folder;
  ASSERT_TRUE(run(Env::system(), small_recipe({{"epochs", "1"}}), folder.path(), false).ok());
  const auto again = run(Env::system(), small_recipe(), folder.path(), false);
  EXPECT_EQ(again.status().message(),
            folder.path() + ": holds a run already; go on with --resume, or choose another place with --out");
}

TEST(Train, RefusesToGoOnWithoutOptimizerState) {
  const TempDir folder;
  ASSERT_TRUE(run(Env::system(), small_recipe({{"epochs", "1"}}), folder.path(), false).ok());
  auto best = read_checkpoint(Env::system(), join_path(folder.path(), kBestFile));
  ASSERT_TRUE(best.ok());
  const auto report = train(Env::system(), {small_recipe(), folder.path(), best.take()}, {});
  EXPECT_NE(report.status().message().find("has no optimizer state; go on from last.safetensors"),
            std::string::npos)
      << report.status().message();
}

TEST(Train, SaysAboveWhichMemoryItWouldFit) {
  const TempDir folder;
  const auto report =
      run(Env::system(), small_recipe({{"memory", "100k"}, {"batch", "128"}}), folder.path(), false);
  EXPECT_EQ(report.status().code(), Code::kNoMemory);
  EXPECT_FALSE(Env::system().exists(join_path(folder.path(), kLastFile)));
}

// The account that a run prints is what counts: training and evaluation, which share the parameters.
TEST(Train, TheMemoryLimitCountsTheEvaluationToo) {
  const std::vector<std::pair<std::string, std::string>> settings = {
      {"model", "lenet5"}, {"batch", "64"}, {"epochs", "1"}, {"max_steps", "1"}};
  int64_t planned = 0;
  {
    const TempDir folder;
    const auto report = run(Env::system(), small_recipe(settings), folder.path(), false);
    ASSERT_TRUE(report.ok()) << report.status().message();
    planned = report->planned_bytes;
  }
  const auto limited = [&](int64_t bytes, const std::string& micro_batch) {
    auto with_limit = settings;
    with_limit.insert(with_limit.end(), {{"memory", std::to_string(bytes)}, {"micro_batch", micro_batch}});
    const TempDir folder;
    return run(Env::system(), small_recipe(with_limit), folder.path(), false).status();
  };
  EXPECT_TRUE(limited(planned, "0").ok());
  const Status refused = limited(planned - 1, "0");
  EXPECT_EQ(refused.code(), Code::kNoMemory);
  EXPECT_NE(refused.message().find(", evaluation "), std::string::npos) << refused.message();
  const size_t at = refused.message().find("--micro-batch ");
  ASSERT_NE(at, std::string::npos) << refused.message();
  EXPECT_TRUE(limited(planned - 1, std::to_string(std::stoi(refused.message().substr(at + 14)))).ok())
      << "advice that does not hold: " << refused.message();
}

// 144 million weights: 576 MB, and as much again for each moment and for their pattern.
TEST(Train, RefusesANetworkThatIsTooLargeBeforeItExists) {
  const TempDir folder;
  const int64_t before = coppice_host_peak_bytes();
  const Recipe recipe =
      small_recipe({{"memory", "100M"}, {"model", "mlp:784-12000-12000-10"}, {"density", "1"}});
  const auto report = run(Env::system(), recipe, folder.path(), false);
  EXPECT_EQ(report.status().code(), Code::kNoMemory);
  EXPECT_EQ(
      report.status().message(),
      "the parameters and their optimizer state need 1757.3 MiB and more, above the limit of 95.4 MiB; no "
      "micro-batch would fit, lower --density or raise --memory");
  EXPECT_LT(coppice_host_peak_bytes() - before, 100'000'000);
}

// However the run diverges, it stops with one sentence, and what lies on disk is the last good state.
TEST(Train, ARunThatDivergesLeavesTheLastGoodStateOnDisk) {
  // Within an epoch, by the update that ends one (the steps of an epoch, then), and with every step saved.
  for (const std::vector<std::pair<std::string, std::string>>& more :
       {std::vector<std::pair<std::string, std::string>>{},
        {{"batch", "300"}},
        {{"batch", "300"}, {"validation", "0"}},
        {{"save_every", "0.000001"}},
        {{"clip", "1e15"}}})
    for (const char* rate : {"100", "1000"}) {
      const TempDir folder;
      std::vector<std::pair<std::string, std::string>> settings = {
          {"optimizer", "sgd"}, {"learning_rate", rate}, {"weight_decay", "10"}, {"schedule", "constant"}};
      settings.insert(settings.end(), more.begin(), more.end());
      settings.insert(settings.end(), {{"epochs", "30"}, {"warmup", "0"}});
      const auto report = run(Env::system(), small_recipe(settings), folder.path(), false);
      ASSERT_FALSE(report.ok()) << rate;
      EXPECT_EQ(report.status().code(), Code::kDiverged);
      const std::string sentence = report.status().message();
      EXPECT_NE(sentence.find("; lower the learning rate"), std::string::npos) << sentence;
      const Checkpoint last = last_of(folder.path());
      EXPECT_NE(sentence.find(join_path(folder.path(), kLastFile) + " holds the run as it was after step " +
                              std::to_string(last.info.progress.step)),
                std::string::npos)
          << sentence;
      for (const char* file : {kLastFile, kBestFile}) {
        const std::string path = join_path(folder.path(), file);
        if (file == kBestFile && !Env::system().exists(path)) continue;
        const auto left = read_checkpoint(Env::system(), path);
        ASSERT_TRUE(left.ok()) << left.status().message();
        for (const Param& param : left->network.params)
          for (const Floats* array : {&param.value, &param.moment1, &param.moment2})
            for (const float v : *array) ASSERT_TRUE(std::isfinite(v)) << file << " " << param.name();
        EXPECT_TRUE(std::isfinite(left->info.progress.loss_sum));
      }
    }
}

}  // namespace
}  // namespace coppice
