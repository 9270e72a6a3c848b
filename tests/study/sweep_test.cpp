// SPDX-License-Identifier: Apache-2.0
#include "study/sweep.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "study/sweep_table.h"
#include "support/small_run.h"
#include "support/temp_dir.h"

namespace coppice {
namespace {

using testing::content;
using testing::TempDir;

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// "dense" and "tenth" of two seeds, and "wild", which diverges.
constexpr char kStudy[] =
    "[study]\nquestion = 'Is <less> enough?'\nseeds = 2\nbaseline = 'dense'\n"
    "[recipe]\ndata = 'glyphs'\nmodel = 'mlp:784-16-10'\ntrain_samples = 300\ntest_samples = 60\nepochs = 2\n"
    "[[cell]]\nname = 'dense'\n[[cell]]\nname = 'tenth'\ndensity = 0.1\n";

Env& env() { return Env::system(); }

// Trains in this process, step by step: `looks` times somebody has to ask before a run is over.
class TrainerHere : public SweepTrainer {
 public:
  int64_t started = 0, going = 0, most = 0, resumed = 0, looks = 1;
  std::set<std::string> failing;         // names of directories that contain one of these fail
  std::atomic<bool>* stop_at = nullptr;  // set when `stop_after` runs have been started
  int64_t stop_after = 0;

  Result<std::unique_ptr<StartedRun>> start(const SweepRun& run, const std::string& directory,
                                            bool resume) override {
    ++started;
    resumed += resume;
    most = std::max(most, ++going);
    if (stop_at != nullptr && started == stop_after) *stop_at = true;
    return std::unique_ptr<StartedRun>(new Here(*this, run, directory, resume));
  }
  std::string command(const SweepRun& run) const override { return "train " + run.id; }

  const SweepStudy* study = nullptr;

 private:
  class Here final : public StartedRun {
   public:
    Here(TrainerHere& trainer, const SweepRun& run, std::string directory, bool resume)
        : trainer_(trainer),
          run_(run),
          directory_(std::move(directory)),
          resume_(resume),
          left_(trainer.looks) {}
    ~Here() override { --trainer_.going; }
    std::optional<std::string> ending() override {
      if (left_-- > 0) return std::nullopt;
      for (const std::string& part : trainer_.failing)
        if (has(directory_, part)) return directory_ + ": it was not to be";
      Recipe recipe = trainer_.study->cells[run_.cell].recipe;
      recipe.seed = run_.seed;
      TrainCallbacks callbacks;
      callbacks.stop = &stop_;
      auto report = testing::run(env(), recipe, directory_, resume_, callbacks);
      if (!report.ok()) return report.status().message();
      EXPECT_TRUE(write_account(env(), directory_, {report.take(), "coppice <test>", "a CPU"}).ok());
      return "";
    }
    void stop() override {
      stop_ = true;
      left_ = 0;
    }

   private:
    TrainerHere& trainer_;
    const SweepRun& run_;
    std::string directory_;
    bool resume_;
    int64_t left_;
    std::atomic<bool> stop_{false};
  };
};

class SweepTest : public ::testing::Test {
 protected:
  SweepPlan plan(const std::string& text = kStudy, const std::string& directory = "out") {
    auto study = read_sweep_study(env(), folder_.write("study.toml", text));
    EXPECT_TRUE(study.ok()) << study.status().message();
    auto made = plan_sweep(env(), study.take(), folder_.file(directory));
    EXPECT_TRUE(made.ok()) << made.status().message();
    return made.take();
  }
  Result<SweepRows> sweep(const SweepPlan& plan, int jobs = 1, const SweepWatch& watch = {},
                          const std::vector<std::string>& only = {}) {
    trainer_.study = &plan.study;
    return run_sweep(env(), plan, {jobs, only}, trainer_, watch);
  }
  std::string rows_text(const std::string& directory = "out") {
    return content(folder_.file(directory + "/" + kSweepRowsFile));
  }
  // Without what the clock says, and what the jobs and a resumption change.
  std::vector<Json> results(const std::string& directory = "out") {
    std::vector<Json> rows;
    std::istringstream lines(rows_text(directory));
    for (std::string line; std::getline(lines, line);) {
      Json row = parse_json("row", line).take();
      for (const char* key : {"seconds", "cpu_seconds", "seconds_in_all", "filling_seconds",
                              "waiting_seconds", "peak_bytes", "file_bytes", "jobs"})
        row.erase(key);
      rows.push_back(std::move(row));
    }
    return rows;
  }
  SweepState state(const SweepPlan& plan, size_t run) {
    return state_of(env(), plan, *SweepRows::read(env(), plan), plan.runs[run]);
  }

