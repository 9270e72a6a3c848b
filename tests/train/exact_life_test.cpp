// SPDX-License-Identifier: Apache-2.0
#include "train/exact_life.h"

#include <gtest/gtest.h>

#include "models/models.h"
#include "support/small_run.h"

namespace coppice {
namespace {

// The smallest network that plays the game, by hand. With neighbours counted twice and the centre once, a
// cell lives at 5, 6 and 7: count1 = relu(n - 4), count2 = relu(n - 7), decide = relu(count1 - 4 count2), out
// = decide - 0.5.
Checkpoint life_by_hand(int height, int width) {
  Checkpoint model;
  model.network =
      Network::create(*make_model("life:1,1", {1, height, width, height * width, Task::kLabels}), {}, 1)
          .take();
  const auto set = [&](const char* name, std::vector<float> values) {
    Param* param = model.network.find(name);
    param->set_canonical(param->value, values);
  };
  std::vector<float> count(18, 2);
  count[4] = count[13] = 1;
  set("step1.count.weight", count);
  set("step1.count.bias", {-4, -7});
  set("step1.decide.weight", {1, -4});
  set("step1.decide.bias", {0});
  set("out.weight", {1});
  set("out.bias", {-0.5f});
  model.info.recipe =
      *make_recipe({{"data", "life", "test"}, {"model", "life:1,1", "test"}, {"threads", "2", "test"}});
  Preprocessing& boards = model.info.preprocessing;
  boards.features = {1, height, width};
  boards.normalisation = {{0}, {1}};
  boards.outputs = height * width;
  boards.task = Task::kLabels;
  return model;
}

TEST(ExactLife, AcceptsANetworkThatKnowsAllNeighbourhoods) {
  for (const auto& [height, width] : {std::pair(16, 16), std::pair(3, 3), std::pair(7, 11)}) {
    Checkpoint model = life_by_hand(height, width);
    const auto wrong = wrong_neighbourhoods(model);
    ASSERT_TRUE(wrong.ok()) << wrong.status().message();
    EXPECT_TRUE(wrong->empty()) << height << " x " << width;
  }
}

TEST(ExactLife, FindsTheNeighbourhoodsThatAreWrong) {
  Checkpoint model = life_by_hand(16, 16);
  Param* bias = model.network.find("step1.count.bias");
  bias->set_canonical(bias->value, std::vector<float>{-5, -7});  // a living cell with two neighbours dies now
  const auto wrong = wrong_neighbourhoods(model);
  ASSERT_TRUE(wrong.ok());
  EXPECT_EQ(wrong->size(), 28u);  // two of eight
  for (const Neighbourhood& n : *wrong) {
    EXPECT_EQ(n.cells[4], 1);
    EXPECT_EQ(n.next, 1);
  }
}

TEST(ExactLife, AnswersABoard) {
  Checkpoint model = life_by_hand(9, 12);
  const auto answer = ask_life(model, random_board(model, 0.4, 3));
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(answer->said, answer->right);
  EXPECT_NE(answer->board, answer->right);
}

TEST(ExactLife, RefusesOtherNetworks) {
  Checkpoint model = life_by_hand(16, 16);
  model.info.recipe.life_steps = 2;
  EXPECT_NE(wrong_neighbourhoods(model).status().message().find("only one step"), std::string::npos);
  model.info.preprocessing.task = Task::kClasses;
  EXPECT_NE(wrong_neighbourhoods(model).status().message().find("does not say one number per cell"),
            std::string::npos);
}

}  // namespace
}  // namespace coppice
