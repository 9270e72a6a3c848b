// SPDX-License-Identifier: Apache-2.0
#include "study/life_study.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "support/temp_dir.h"

namespace coppice {
namespace {

LifeStudy small() {
  LifeStudy study;
  study.widths = {1, 6};
  study.densities = {0.38, 0};
  study.networks = 3;
  study.search.updates = 1000;
  study.search.learning_rate = 3e-3;
  study.threads = 2;
  return study;
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST(LifeStudy, IsTheSameForAnyNumberOfThreadsAndGoesOnWhereItWasCutOff) {
  const testing::TempDir folder;
  Env& env = Env::system();
  LifeStudy study = small();
  const auto whole = run_life_study(env, study, folder.file("whole.jsonl"));
  ASSERT_TRUE(whole.ok()) << whole.status().message();
  ASSERT_EQ(whole->size(), 12U);

  // Cut within a line; one thread.
  const std::string rows = testing::content(folder.file("whole.jsonl"));
  folder.write("cut.jsonl", rows.substr(0, rows.size() / 2));
  study.threads = 1;
  int64_t first = 0, last = 0;
  LifeWatch watch;
  watch.on_progress = [&](int64_t done, int64_t all) {
    if (first == 0) first = done;
    last = done;
    EXPECT_EQ(all, 12);
  };
  const auto again = run_life_study(env, study, folder.file("cut.jsonl"), watch);
  ASSERT_TRUE(again.ok()) << again.status().message();
  EXPECT_GT(first, 1);  // the others were there
  EXPECT_EQ(last, 12);
  EXPECT_EQ(life_table(1, *again).text(), life_table(1, *whole).text());
  int solved = 0;
  for (size_t i = 0; i < whole->size(); ++i) {
    EXPECT_EQ((*whole)[i].solved, (*again)[i].solved);
    EXPECT_EQ((*whole)[i].updates, (*again)[i].updates);
    solved += (*whole)[i].solved && (*whole)[i].width == 6;
  }
  EXPECT_GE(solved, 3);

  study.search.updates = 2000;
  const auto other = run_life_study(env, study, folder.file("cut.jsonl"));
  EXPECT_TRUE(has(other.status().message(), "cut.jsonl line 1: was made with another 'updates_allowed'"));
}

TEST(LifeStudy, TurnsSignsOfWinnersOnly) {
  const testing::TempDir folder;
  LifeStudy study = small();
  study.densities = {0.38};
  study.flips = {2};
  const auto rows = run_life_study(Env::system(), study, folder.file("rows.jsonl"));
  ASSERT_TRUE(rows.ok()) << rows.status().message();
  size_t winners = 0, turned = 0;
  for (const LifeRow& row : *rows) {
    winners += row.flips == 0 && row.solved;
    turned += row.flips == 2;
  }
  EXPECT_GT(winners, 0U);
  EXPECT_EQ(turned, winners);
  const std::string text = life_table(1, *rows).text();
  EXPECT_TRUE(has(text, "signs turned")) << text;
  const auto page = life_page(study, *rows);
  ASSERT_TRUE(page.ok()) << page.status().message();
  EXPECT_TRUE(has(*page, "all 512 rules right"));
  EXPECT_TRUE(has(*page, "of 512 rules wrong"));
  EXPECT_TRUE(has(*page, "Learnt it again"));
}

TEST(LifeStudy, KeepsWhatIsDoneWhenItIsStopped) {
  const testing::TempDir folder;
  LifeStudy study = small();
  std::atomic<bool> stop{false};
  LifeWatch watch;
  watch.stop = &stop;
  watch.on_progress = [&](int64_t done, int64_t) { stop = done >= 2; };
  const auto rows = run_life_study(Env::system(), study, folder.file("rows.jsonl"), watch);
  EXPECT_EQ(rows.status().code(), Code::kInterrupted);
  const std::string text = testing::content(folder.file("rows.jsonl"));
  EXPECT_GE(std::count(text.begin(), text.end(), '\n'), 2);
}

TEST(LifeStudy, ARowThatLiesIsASentence) {
  const testing::TempDir folder;
  LifeStudy study = small();
  study.widths = {6};
  study.densities = {0.38};
  study.networks = 1;
  ASSERT_TRUE(run_life_study(Env::system(), study, folder.file("rows.jsonl")).ok());
  const std::string row = testing::content(folder.file("rows.jsonl"));
  for (const auto& [from, to] : {std::pair("\"seed\":1", "\"seed\":-1"),
                                 {"\"coppice.life\":1", "\"coppice.life\":9"},
                                 {"\"solved\":", "\"solved\":7,\"was\":"},
                                 {"{", "{{"}}) {
    std::string text = row;
    ASSERT_TRUE(has(text, from));
    folder.write("rows.jsonl", text.replace(text.find(from), std::string(from).size(), to));
    const auto read = run_life_study(Env::system(), study, folder.file("rows.jsonl"));
    ASSERT_FALSE(read.ok()) << to;
    EXPECT_TRUE(has(read.status().message(), "rows.jsonl line 1")) << read.status().message();
  }
}

TEST(LifeStudy, CountsANetworkOnceHoweverOftenItIsAskedFor) {
  const testing::TempDir folder;
  LifeStudy study = small();
  study.widths = {6, 6};
  study.densities = {0.38, 0.38};
  const auto rows = run_life_study(Env::system(), study, folder.file("rows.jsonl"));
  ASSERT_TRUE(rows.ok());
  EXPECT_EQ(rows->size(), 3U);
}

TEST(LifeStudy, ANetworkThatDivergesHasNotLearntIt) {
  const testing::TempDir folder;
  LifeStudy study = small();
  study.search.learning_rate = 1e38;
  const auto rows = run_life_study(Env::system(), study, folder.file("rows.jsonl"));
  ASSERT_TRUE(rows.ok()) << rows.status().message();
  for (const LifeRow& row : *rows) EXPECT_FALSE(row.solved);
}

TEST(LifeStudy, IsRefusedWhereAnotherOneGoesOn) {
  const testing::TempDir folder;
  const auto lock = Env::system().lock_directory(folder.path()).take();
  const auto rows = run_life_study(Env::system(), small(), folder.file("rows.jsonl"));
  EXPECT_TRUE(has(rows.status().message(), "another process studies here"));
}

TEST(LifeTable, TheMedianOfAnEvenNumberLiesBetweenTheMiddleTwo) {
  LifeRow row;
  row.solved = true;
  std::vector<LifeRow> rows;
  for (const int64_t updates : {250, 10000, 500, 1000}) {
    row.updates = updates;
    rows.push_back(row);
  }
  EXPECT_TRUE(has(life_table(1, rows).text(), " 750"));
}

}  // namespace
}  // namespace coppice
