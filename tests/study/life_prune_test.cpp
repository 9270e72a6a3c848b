// SPDX-License-Identifier: Apache-2.0
#include "study/life_prune.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <numeric>
#include <set>

#include "study/life_lesson.h"

namespace coppice {
namespace {

LifeSearch cut_to_one(int width, uint64_t seed) {
  LifeSearch search;
  search.width = width;
  search.prune_to = 1;
  search.boards = 0;
  search.density = 0.38;
  search.check_every = 10;
  search.cut_updates = 200;
  search.learning_rate = 3e-3;
  search.seed = seed;
  return search;
}

// The rules counted by hand from the numbers, with relu and nothing else: no executor between.
int wrong_by_hand(const Network& network) {
  std::array<std::vector<float>, 6> p;
  for (size_t i = 0; i < 6; ++i) p[i] = network.params[i].canonical(network.params[i].value);
  int wrong = 0;
  for (const Neighbourhood& rule : all_neighbourhoods()) {
    double decided = p[3][0];
    for (size_t f = 0; f < 2; ++f) {
      double sum = p[1][f];
      for (size_t cell = 0; cell < 9; ++cell) sum += p[0][f * 9 + cell] * rule.cells[cell];
      decided += p[2][f] * std::max(sum, 0.0);
    }
    const double logit = p[5][0] + p[4][0] * std::max(decided, 0.0);
    wrong += (logit > 0) != (rule.next != 0);
  }
  return wrong;
}

TEST(LifePrune, FindsTheTwentyFiveNumbersInAWideNetwork) {
  for (const uint64_t seed : {1, 2, 3}) {
    const LifeFound found = search_life(cut_to_one(8, seed)).take();
    ASSERT_TRUE(found.solved) << found.wrong << " wrong after " << found.updates;
    EXPECT_EQ(found.asked, 512);
    EXPECT_EQ(found.wrong, 0);
    EXPECT_LE(found.updates, 10000);
    EXPECT_EQ(found.filters.size(), 2U);
    EXPECT_EQ(found.decides.size(), 1U);
    int64_t weights = 0, biases = 0;
    for (const Param& param : found.network.params) (param.is_weight() ? weights : biases) += param.live();
    EXPECT_EQ(weights, 21);
    EXPECT_EQ(biases, 4);
    EXPECT_EQ(wrong_by_hand(found.network), 0);
  }
}

TEST(LifePrune, IsItsSeedAndGoesNoFurtherThanAsked) {
  LifeSearch search = cut_to_one(4, 1);
  search.prune_to = 2;
  const LifeFound a = search_life(search).take(), b = search_life(search).take();
  ASSERT_TRUE(a.solved);
  EXPECT_EQ(a.filters.size(), 4U);
  EXPECT_EQ(a.decides.size(), 2U);
  EXPECT_EQ(a.filters, b.filters);
  EXPECT_EQ(a.work, b.work);
  for (size_t p = 0; p < a.network.params.size(); ++p)
    EXPECT_EQ(a.network.params[p].canonical(a.network.params[p].value),
              b.network.params[p].canonical(b.network.params[p].value));
}

TEST(LifePrune, EndsWithItsUpdates) {
  LifeSearch search = cut_to_one(8, 1);
  search.updates = 150;
  search.learning_rate = 1e-5;  // learns nothing
  search.cut_updates = 7;
  const LifeFound found = search_life(search).take();
  EXPECT_FALSE(found.solved);
  EXPECT_EQ(found.updates, 150);
  EXPECT_EQ(found.starts, 3);  // 70, 70 and 10
  EXPECT_TRUE(found.filters.empty());
}

// Few checks would leave each cut as many updates as lie between them.
TEST(LifePrune, AsksMoreOftenThanASearchWithoutCuts) {
  LifeSearch search = cut_to_one(8, 1);
  const int64_t work = search_life(search)->work;
  search.check_every = 250;
  EXPECT_EQ(search_life(search)->work, work);
}

// 2 (9 x 16 + 16 x 8 + 8) + (16 x 8 + 8) multiplications of each neighbourhood in an update, the first term
// once in a check.
TEST(LifePrune, CountsItsWork) {
  LifeSearch search = cut_to_one(8, 1);
  search.prune_to = 0;
  search.updates = 20;
  EXPECT_EQ(search_life(search)->work, 512 * (20 * 696 + 2 * 280));
}

// What a wide network says at first if all but a few of its neurons are silent.
int wrong_at_first(const LifeFound& found) {
  Network wide = neighbourhood_network(16, 8, 1).take();
  draw_life_values(wide, found.start_seed);
  const auto silence = [&](const char* name, size_t columns, const std::vector<int>& kept) {
    Param& param = *wide.find(name);
    std::vector<float> values = param.canonical(param.value);
    for (size_t i = 0; i < values.size(); ++i)
      if (std::find(kept.begin(), kept.end(), static_cast<int>(i % columns)) == kept.end()) values[i] = 0;
    param.set_canonical(param.value, values);
  };
  silence("step1.decide.weight", 16, found.filters);
  silence("out.weight", 8, found.decides);
  const std::array<bool, 512> answers = answers_of_network(wide).take();
  const std::vector<Neighbourhood> rules = all_neighbourhoods();
  int wrong = 0;
  for (size_t n = 0; n < rules.size(); ++n) wrong += answers[n] != (rules[n].next != 0);
  return wrong;
}

TEST(LifePrune, ATicketBeginsWithTheFirstValuesOfWhatWasLeft) {
  std::set<int> different;
  for (const uint64_t seed : {1, 2, 3, 4, 5, 6}) {
    LifeSearch search = cut_to_one(8, seed);
    LifeFound found = search_life(search).take();
    ASSERT_TRUE(found.solved);
    EXPECT_EQ(first_kernels(search, found)->size(), 16U * 9);
    search.updates = 10;
    search.learning_rate = 1e-30;  // too small for a change
    EXPECT_EQ(search_ticket(search, found, LifeTicket::kWinning)->wrong, wrong_at_first(found));
    different.insert(wrong_at_first(found));
  }
  EXPECT_GT(different.size(), 1U) << "says nothing";
}

TEST(LifePrune, ExpectsWhatBoardsHave) {
  for (const double density : {0.0, 0.38}) {
    const std::array<double, 512> expected = expected_neighbourhoods(density);
    EXPECT_NEAR(std::accumulate(expected.begin(), expected.end(), 0.0), 1, 1e-12);
    // Nothing lives: (1 - d)^9, over all densities 1/10.
    EXPECT_NEAR(expected[0], density > 0 ? std::pow(1 - density, 9) : 0.1, 1e-12);
    EXPECT_NEAR(expected[1], density > 0 ? density * std::pow(1 - density, 8) : 1.0 / 90, 1e-12);
  }
}

TEST(LifePrune, RefusesWhatCannotBe) {
  for (const auto& change : std::vector<std::function<void(LifeSearch&)>>{
           [](LifeSearch& s) { s.prune_to = 8; }, [](LifeSearch& s) { s.prune_to = -1; },
           [](LifeSearch& s) { s.flips = 1; }, [](LifeSearch& s) { s.cut_updates = 0; },
           [](LifeSearch& s) {
             s.steps = 2;
             s.boards = 8;
           },
           [](LifeSearch& s) {
             s.prune_to = 0;
             s.steps = 2;
           }}) {
    LifeSearch search = cut_to_one(8, 1);
    change(search);
    EXPECT_FALSE(search_life(search).ok());
  }
}

}  // namespace
}  // namespace coppice
