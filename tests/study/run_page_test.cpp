// SPDX-License-Identifier: Apache-2.0
#include "study/run_page.h"

#include <gtest/gtest.h>

#include <atomic>

#include "support/small_run.h"
#include "support/temp_dir.h"

namespace coppice {
namespace {

using testing::run;
using testing::small_recipe;

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// A finished run in `folder`/NAME with its account; the judgement of its test samples goes to `judgement`.
RunRecord finished(const testing::TempDir& folder, const std::string& name, const Recipe& recipe,
                   Judgement* judgement = nullptr) {
  Env& env = Env::system();
  TrainCallbacks callbacks;
  callbacks.on_judged = [&](const JudgedEvent& event) {
    if (judgement != nullptr) *judgement = judge(event).take();
  };
  auto report = run(env, recipe, folder.file(name), false, callbacks);
  EXPECT_TRUE(report.ok()) << report.status().message();
  EXPECT_TRUE(write_account(env, folder.file(name), {report.take(), "coppice <test>", "a CPU"}).ok());
  auto record = read_run(env, folder.file(name));
  EXPECT_TRUE(record.ok()) << record.status().message();
  return record.take();
}

TEST(Account, ReadsAsItWasWritten) {
  const testing::TempDir folder;
  const RunRecord record = finished(folder, "run", small_recipe());
  ASSERT_TRUE(record.account);
  const TrainReport& report = record.account->report;
  EXPECT_EQ(report.stop, Stop::kDone);
  EXPECT_EQ(report.progress.step, 15);
  ASSERT_TRUE(report.test && report.validation);
  EXPECT_EQ(report.test->samples, 60);
  EXPECT_GT(report.work.dense, report.work.useful);
  EXPECT_GT(report.dense_parameter_bytes, report.parameter_bytes);
  EXPECT_EQ(report.network.layers.size(), 3U);
  EXPECT_EQ(report.network.layers[0].total, 784 * 32);
  EXPECT_EQ(record.account->program, "coppice <test>");
  EXPECT_EQ(record.account->cpu, "a CPU");
  const Json again = account_json(*record.account, folder.file("run"));
  EXPECT_EQ(json_text(again) + "\n", testing::content(folder.file("run/account.json")));
}

// An evaluation of quantities has no share of right ones, and none is made up.
TEST(Account, SaysOfEachTaskWhatItHas) {
  const testing::TempDir folder;
  RunRecord record = finished(folder, "run", small_recipe());
  Evaluation judged;
  judged.samples = 7;
  judged.loss = 0.25;
  for (const Task task : {Task::kLabels, Task::kRegression}) {
    const bool labels = task == Task::kLabels;
    judged.task = task;
    judged.accuracy = labels ? 0.75 : 0;
    judged.exact = labels ? 0.5 : 0;
    if (!labels) judged.rmse = 12.5;
    record.account->report.test = judged;
    record.account->report.validation = judged;
    if (!labels) record.account->report.validation->r2 = -0.5;
    record.account->report.validation->rmse.reset();
    ASSERT_TRUE(write_account(Env::system(), folder.file("run"), *record.account).ok());
    const auto again = read_run(Env::system(), folder.file("run"));
    ASSERT_TRUE(again.ok()) << again.status().message();
    const TrainReport& report = again->account->report;
    EXPECT_EQ(report.test->task, task);
    EXPECT_EQ(report.test->accuracy, judged.accuracy);
    EXPECT_EQ(report.test->exact, judged.exact);
    EXPECT_EQ(report.test->rmse, judged.rmse);
    EXPECT_FALSE(report.validation->rmse.has_value());
    EXPECT_FALSE(report.test->r2.has_value());
    const std::string page = run_page(*again, nullptr);
    EXPECT_EQ(has(page, "right, test"), labels);
    EXPECT_EQ(has(page, "r2, test"), !labels);
    if (!labels) {
      EXPECT_EQ(report.validation->r2, -0.5);
      EXPECT_FALSE(evaluation_json(*report.test).contains("accuracy"));
    }
  }
}

TEST(Account, CountsTheMemoryOfTheDenseNetworkAsATrainingOfItDoes) {
  const testing::TempDir folder;
  const RunRecord sparse = finished(folder, "sparse", small_recipe()),
                  dense = finished(folder, "dense", small_recipe({{"density", "1"}}));
  EXPECT_EQ(sparse.account->report.dense_parameter_bytes, dense.account->report.dense_parameter_bytes);
  // What its formats add to 16 and 10 rows is no part of the count.
  EXPECT_LE(dense.account->report.dense_parameter_bytes, dense.account->report.parameter_bytes);
  EXPECT_EQ(sparse.account->report.work.dense, dense.account->report.work.useful);
}

TEST(Account, ALyingFileIsASentenceThatNamesIt) {
  const testing::TempDir folder;
  const RunRecord record = finished(folder, "run", small_recipe({{"epochs", "1"}}));
  const std::string path = folder.file("run/account.json"), whole = testing::content(path);
  const auto replaced = [&](const std::string& from, const std::string& to) {
    std::string text = whole;
    EXPECT_NE(text.find(from), std::string::npos) << from;
    return text.replace(text.find(from), from.size(), to);
  };
  for (const std::string& text :
       {std::string(), whole.substr(0, whole.size() / 2), std::string("[]"), replaced("\"done\"", "\"well\""),
        replaced("account\":1", "account\":2"), replaced("\"steps\":5", "\"steps\":-5"),
        replaced("\"steps\":5", "\"steps\":1e99"), replaced("\"layers\":[", "\"layers\":[7,"),
        replaced("\"live\":", "\"alive\":"), replaced("\"threads\":2", "\"threads\":\"two\""),
        replaced("\"cpu_seconds\":", "\"cpu_seconds\":null,\"was\":")}) {
    folder.write("run/account.json", text);
    const auto read = read_run(Env::system(), folder.file("run"));
    ASSERT_FALSE(read.ok()) << text;
    EXPECT_TRUE(has(read.status().message(), path)) << read.status().message();
  }
}

TEST(RunRecord, AnAccountThatTheRunHasOutlivedDoesNotCount) {
  const testing::TempDir folder;
  finished(folder, "run", small_recipe({{"epochs", "1"}}));
  const std::string diary = testing::content(folder.file("run/metrics.jsonl"));
  std::string later = diary;
  later.replace(later.find("\"step\":5"), 8, "\"step\":9");
  folder.write("run/metrics.jsonl", diary + later + "{\"epoch\":3,\"st");
  const RunRecord record = read_run(Env::system(), folder.file("run")).take();
  EXPECT_FALSE(record.account);
  EXPECT_EQ(record.epochs.size(), 2U);
  EXPECT_TRUE(has(run_page(record, nullptr), "not over yet, or killed, after update 9"));
}

TEST(RunRecord, HasNoAccountWhileARunGoesOn) {
  const testing::TempDir folder;
  finished(folder, "run", small_recipe({{"epochs", "1"}}));
  std::atomic<bool> stop{false};
  TrainCallbacks callbacks;
  callbacks.stop = &stop;
  bool seen = false;
  callbacks.on_step = [&](const StepEvent&) {
    seen = true;
    EXPECT_FALSE(read_run(Env::system(), folder.file("run"))->account);
    stop = true;
  };
  ASSERT_TRUE(run(Env::system(), small_recipe({{"epochs", "3"}}), folder.file("run"), true, callbacks).ok());
  EXPECT_TRUE(seen);
}

TEST(RunRecord, IsNamedAfterItsDirectory) {
  const testing::TempDir folder;
  finished(folder, "run", small_recipe({{"epochs", "1"}}));
  EXPECT_EQ(read_run(Env::system(), folder.file("run/"))->name, "run");
  const auto none = read_run(Env::system(), folder.path());
  EXPECT_TRUE(has(none.status().message(), "is it a directory that `coppice train` made?"));
}

TEST(RunPage, ShowsWhatIsKnown) {
  const testing::TempDir folder;
  Judgement judgement;
  const RunRecord record = finished(folder, "a & b", small_recipe(), &judgement);
  const std::string page = run_page(record, &judgement);
  for (const char* part : {"<title>a &amp; b</title>", "coppice &lt;test&gt;", "right, test", "Curves",
                           "Beside the dense network", "Density", "How good it is", "recall", "precision",
                           "What it takes for what", "Its worst mistakes", "The recipe", "fc1"})
    EXPECT_TRUE(has(page, part)) << part;
  EXPECT_FALSE(has(page, "nan"));
  const std::string bare = run_page(record, nullptr);
  EXPECT_FALSE(has(bare, "mistakes"));
}

TEST(RunPage, ARunOfBoardsHasNoClasses) {
  const testing::TempDir folder;
  Judgement judgement;
  const RunRecord record = finished(
      folder, "life",
      small_recipe({{"data", "life"}, {"model", "life:1,2"}, {"density", "1"}, {"validation", "0.1"}}),
      &judgement);
  const std::string page = run_page(record, &judgement);
  EXPECT_FALSE(has(page, "What it takes for what"));
  EXPECT_TRUE(has(page, "Layers"));
}

TEST(Comparison, HasARowForEachDifferenceAndMeasuresAgainstTheFirst) {
  const testing::TempDir folder;
  const std::vector<RunRecord> runs = {finished(folder, "tenth", small_recipe({{"density", "0.1"}})),
                                       finished(folder, "fifth", small_recipe({{"density", "0.2"}}))};
  const std::string text = comparison_table(runs).text();
  EXPECT_TRUE(has(text, "tenth"));
  EXPECT_TRUE(has(text, "density"));
  EXPECT_FALSE(has(text, "learning_rate"));  // the same in both
  EXPECT_TRUE(has(text, "(2.00x)")) << text;
  const std::string page = comparison_page(runs);
  EXPECT_TRUE(has(page, "fifth, training"));
  EXPECT_TRUE(has(page, "Right, test"));
}

TEST(Comparison, WhatIsNotKnownIsADash) {
  const testing::TempDir folder;
  const RunRecord whole = finished(folder, "whole", small_recipe({{"epochs", "1"}}));
  RunRecord open = whole;
  open.name = "open";
  open.account.reset();
  open.epochs.clear();
  const std::vector<RunRecord> runs = {open, whole};
  const std::string text = comparison_table(runs).text();
  EXPECT_TRUE(has(text, "right, test                              -")) << text;
  EXPECT_FALSE(has(text, "x)")) << "nothing to measure against";
  EXPECT_TRUE(has(comparison_page(runs), "open"));
}

}  // namespace
}  // namespace coppice
