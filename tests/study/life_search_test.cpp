// SPDX-License-Identifier: Apache-2.0
#include "study/life_search.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "base/rng.h"
#include "dataset/life.h"
#include "exec/executor.h"
#include "train/exact_life.h"

namespace coppice {
namespace {

LifeSearch quick(int width, uint64_t seed = 1) {
  LifeSearch search;
  search.width = width;
  search.updates = 3000;
  search.learning_rate = 3e-3;
  search.density = 0.38;
  search.seed = seed;
  return search;
}

TEST(LifeSearch, CountsEachCellOfATorusOnce) {
  for (const int side : {3, 4, 7, 32}) {
    std::vector<uint8_t> board(static_cast<size_t>(side * side));
    Rng rng(1, static_cast<uint64_t>(side));
    for (uint8_t& cell : board) cell = rng.below(2) != 0;
    std::array<int32_t, 512> counts{}, naive{};
    count_neighbourhoods(board.data(), side, counts);
    for (int y = 0; y < side; ++y)
      for (int x = 0; x < side; ++x) {
        size_t index = 0;
        for (int cell = 0; cell < 9; ++cell)
          index |= static_cast<size_t>(board[static_cast<size_t>((y + cell / 3 - 1 + side) % side * side +
                                                                 (x + cell % 3 - 1 + side) % side)])
                   << cell;
        ++naive[index];
      }
    EXPECT_EQ(counts, naive) << side;
  }
}

TEST(LifeSearch, NetworksHaveTheParametersOfThePaper) {
  EXPECT_EQ(life_parameters(1, 1), 25);
  EXPECT_EQ(life_parameters(1, 2), 53);
  EXPECT_EQ(life_parameters(1, 8), 305);
  for (const int steps : {1, 2, 3, 5}) EXPECT_EQ(life_parameters(steps, 1), 23 * steps + 2);
  int64_t numbers = 0;
  LifeSearch search = quick(3);
  search.updates = 1;
  const LifeFound found = search_life(search).take();
  for (const Param& param : found.network.params) numbers += param.live();
  EXPECT_EQ(numbers, life_parameters(1, 3));
}

TEST(LifeSearch, AWideNetworkLearnsItExactlyAndSoDoesItOnBoards) {
  LifeFound found = search_life(quick(8)).take();
  ASSERT_TRUE(found.solved) << found.wrong << " wrong";
  EXPECT_EQ(found.wrong, 0);
  EXPECT_LT(found.updates, 3000);
  const std::array<bool, 512> answers = life_answers(found).take();
  const std::vector<Neighbourhood> rules = all_neighbourhoods();
  for (size_t n = 0; n < rules.size(); ++n) EXPECT_EQ(answers[n], rules[n].next != 0) << n;

  // Through the convolutions, which know nothing of the 512 samples.
  Checkpoint model;
  model.network = board_network(found.network, 8, 16).take();
  model.info.recipe.model = "life:1,8";
  Preprocessing& preprocessing = model.info.preprocessing;
  preprocessing.features = {1, 16, 16};
  preprocessing.normalisation = {{0.0f}, {1.0f}};
  preprocessing.outputs = 256;
  preprocessing.task = Task::kLabels;
  const auto wrong = wrong_neighbourhoods(model);
  ASSERT_TRUE(wrong.ok()) << wrong.status().message();
  EXPECT_TRUE(wrong->empty());
}

TEST(LifeSearch, ASearchIsItsSeed) {
  LifeSearch search = quick(2, 5);
  search.updates = 300;
  const LifeFound a = search_life(search).take(), b = search_life(search).take();
  search.seed = 6;
  const LifeFound c = search_life(search).take();
  search.seed = 5;
  search.flips = 3;
  const LifeFound d = search_life(search).take();
  const auto values = [](const LifeFound& found) {
    std::vector<float> all;
    for (const Param& param : found.network.params)
      all.insert(all.end(), param.value.begin(), param.value.end());
    return all;
  };
  EXPECT_EQ(values(a), values(b));
  EXPECT_NE(values(a), values(c));
  EXPECT_NE(values(a), values(d));
}

// The loss of weighted neighbourhoods is the loss of the boards: so is their gradient, here after one update.
TEST(LifeSearch, AnUpdateIsTheOneOfTheBoardsThemselves) {
  LifeSearch search = quick(2, 9);
  search.updates = 1;
  search.boards = 1;
  search.side = 16;
  // Found by the search's own draw, so that the boards are the same.
  std::vector<uint8_t> board(256);
  Rng rng(search.seed, stream_id("life boards", uint64_t{0}));
  const auto bar = static_cast<uint64_t>(std::ldexp(search.density, 32));
  for (uint8_t& cell : board) cell = rng.bits() < bar;
  const LifeFound after = search_life(search).take();
  search.learning_rate = 1e-30;  // too small for a change
  Network network = board_network(search_life(search)->network, 2, 16).take();

  ExecOptions options;
  options.batch = 1;
  options.optimizer.kind = OptimizerKind::kAdam;
  const auto executor = Executor::create(network, options).take();
  const auto width = static_cast<size_t>(executor->input_width());
  Floats x(256 * width), target(256 * width);
  std::vector<uint8_t> next(256);
  life_step(board.data(), 16, 16, next.data());
  for (size_t i = 0; i < 256; ++i) {
    x[i * width] = board[i];
    target[i * width] = next[i];
  }
  const BatchView batch{1, x.data(), target.data()};
  ASSERT_TRUE(executor->train_step({&batch, 1}, {1, 0, quick(2).learning_rate}).ok());
  for (const Param& param : network.params) {
    const Param* other = nullptr;
    for (const Param& candidate : after.network.params)
      if (candidate.name() == param.name()) other = &candidate;
    ASSERT_NE(other, nullptr);
    const std::vector<float> a = param.canonical(param.value), b = other->canonical(other->value);
    ASSERT_EQ(a.size(), b.size());
    for (size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], 2e-5) << param.name();
  }
}

// Two steps made by hand: a network that counts and decides as the rule does, twice.
Network by_hand() {
  LifeSearch search = quick(2);
  search.steps = 2;
  search.updates = 1;
  search.boards = 1;
  search.side = 8;
  Network network = std::move(search_life(search).take().network);
  const auto set = [&](const std::string& name, const std::vector<float>& values) {
    Param& param = *network.find(name);
    ASSERT_EQ(static_cast<size_t>(param.live()), values.size()) << name;
    param.set_canonical(param.value, values);
  };
  // s = 2 neighbours + cell is 5, 6 or 7 where a cell lives next: min(s - 4, 8 - s) > 0. Of the 4 filters a =
  // relu(s - 4), b = relu(s - 6), the decision relu(a - 2 b) is 1, 2, 1 there and 0 elsewhere; less relu(that
  // - 1) it is 1.
  const std::vector<float> kernel = {2, 2, 2, 2, 1, 2, 2, 2, 2};
  const auto kernels = [&](int inputs) {
    std::vector<float> all;
    for (int output = 0; output < 4; ++output)
      for (int input = 0; input < inputs; ++input)
        for (const float value : kernel) all.push_back(output > 1 ? 0 : input == 0 ? value : -value);
    return all;
  };
  for (const int step : {1, 2}) {
    const std::string name = "step" + std::to_string(step);
    set(name + ".count.weight", kernels(step == 1 ? 1 : 2));
    set(name + ".count.bias", {-4, -6, 0, 0});
    // d = a - 2 b and e = a - 2 b - 1, so that relu(d) - relu(e) is the cell.
    set(name + ".decide.weight", {1, -2, 0, 0, 1, -2, 0, 0});
    set(name + ".decide.bias", {0, -1});
  }
  set("out.weight", {1, -1});
  set("out.bias", {-0.5f});
  return network;
}

TEST(LifeSearch, CountsWhatTwoStepsGetWrong) {
  Network network = by_hand();
  EXPECT_EQ(wrong_after_two_steps(network).take(), 0);
  // Everything is dead: wrong where a cell lives after two steps.
  network.find("out.bias")->value[0] = -100;
  const int64_t alive = wrong_after_two_steps(network).take();
  network.find("out.bias")->value[0] = 100;
  EXPECT_EQ(wrong_after_two_steps(network).take() + alive, int64_t{1} << 25);
  EXPECT_GT(alive, 1 << 20);
  const LifeFound one = search_life(quick(1)).take();
  EXPECT_FALSE(wrong_after_two_steps(one.network).ok());
}

TEST(LifeSearch, TeachesMoreStepsOnBoards) {
  LifeSearch search = quick(4);
  search.steps = 3;
  search.updates = 2;
  search.side = 8;
  const LifeFound found = search_life(search).take();
  EXPECT_EQ(found.updates, 2);
  EXPECT_EQ(found.asked, 64 * 64);
  EXPECT_GT(found.wrong, 0);
}

TEST(LifeSearch, RefusesWhatCannotBe) {
  for (const auto& change : std::vector<std::function<void(LifeSearch&)>>{
           [](LifeSearch& s) { s.width = 0; }, [](LifeSearch& s) { s.updates = 0; },
           [](LifeSearch& s) { s.side = 2; }, [](LifeSearch& s) { s.density = 1; },
           [](LifeSearch& s) { s.flips = 26; }, [](LifeSearch& s) { s.learning_rate = 0; }}) {
    LifeSearch search = quick(1);
    change(search);
    EXPECT_FALSE(search_life(search).ok());
  }
}

}  // namespace
}  // namespace coppice
