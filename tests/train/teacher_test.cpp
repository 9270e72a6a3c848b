// SPDX-License-Identifier: Apache-2.0
// What a teacher says goes where it belongs, and a run with one can be stopped as any other.
#include "train/teacher.h"

#include <gtest/gtest.h>

#include "passes/add_teacher.h"
#include "support/batch.h"
#include "support/networks.h"
#include "support/small_run.h"
#include "support/temp_dir.h"
#include "train/evaluate.h"

namespace coppice {
namespace {

using testing::diary;
using testing::expect_same_network;
using testing::run;
using testing::small_recipe;
using testing::TempDir;

class WithTeacher : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto report = run(Env::system(),
                            small_recipe({{"density", "1"},
                                          {"model", "mlp:784-40-10"},
                                          {"epochs", "20"},
                                          {"learning_rate", "0.01"},
                                          {"train_samples", "1500"}}),
                            teacher_.path(), false);
    ASSERT_TRUE(report.ok()) << report.status().message();
    ASSERT_GT(report->test->accuracy, 0.7);
  }
  std::string file() const { return join_path(teacher_.path(), kBestFile); }
  Recipe recipe(std::vector<std::pair<std::string, std::string>> more = {}) const {
    more.emplace_back("teacher", file());
    return small_recipe(more);
  }
  TempDir teacher_;
};

TEST_F(WithTeacher, SaysOfEachMicroBatchWhatItSaysOfTheSamples) {
  // 48 is no multiple of a tile, so each micro-batch ends in the middle of one.
  const Recipe learns = recipe({{"micro_batch", "48"}});
  const Dataset data = load_recipe_data(Env::system(), learns, nullptr).take();
  auto teacher = Teacher::create(Env::system(), learns, data, shipped_cost_table());
  ASSERT_TRUE(teacher.ok()) << teacher.status().message();
  Checkpoint alone = read_checkpoint(Env::system(), file()).take();
  ExecOptions options;
  options.batch = 48;
  options.training = false;
  const auto executor = Executor::create(alone.network, options).take();
  const ValueId logits = alone.network.graph.logits;
  // The second one is short, and the first one is still there when it has been asked about.
  std::vector<const float*> said;
  std::vector<std::vector<float>> wanted;
  const int samples[] = {48, 16};
  for (const int i : {0, 1}) {
    const TestBatch batch =
        random_batch(alone.network.graph, *executor, samples[i], static_cast<uint64_t>(i));
    said.push_back((*teacher)->logits(batch.view, 48 * i).take());
    ASSERT_TRUE(executor->evaluate(batch.view).ok());
    wanted.push_back(untile(executor->view(logits), 10, samples[i]));
  }
  for (const size_t i : {0u, 1u}) {
    coppice_tiled view = executor->view(logits);
    view.base = const_cast<float*>(said[i]);
    view.tile_stride = 10 * view.width;
    EXPECT_EQ(untile(view, 10, samples[i]), wanted[i]);
  }
}

// With its share at 1 the labels count nothing: what is learnt is what the teacher knows.
TEST_F(WithTeacher, IsLearntFromWithoutLabels) {
  const TempDir alone;
  const auto report = run(Env::system(),
                          recipe({{"teacher_share", "1"},
                                  {"temperature", "1"},
                                  {"epochs", "20"},
                                  {"learning_rate", "0.01"},
                                  {"train_samples", "1500"}}),
                          alone.path(), false);
  ASSERT_TRUE(report.ok()) << report.status().message();
  EXPECT_GT(report->test->accuracy, 0.5);
  // A sample costs what both networks cost.
  const auto own = run(Env::system(), small_recipe({{"epochs", "20"}, {"train_samples", "1500"}}),
                       TempDir().path(), false);
  const double samples = 20 * 1125, teacher = 2.0 * (784 * 40 + 40 * 10);
  EXPECT_DOUBLE_EQ(report->work.useful, own->work.useful + samples * teacher);
  EXPECT_GT(report->planned_bytes, own->planned_bytes + 4 * (784 * 40 + 40 * 10));
}

TEST_F(WithTeacher, ARunGoesOnBitForBit) {
  for (const char* micro : {"0", "32"}) {
    const Recipe learns = recipe({{"micro_batch", micro}, {"method", "rigl"}, {"update_every", "2"}});
    const TempDir whole, parts;
    ASSERT_TRUE(run(Env::system(), learns, whole.path(), false).ok());
    std::atomic<bool> stop{false};
    TrainCallbacks callbacks;
    callbacks.on_step = [&](const StepEvent& event) { stop = event.step >= 7; };
    callbacks.stop = &stop;
    ASSERT_TRUE(run(Env::system(), learns, parts.path(), false, callbacks).ok());
    Recipe other = learns;
    other.threads = 3;
    ASSERT_TRUE(run(Env::system(), other, parts.path(), true).ok());
    const auto last = [](const TempDir& directory) {
      return read_checkpoint(Env::system(), join_path(directory.path(), kLastFile)).take();
    };
    expect_same_network(last(whole).network, last(parts).network);
    EXPECT_EQ(diary(Env::system(), whole.path()), diary(Env::system(), parts.path()));
  }
}

TEST_F(WithTeacher, RefusesOneThatDoesNotFit) {
  const auto refusal = [](const Recipe& recipe) {
    return run(Env::system(), recipe, TempDir().path(), false).status().message();
  };
  EXPECT_EQ(refusal(recipe({{"mean", "0.5"}, {"stddev", "0.5"}}))
                .find("teacher: " + file() +
                      ": learnt from samples that were normalised otherwise; give this run --mean "),
            0u);
  const Recipe life = make_recipe({{"data", "life", "test"},
                                   {"train_samples", "40", "test"},
                                   {"teacher", file(), "test"},
                                   {"life_side", "6", "test"}})
                          .take();
  EXPECT_EQ(refusal(life), "teacher: helps to tell classes apart, the task is labels; leave it out");
  Recipe gone = recipe();
  gone.teacher = "/nowhere/best.safetensors";
  EXPECT_EQ(refusal(gone).find("teacher: "), 0u) << refusal(gone);
}

TEST(AddTeacher, BelongsToALossOfClasses) {
  NetworkBuilder b;
  const ValueId x = b.input({"f", {4}});
  b.dense_target({"f", {3}});
  b.binary_cross_entropy(b.linear("fc", x, 3));
  Graph graph = b.finish().take();
  EXPECT_EQ(add_teacher(graph, 0.5, 1).message(),
            "a teacher helps to tell classes apart; this network learns something else");
  Graph classes = testing::mlp({8, 6, 3});
  ASSERT_TRUE(add_teacher(classes, 0.5, 1).ok());
  EXPECT_EQ(classes.value(classes.teacher).shape.text(), "f=3");
}

}  // namespace
}  // namespace coppice
