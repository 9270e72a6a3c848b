// SPDX-License-Identifier: Apache-2.0
#include "study/tolerance.h"

#include <gtest/gtest.h>

#include "support/small_run.h"
#include "support/temp_dir.h"

namespace coppice {
namespace {

using testing::diary;
using testing::run;
using testing::small_recipe;
using testing::TempDir;

// What is asked when every density of at least `limit` is enough.
std::vector<double> asked(double least, int tries, double limit, double* smallest) {
  DensitySearch search(least, tries);
  std::vector<double> densities;
  while (const auto density = search.next()) {
    densities.push_back(*density);
    search.tell(*density, *density >= limit);
  }
  *smallest = search.smallest();
  return densities;
}

TEST(DensitySearch, HalvesTheLogarithm) {
  double smallest = 0;
  EXPECT_EQ(asked(0.01, 4, 0.05, &smallest), (std::vector<double>{0.1, 0.032, 0.057, 0.043}));
  EXPECT_EQ(smallest, 0.057);
  asked(0.01, 3, 2, &smallest);
  EXPECT_EQ(smallest, 1) << "none was enough";
  EXPECT_EQ(asked(0.1, 20, 0, &smallest).back(), smallest);
  EXPECT_GT(smallest, 0.1);
  EXPECT_LT(smallest, 0.12);
}

std::vector<EpochRow> rows_of(std::initializer_list<double> values, size_t first_final) {
  std::vector<EpochRow> rows;
  double best = -1;
  for (const double value : values) {
    EpochRow& row = rows.emplace_back();
    row.epoch = static_cast<int64_t>(rows.size());
    row.validation["accuracy"] = value;
    row.best = rows.size() > first_final && value > best;
    if (row.best) best = value;
  }
  return rows;
}

TEST(Verdict, CountsOnlyStatesThatHaveTheDensity) {
  const auto verdict = [](std::initializer_list<double> values, size_t first_final) {
    return verdict_of(rows_of(values, first_final), "accuracy", 0.9, 10);
  };
  EXPECT_EQ(verdict({0.95, 0.95}, 2), Verdict::kOpen) << "it has still to lose weights";
  EXPECT_EQ(verdict({0.95, 0.85}, 1), Verdict::kOpen);
  EXPECT_EQ(verdict({0.95, 0.85, 0.9}, 1), Verdict::kEnough);
  EXPECT_EQ(verdict({0.5, 0.91, 0.4}, 0), Verdict::kEnough) << "the best state counts";
  EXPECT_EQ(verdict({0.5, 0.5, 0.5, 0.5}, 0), Verdict::kOpen) << "too early to say";
  EXPECT_EQ(verdict({0.5, 0.5, 0.5, 0.5, 0.5, 0.52}, 0), Verdict::kHopeless);
  EXPECT_EQ(verdict({0.5, 0.5, 0.5, 0.6, 0.7, 0.75}, 0), Verdict::kOpen) << "it gains";
  EXPECT_EQ(verdict({0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5}, 0), Verdict::kOpen) << "it is over";
}

TrialRequest request_of(const std::string& directory, std::optional<double> wanted) {
  return {small_recipe({{"epochs", "6"}, {"learning_rate", "0.01"}}), directory, "accuracy", wanted};
}

TEST(Trial, StopsWhenItIsGoodEnoughAndKnowsSoAfterwards) {
  const TempDir whole, early;
  const Trial all = run_trial(Env::system(), request_of(whole.path(), {}), nullptr, {}).take();
  EXPECT_EQ(all.epochs, 6);
  const double first = *read_run(Env::system(), whole.path())->epochs[0].of("accuracy");
  ASSERT_LT(first, *all.value);
  const Trial some = run_trial(Env::system(), request_of(early.path(), first), nullptr, {}).take();
  EXPECT_EQ(some.epochs, 1);
  EXPECT_EQ(some.verdict, Verdict::kEnough);
  int64_t steps = 0;
  const Trial again =
      run_trial(Env::system(), request_of(early.path(), first), nullptr, [&](const StepEvent&) {
        ++steps;
      }).take();
  EXPECT_EQ(again.verdict, Verdict::kEnough);
  EXPECT_EQ(steps, 0);
  // What was stopped early goes on to the end as if nothing had been.
  const Trial rest = run_trial(Env::system(), request_of(early.path(), {}), nullptr, {}).take();
  EXPECT_EQ(rest.epochs, 6);
  EXPECT_EQ(diary(Env::system(), whole.path()), diary(Env::system(), early.path()));
}

TEST(Trial, GoesOnAfterCtrlCAndRefusesAnotherRecipe) {
  const TempDir whole, parts;
  ASSERT_TRUE(run_trial(Env::system(), request_of(whole.path(), 1.1), nullptr, {}).ok());
  std::atomic<bool> stop{false};
  const auto interrupted = run_trial(Env::system(), request_of(parts.path(), 1.1), &stop,
                                     [&](const StepEvent& event) { stop = event.step >= 7; });
  EXPECT_EQ(interrupted.status().code(), Code::kInterrupted);
  const auto rest = run_trial(Env::system(), request_of(parts.path(), 1.1), nullptr, {});
  ASSERT_TRUE(rest.ok()) << rest.status().message();
  EXPECT_EQ(diary(Env::system(), whole.path()), diary(Env::system(), parts.path()));

  TrialRequest other = request_of(parts.path(), 1.1);
  other.recipe.seed = 5;
  EXPECT_EQ(run_trial(Env::system(), other, nullptr, {}).status().message(),
            parts.path() + ": holds a run with another seed; choose another place with --out");
}

}  // namespace
}  // namespace coppice
