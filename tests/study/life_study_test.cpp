// SPDX-License-Identifier: Apache-2.0
#include "study/life_study.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <sstream>

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

LifeStudy cutting() {
  LifeStudy study = small();
  study.widths = {1, 8};
  study.densities = {0.38};
  study.prune_to = 1;
  study.search.boards = 0;
  study.search.check_every = 10;
  study.search.cut_updates = 200;
  study.search.updates = 5000;
  return study;
}

TEST(LifeStudy, CutsWideNetworksAndAsksWhatTheirTicketsAreWorth) {
  const testing::TempDir folder;
  LifeStudy study = cutting();
  const auto rows = run_life_study(Env::system(), study, folder.file("rows.jsonl"));
  ASSERT_TRUE(rows.ok()) << rows.status().message();
  ASSERT_EQ(rows->size(), 6U);
  for (const LifeRow& row : *rows) {
    EXPECT_EQ(row.pruned_to, row.width == 8 ? 1 : 0);
    if (row.width == 1) continue;
    EXPECT_TRUE(row.solved);
    EXPECT_EQ(row.filters.size(), 2U);
    EXPECT_GT(row.ticket.updates, 0);
  }
  const auto page = life_page(study, *rows);
  ASSERT_TRUE(page.ok()) << page.status().message();
  EXPECT_TRUE(has(*page, "A network of width 8 cut to width 1, 25 parameters: all 512 rules right"));
  EXPECT_TRUE(has(*page, "The ticket in a network of width 8"));
  EXPECT_TRUE(has(life_table(1, *rows).text(), "cut to"));
  ASSERT_TRUE(ticket_table(*rows).has_value());

  // One thread, from the file, and asked for something else: all rows are there again.
  study.threads = 1;
  study.prune_to = 0;
  study.widths = {1};
  const auto again = run_life_study(Env::system(), study, folder.file("rows.jsonl"));
  ASSERT_TRUE(again.ok()) << again.status().message();
  EXPECT_EQ(life_table(1, *again).text(), life_table(1, *rows).text());
  EXPECT_EQ(ticket_table(*again)->text(), ticket_table(*rows)->text());
  EXPECT_EQ(life_page(study, *again).take(), *page);
}

TEST(LifeStudy, RowsOfCutNetworksAreOfTheSameCutsAndDoNotDependOnThreads) {
  const testing::TempDir folder;
  LifeStudy study = cutting();
  study.widths = {4};
  ASSERT_TRUE(run_life_study(Env::system(), study, folder.file("two.jsonl")).ok());
  study.threads = 1;
  ASSERT_TRUE(run_life_study(Env::system(), study, folder.file("one.jsonl")).ok());
  const auto sorted = [&](const char* name) {
    std::istringstream text(testing::content(folder.file(name)));
    std::set<std::string> lines;
    for (std::string line; std::getline(text, line);) lines.insert(line);
    return lines;
  };
  EXPECT_EQ(sorted("one.jsonl"), sorted("two.jsonl"));
  study.search.cut_updates = 100;
  const auto other = run_life_study(Env::system(), study, folder.file("one.jsonl"));
  EXPECT_TRUE(has(other.status().message(), "was made with another 'cut_updates'"));
  study.prune_to = 7;
  EXPECT_TRUE(has(run_life_study(Env::system(), study, folder.file("new.jsonl")).status().message(),
                  "no width is above 7"));
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
                                 {"\"coppice.life\":2", "\"coppice.life\":9"},
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

// 100 and 300 learn it, 1000 never: all of it is 1400 for two. Given up at 100, it is 300 for one; at 300,
// 700 for two, 350 each.
TEST(LifeTable, WorkForEachCountsTheFailuresAndTheBestMomentToGiveUp) {
  std::vector<LifeRow> rows(3);
  rows[0].work = 1000;
  rows[1].work = 300;
  rows[2].work = 100;
  rows[1].solved = rows[2].solved = true;
  const std::string text = life_table(1, rows).text();
  EXPECT_TRUE(has(text, " 700 ")) << text;
  EXPECT_EQ(text.substr(text.find_last_not_of(" \n") - 3, 4), " 300") << text;
}

}  // namespace
}  // namespace coppice