  TempDir folder_;
  TrainerHere trainer_;
};

TEST_F(SweepTest, TrainsWhatIsMissingAndNothingTwice) {
  const SweepPlan all = plan();
  EXPECT_EQ(state(all, 0), SweepState::kNotRun);
  int64_t told = 0;
  SweepWatch watch;
  watch.on_row = [&](const SweepRow& row, const SweepProgress& progress) {
    EXPECT_EQ(progress.done, ++told);
    EXPECT_EQ(progress.all, 4);
    EXPECT_EQ(row.account->cpu, "a CPU");
  };
  const auto rows = sweep(all, 2, watch);
  ASSERT_TRUE(rows.ok()) << rows.status().message();
  EXPECT_EQ(told, 4);
  EXPECT_EQ(trainer_.started, 4);
  EXPECT_EQ(trainer_.most, 2);
  EXPECT_EQ(state(all, 0), SweepState::kDone);
  const std::string text = rows_text();
  ASSERT_TRUE(sweep(all).ok());
  EXPECT_EQ(trainer_.started, 4) << "all is done";
  EXPECT_EQ(rows_text(), text);
  // A row is enough: runs may be deleted, or never have come along.
  std::filesystem::remove_all(folder_.file("out/runs"));
  ASSERT_TRUE(sweep(plan()).ok());
  EXPECT_EQ(trainer_.started, 4);
  EXPECT_EQ(rows_text(), text);
}

TEST_F(SweepTest, HasTheSameResultsForAnyNumberOfJobs) {
  ASSERT_TRUE(sweep(plan(kStudy, "one")).ok());
  ASSERT_TRUE(sweep(plan(kStudy, "three"), 3).ok());
  EXPECT_EQ(results("one"), results("three"));
  ASSERT_EQ(results("one").size(), 4U);
  EXPECT_EQ(results("one")[1]["cell"], "dense");
  EXPECT_EQ(results("one")[1]["seed"], 2);
  EXPECT_EQ(results("one")[2]["recipe"]["density"], "0.1");
  EXPECT_EQ(results("one")[2]["usual"]["batch"], "100");
}

TEST_F(SweepTest, GoesOnAfterAnInterruptionWithTheSameRows) {
  ASSERT_TRUE(sweep(plan(kStudy, "whole")).ok());
  std::atomic<bool> stop{false};
  SweepWatch watch;
  watch.stop = &stop;
  for (const int64_t after : {1, 4}) {
    stop = false;
    trainer_.started = trainer_.resumed = 0;
    trainer_.stop_at = &stop;
    trainer_.stop_after = after;
    const std::string directory = "parts" + std::to_string(after);
    EXPECT_EQ(sweep(plan(kStudy, directory), 2, watch).status().code(), Code::kInterrupted);
    EXPECT_EQ(trainer_.going, 0) << "nobody is left behind";
    trainer_.stop_at = nullptr;
    stop = false;
    ASSERT_TRUE(sweep(plan(kStudy, directory), 2, watch).ok());
    EXPECT_GT(trainer_.resumed, 0) << "from its checkpoint";
    EXPECT_EQ(results(directory), results("whole"));
  }
}

TEST_F(SweepTest, MakesLostRowsFromWhatRunsLeftBehind) {
  ASSERT_TRUE(sweep(plan()).ok());
  const std::vector<Json> before = results();
  std::filesystem::remove(folder_.file("out/rows.jsonl"));
  ASSERT_TRUE(sweep(plan()).ok());
  EXPECT_EQ(trainer_.started, 4);
  EXPECT_EQ(results(), before);
}

TEST_F(SweepTest, ARunThatFailsIsARowAndIsTriedAgain) {
  const SweepPlan all = plan();
  trainer_.failing = {"tenth-seed-1"};
  SweepProgress last;
  SweepWatch watch;
  watch.on_row = [&](const SweepRow&, const SweepProgress& progress) { last = progress; };
  const auto rows = sweep(all, 2, watch);
  EXPECT_EQ(last.done, 4) << "nobody waits for it";
  EXPECT_EQ(last.left_seconds, 0);
  ASSERT_TRUE(rows.ok()) << rows.status().message();
  ASSERT_EQ(results().size(), 4U);
  EXPECT_EQ(results()[2]["failed"], all.runs[1].directory + ": it was not to be")
      << "as it lies in the study";
  EXPECT_EQ(state(all, 1), SweepState::kFailed);
  const SweepResult result = sweep_result(all, *rows);
  EXPECT_EQ(result.lines[1].failed, 1);
  EXPECT_EQ(result.lines[1].done, 1);
  EXPECT_TRUE(has(sweep_table(all, result).text(), "1 of 2, 1 failed"));
  EXPECT_TRUE(has(sweep_page(all, result, *rows), "it was not to be"));
  trainer_.failing.clear();
  ASSERT_TRUE(sweep(all).ok());
  EXPECT_EQ(trainer_.started, 5);
  EXPECT_EQ(state(all, 1), SweepState::kDone);
}

TEST_F(SweepTest, ACellByItselfLeavesTheOthersNotRun) {
  const SweepPlan all = plan();
  const auto rows = sweep(all, 1, {}, {"tenth"});
  ASSERT_TRUE(rows.ok()) << rows.status().message();
  EXPECT_EQ(trainer_.started, 2);
  const SweepResult result = sweep_result(all, *rows);
  const std::string table = sweep_table(all, result).text();
  EXPECT_TRUE(has(table, "dense  not run")) << table;
  EXPECT_TRUE(has(table, "tenth   2 of 2")) << table;
  EXPECT_TRUE(has(sweep_page(all, result, *rows), "not run"));
  const Json json = sweep_json(all, result, *rows);
  EXPECT_EQ(json["cells"][0]["not_run"], 2);
  EXPECT_TRUE(json["cells"][0]["value"].is_null());
  EXPECT_EQ(json["cells"][1]["rows"].size(), 2U);
  EXPECT_EQ(sweep(all, 1, {}, {"tent"}).status().message(),
            "--only: no cell is called 'tent'; did you mean 'tenth'?");
}

TEST_F(SweepTest, KeepsRowsOfCellsThatTheStudyLostAndFindsThoseThatWereRenamed) {
  ASSERT_TRUE(sweep(plan()).ok());
  const std::string renamed = std::string(kStudy).replace(std::string(kStudy).find("'tenth'"), 7, "'little'");
  ASSERT_TRUE(sweep(plan(renamed)).ok());
  EXPECT_EQ(trainer_.started, 4);
  const SweepPlan other = plan(
      "[study]\nseeds = 2\n[recipe]\ndata = 'glyphs'\nmodel = 'mlp:784-16-10'\n"
      "train_samples = 300\ntest_samples = 60\nepochs = 1\n[[cell]]\nname = 'short'\n");
  ASSERT_TRUE(sweep(other).ok());
  EXPECT_EQ(trainer_.started, 6);
  EXPECT_EQ(results().size(), 6U);
  EXPECT_EQ(results()[0]["cell"], "short");
  EXPECT_EQ(results()[2]["cell"], "dense");
}

TEST_F(SweepTest, TwoDoNotSweepInOneDirectory) {
  const SweepPlan all = plan();
  ASSERT_TRUE(env().make_directories(all.directory).ok());
  const auto lock = env().lock_directory(all.directory);
  ASSERT_TRUE(lock.ok() && *lock);
  EXPECT_TRUE(has(sweep(all).status().message(), "another process sweeps here"));
}

// A sweep that was killed leaves its runs behind: they are waited for.
TEST_F(SweepTest, WaitsForARunThatAnotherProcessTrains) {
  const SweepPlan all = plan();
  const std::string directory = all.path_of(all.runs[0]);
  ASSERT_TRUE(env().make_directories(directory).ok());
  auto lock = env().lock_directory(directory).take();
  SweepWatch watch;
  watch.on_wait = [&](const SweepProgress& progress) {
    if (progress.done == 3 && progress.going == 0) lock.reset();
  };
  ASSERT_TRUE(sweep(all, 2, watch).ok());
  EXPECT_FALSE(lock) << "the others came first";
  EXPECT_EQ(results().size(), 4U);
}

TEST_F(SweepTest, RefusesRowsOfAnotherRecipeOrOfNoSense) {
  const SweepPlan all = plan();
  ASSERT_TRUE(sweep(all).ok());
  const std::string text = rows_text();
  const struct {
    const char *from, *to, *sentence;
  } changes[] = {
      {"\"batch\":\"100\"", "\"batch\":\"64\"",
       "rows.jsonl line 1: was trained with batch = 64, which was usual then and is 100 now; say batch in "
       "the study"},
      {"\"coppice.sweep\":1", "\"coppice.sweep\":2", "rows.jsonl line 1"},
      {"\"seed\":1", "\"seed\":-1", "rows.jsonl line 1.seed"},
      {"\"steps\":", "\"stops\":", "rows.jsonl line 1.steps"},
      {"{\"coppice", "[\"coppice", "rows.jsonl line 1"},
  };
  for (const auto& change : changes) {
    std::string changed = text;
    folder_.write("out/rows.jsonl",
                  changed.replace(changed.find(change.from), std::string(change.from).size(), change.to));
    const auto rows = SweepRows::read(env(), all);
    EXPECT_TRUE(has(rows.status().message(), change.sentence)) << rows.status().message();
  }
  // And a run whose recipe is not the one that its directory stands for.
  std::filesystem::remove(folder_.file("out/rows.jsonl"));
  const std::string recipe = all.path_of(all.runs[0]) + "/recipe.toml";
  std::string toml = content(recipe);
  ASSERT_TRUE(write_atomic(env(), recipe, toml.replace(toml.find("batch = 100"), 11, "batch = 50")).ok());
  EXPECT_TRUE(has(SweepRows::read(env(), all).status().message(),
                  "was trained with batch = 50, and the study means 100; take the run away"));
}

// The first seed of all comes first; a cell may have fewer than others.
TEST_F(SweepTest, GoesSeedBySeedThroughTheCells) {
  const SweepPlan all = plan(
      "[study]\nseeds = 2\n[recipe]\ndata = 'glyphs'\n[[cell]]\nname = 'a'\nseeds = 1\n"
      "[[cell]]\nname = 'b'\nepochs = 3\n[[cell]]\nname = 'c'\nepochs = 4\nseeds = [7, 8, 9]\n");
  std::string order;
  for (const SweepRun& run : all.runs)
    order += all.study.cells[run.cell].name + std::to_string(run.seed) + " ";
  EXPECT_EQ(order, "a1 b1 c7 b2 c8 c9 ");
  const auto rows = SweepRows::read(env(), all);
  const SweepResult result = sweep_result(all, *rows);
  EXPECT_EQ(sweep_json(all, result, *rows)["cells"][2]["not_run"], 3);
  EXPECT_TRUE(has(sweep_page(all, result, *rows), "Seeds 1, 2; of a 1; of c 7, 8, 9."));
}

// Of 1, 2, 4: mean 7/3, deviation sqrt(7/3), and 4.3027 of its thirds' root to either side.
TEST(Spread, IsMeanDeviationAndStudentsInterval) {
  const Spread three = spread_of({1, 2, 4});
  EXPECT_EQ(three.count, 3);
  EXPECT_NEAR(three.mean, 7.0 / 3, 1e-12);
  EXPECT_NEAR(*three.deviation, std::sqrt(7.0 / 3), 1e-12);
  const double half = 4.302652729696142 * std::sqrt(7.0 / 9);
  EXPECT_NEAR(three.interval->low, 7.0 / 3 - half, 1e-9);
  EXPECT_NEAR(three.interval->high, 7.0 / 3 + half, 1e-9);
  const Spread one = spread_of({0.5});
  EXPECT_EQ(one.mean, 0.5);
  EXPECT_FALSE(one.deviation || one.interval) << "one seed has no spread";
}

// The arithmetic of the table, on figures that were written by hand.
TEST_F(SweepTest, ComparesCellsSeedBySeed) {
  const SweepPlan all =
      plan(std::string(kStudy).replace(std::string(kStudy).find("seeds = 2"), 9, "seeds = 3"));
  auto swept = sweep(all, 1, {}, {"dense"});
  ASSERT_TRUE(swept.ok());
  SweepRows rows = swept.take();
  // Accuracies of dense and tenth; the third seed of tenth was not run.
  const double accuracies[3][2] = {{0.90, 0.88}, {0.80, 0.81}, {0.70, 0}};
  const SweepRow made = *rows.of(all.runs[0]);
  for (const SweepRun& run : all.runs) {
    const double accuracy = accuracies[run.seed - 1][run.cell];
    if (accuracy == 0) continue;
    SweepRow row = made;
    row.id = run.id;
    row.seed = run.seed;
    row.recipe = run.recipe;
    row.account->report.test->accuracy = accuracy;
    row.account->report.work = {100, 120, run.cell == 0 ? 100.0 : 1000.0};
    ASSERT_TRUE(rows.put(env(), all, row).ok());
  }
  const SweepResult result = sweep_result(all, rows);
  EXPECT_EQ(result.split, "test");
  EXPECT_EQ(result.metric, "accuracy");
  const SweepLine &dense = result.lines[0], &tenth = result.lines[1];
  EXPECT_NEAR(dense.value->mean, 0.8, 1e-12);
  EXPECT_NEAR(*dense.value->deviation, 0.1, 1e-12);
  EXPECT_NEAR(tenth.value->mean, 0.845, 1e-12);
  EXPECT_NEAR(*tenth.share_of_dense_flop, 0.1, 1e-12);
  // -0.02 and +0.01: two pairs, and 12.7062 of their deviation over the root of two.
  EXPECT_EQ(tenth.difference->count, 2);
  EXPECT_NEAR(tenth.difference->mean, -0.005, 1e-12);
  EXPECT_NEAR(tenth.difference->interval->high, -0.005 + 12.706204736174698 * 0.015, 1e-9);
  const std::string table = sweep_table(all, result).text();
  EXPECT_TRUE(has(table, "80.00 % ± 10.00")) << table;
  EXPECT_TRUE(has(table, "-0.50 (-19.56 to +18.56)")) << table;
  EXPECT_TRUE(has(table, "2 of 3")) << table;
}

TEST_F(SweepTest, DrawsAPageThatFetchesNothing) {
  const SweepPlan all = plan();
  const auto rows = sweep(all);
  ASSERT_TRUE(rows.ok());
  const std::string page = sweep_page(all, sweep_result(all, *rows), *rows);
  EXPECT_TRUE(has(page, "Is &lt;less&gt; enough?"));
  for (const char* part :
       {"accuracy against density", "accuracy against the work of training", "accuracy against time",
        "coppice &lt;test&gt;", "a CPU", "train_samples 300", "10 %"})
    EXPECT_TRUE(has(page, part)) << part;
  EXPECT_FALSE(has(page, "<script") || has(page, "http"));
}

}  // namespace
}  // namespace coppice
