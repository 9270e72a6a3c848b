// SPDX-License-Identifier: Apache-2.0
#include "study/sweep_study.h"

#include <gtest/gtest.h>

#include "support/memory_env.h"

namespace coppice {
namespace {

using testing::MemoryEnv;

constexpr char kPath[] = "my.toml";

Result<SweepStudy> study_of(const std::string& text) {
  MemoryEnv env({{kPath, text}});
  return read_sweep_study(env, kPath);
}

std::string refusal(const std::string& text) {
  const auto study = study_of(text);
  return study.ok() ? "accepted" : study.status().message();
}

std::string id_of(const std::string& recipe, uint64_t seed = 1) {
  MemoryEnv env;
  const auto settings = settings_from_toml(recipe, "recipe");
  EXPECT_TRUE(settings.ok()) << recipe;
  const auto made = make_recipe(*settings);
  EXPECT_TRUE(made.ok()) << made.status().message();
  const auto said = sweep_recipe(env, *made);
  EXPECT_TRUE(said.ok()) << said.status().message();
  return sweep_id(*said, seed);
}

std::vector<std::string> names_of(const SweepStudy& study) {
  std::vector<std::string> names;
  for (const SweepCell& cell : study.cells) names.push_back(cell.name);
  return names;
}

TEST(SweepStudy, ReadsCellsAndGrids) {
  const auto study = study_of(
      "[study]\nname = 'digits'\nquestion = 'How far?'\nseeds = [3, 1]\nbaseline = 'dense'\n"
      "[recipe]\ndata = 'glyphs'\nepochs = 2\n"
      "[grid]\ndensity = [0.5, 0.1]\nblock = ['1x1', '4x1']\n"
      "[[cell]]\nname = 'dense'\n"
      "[[cell]]\nname = 'slow'\nlearning_rate = 0.0001\nepochs = 9\nseeds = 5\ngrid.density = [0.2, 0.3]\n"
      "[cell.layer]\nfc1 = 0.5\n");
  ASSERT_TRUE(study.ok()) << study.status().message();
  EXPECT_EQ(study->name, "digits");
  EXPECT_EQ(study->question, "How far?");
  EXPECT_EQ(study->seeds, (std::vector<uint64_t>{3, 1}));
  EXPECT_EQ(study->baseline, "dense");
  EXPECT_EQ(names_of(*study), (std::vector<std::string>{"dense", "slow, density=0.2", "slow, density=0.3",
                                                        "density=0.5, block=1x1", "density=0.5, block=4x1",
                                                        "density=0.1, block=1x1", "density=0.1, block=4x1"}));
  EXPECT_EQ(study->cells[1].line, "slow");
  EXPECT_EQ(study->cells[3].line, "block=1x1");
  EXPECT_EQ(study->cells[0].seeds, study->seeds);
  EXPECT_EQ(study->cells[2].seeds, (std::vector<uint64_t>{1, 2, 3, 4, 5}));
  EXPECT_EQ(study->cells[0].recipe.epochs, 2);
  EXPECT_EQ(study->cells[2].recipe.epochs, 9);
  EXPECT_EQ(study->cells[2].recipe.sparsity.density, 0.3);
  EXPECT_EQ(study->cells[2].recipe.sparsity.layers.at("fc1"), 0.5);
  EXPECT_TRUE(study->cells[3].recipe.sparsity.layers.empty());
  EXPECT_EQ(study->cells[6].recipe.sparsity.block.text(), "4x1");
}

TEST(SweepStudy, HasThreeSeedsAndTheNameOfItsFileByItself) {
  const auto study = study_of("[grid]\ndensity = [1, 0.5]\n");
  ASSERT_TRUE(study.ok()) << study.status().message();
  EXPECT_EQ(study->name, "my");
  EXPECT_EQ(study->seeds, (std::vector<uint64_t>{1, 2, 3}));
  EXPECT_EQ(study_of("[study]\nseeds = 1\n[grid]\ndensity = [1]\n")->seeds, (std::vector<uint64_t>{1}));
}

TEST(SweepStudy, RefusesMistakesWithTheirLineAndARemedy) {
  const struct {
    const char *text, *sentence;
  } mistakes[] = {
      {"", "my.toml: has no cell; give it [[cell]] tables, or a [grid] of values"},
      {"[study]\nseed = 3\n", "my.toml line 2: 'seed' is no key of [study]; did you mean 'seeds'?"},
      {"[studdy]\n", "my.toml line 1: 'studdy' is no table of a study; did you mean 'study'?"},
      {"seeds = 3\n", "my.toml line 1: seeds: stands in no table; put it into [study]"},
      {"epochs = 3\n", "my.toml line 1: epochs: stands in no table; put it into [recipe]"},
      {"study = 3\n", "my.toml line 1: study: should be a table"},
      {"[study]\nname = 3\n", "my.toml line 2: name: should be a text in quotes"},
      {"[study]\nname = ''\n", "my.toml line 2: name: should be a text in quotes"},
      {"[study]\nname = \"a\\nb\"\n", "my.toml line 2: name: should be one line"},
      {"[study]\nseeds = 0\n", "my.toml line 2: seeds: should be a number of seeds from 1 to 1000"},
      {"[study]\nseeds = 1.5\n", "my.toml line 2: seeds: should be a number of seeds"},
      {"[study]\nseeds = []\n", "my.toml line 2: seeds: should be"},
      {"[study]\nseeds = [1, 1]\n", "or a list of different seeds, such as [1, 2, 3]"},
      {"[study]\nseeds = [-1]\n", "my.toml line 2: seeds: should be"},
      {"[study]\nseeds = 'many'\n", "my.toml line 2: seeds: should be"},
      {"recipe = 1\n[grid]\ndensity = [1]\n", "my.toml line 1: recipe: should be a table"},
      {"[recipe]\nepohcs = 3\n[grid]\ndensity = [1]\n",
       "my.toml line 2: 'epohcs' is not a key of a recipe; did you mean 'epochs'?"},
      {"[recipe]\nseed = 3\n[grid]\ndensity = [1]\n",
       "my.toml line 2: seed: comes from seeds in [study]; leave it out"},
      {"[recipe]\nthreads = 3\n[grid]\ndensity = [1]\n",
       "my.toml line 2: threads: comes from --threads; leave it out"},
      {"[recipe]\nepochs = 0\n[grid]\ndensity = [1]\n",
       "my.toml line 2: epochs: '0' should be an integer from 1"},
      {"[grid]\n", "my.toml line 1: grid: should be a table of keys with lists of values"},
      {"[grid]\ndensty = [1]\n",
       "my.toml line 2: 'densty' is not a key of a recipe; did you mean 'density'?"},
      {"[grid]\ndensity = 0.1\n", "my.toml line 2: density: should be a list of values here, such as [1, 2]"},
      {"[grid]\ndensity = []\n", "my.toml line 2: density: should be a list of values here"},
      {"[grid]\nseed = [1, 2]\n", "my.toml line 2: seed: comes from seeds in [study]"},
      {"[grid]\ndensity = [0.1,\n 2]\n", "my.toml line 3: density: '2' should be a number above 0"},
      {"[grid]\ndensity = [0.1, 0.1]\n", "my.toml: two cells are called 'density=0.1'; rename one"},
      {"cell = 3\n", "my.toml line 1: cell: should be a list of tables, each headed [[cell]]"},
      {"[cell]\nname = 'a'\n", "my.toml line 1: cell: should be a list of tables, each headed [[cell]]"},
      {"[[cell]]\nname = 'a'\nseeds = 'few'\n", "my.toml line 3: seeds: should be a number of seeds"},
      {"[[cell]]\nepochs = 3\n", "my.toml line 1: cell: should be a table with a name"},
      {"[[cell]]\nname = 'a'\nlabel = 'x'\n",
       "my.toml line 3: label: belongs to own data, given by its path; leave it out"},
      {"[[cell]]\nname = 'a'\ndata = 'nowhere'\n",
       "my.toml line 1: cell 'a': data set 'nowhere': is neither"},
      {"[[cell]]\nname = 'a'\npatience = 3\nvalidation = 0\n",
       "my.toml line 1: cell 'a': patience: waits for a better validation"},
      {"[[cell]]\nname = 'a'\n[[cell]]\nname = 'a'\nepochs = 3\n",
       "my.toml: two cells are called 'a'; rename one"},
      {"[[cell]]\nname = 'a'\n[[cell]]\nname = 'b'\ndensity = 1.0\n",
       "my.toml: the cells 'a' and 'b' have the same recipe; leave one out"},
      {"[study]\nbaseline = 'dence'\n[[cell]]\nname = 'dense'\n",
       "my.toml: baseline: no cell is called 'dence'; did you mean 'dense'?"},
      {"[study]\nseeds = 1000\n[grid]\nepochs = [1,2,3,4,5,6,7,8,9,10,11]\n",
       "my.toml: has more than 10000 runs, cells times seeds; leave some out"},
      {"[grid]\nepochs = [1,2,3,4,5,6,7,8,9,10]\nbatch = [1,2,3,4,5,6,7,8,9,10]\n"
       "patience = [1,2,3,4,5,6,7,8,9,10]\nmax_steps = [1,2]\n",
       "my.toml line 1: grid: makes more than 1000 cells; leave some values out"},
      {"[grid]\ndensity = [0.1\n", "my.toml line"},
  };
  for (const auto& mistake : mistakes)
    EXPECT_NE(refusal(mistake.text).find(mistake.sentence), std::string::npos) << mistake.text << "\n"
                                                                               << refusal(mistake.text);
}

// Directories and rows of people hang on it: this one may not change.
TEST(SweepIdentity, IsWhatItWas) {
  EXPECT_EQ(id_of("data = 'glyphs'\nmodel = 'mlp:784-32-10'\ndensity = 0.1\nepochs = 4"), "97552db45e2f");
}

TEST(SweepIdentity, DoesNotDependOnHowARecipeIsWritten) {
  const std::string id = id_of("data = 'cifar10'\ndensity = 0.1\nepochs = 7");
  EXPECT_EQ(id_of("epochs = 7\ndensity = 0.1\ndata = 'cifar10'"), id) << "another order";
  EXPECT_EQ(id_of("density = 1e-1\nepochs = 7\ndata = 'cifar10'"), id) << "another spelling";
  EXPECT_EQ(id_of("density = 0.1\nepochs = 7\ndata = 'cifar10'\nmodel = 'resnet20'\nmomentum = 0.9\n"
                  "nesterov = true\nblock = '1x1'\nflip = true\ncrop = 4"),
            id)
      << "defaults of the data and of the model spelled out";
  EXPECT_EQ(
      id_of("density = 0.1\nepochs = 7\ndata = 'cifar10'\nthreads = 7\nmemory = '2G'\nsave_every = '5s'\n"
            "data_dir = 'elsewhere'"),
      id)
      << "what changes no result";
  EXPECT_EQ(id_of("density = 0.1\nepochs = 7\ndata = 'cifar10'\nseed = 9"), id) << "the seed comes apart";
}

TEST(SweepIdentity, DependsOnEverythingElse) {
  const std::string common = "data = 'cifar10'\nepochs = 7\n", id = id_of(common);
  for (const char* other :
       {"density = 0.1", "batch = 64", "momentum = 0.8", "optimizer = 'adam'", "max_time = '1h'",
        "flip = false", "validation = 0.0", "data_seed = 1", "[layer]\nconv1 = 1.0"})
    EXPECT_NE(id_of(common + other), id) << other;
  EXPECT_NE(id_of(common, 2), id);
}

TEST(SweepIdentity, EveryKeyThatChangesNoResultIsOneOfARecipe) {
  int64_t found = 0;
  for (const RecipeKey& key : recipe_keys()) found += changes_no_result(key.name);
  EXPECT_EQ(found, 4);
}

// What a key is by itself depends on the method: "cosine" is nothing to RigL and a choice for SET.
TEST(SweepStudy, WhatAMethodHasByItselfIsNotChosen) {
  const std::string set = "data = 'glyphs'\ndensity = 0.1\nmethod = 'set'\n";
  EXPECT_EQ(id_of(set), id_of(set + "drop_decay = 'constant'\ndrop_fraction = 0.3\n"));
  EXPECT_NE(id_of(set), id_of(set + "drop_decay = 'cosine'\n"));
  MemoryEnv env;
  const Recipe recipe = make_recipe(*settings_from_toml(set + "drop_decay = 'cosine'\n", "recipe")).take();
  const SweepRecipe said = sweep_recipe(env, recipe).take();
  EXPECT_EQ(said.chosen.at("method"), "set");
  EXPECT_EQ(said.chosen.at("drop_decay"), "cosine");
  EXPECT_EQ(said.usual.at("drop_fraction"), "0.3");
}

}  // namespace
}  // namespace coppice
