// SPDX-License-Identifier: Apache-2.0
#include "train/recipe.h"

#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <sstream>

namespace coppice {
namespace {

std::vector<Setting> flags(std::initializer_list<std::pair<const char*, const char*>> pairs) {
  std::vector<Setting> settings;
  for (const auto& [key, value] : pairs) settings.push_back({key, value, key});
  return settings;
}

std::string refusal(const std::vector<Setting>& settings) {
  const auto recipe = make_recipe(settings);
  return recipe.ok() ? "accepted" : recipe.status().message();
}

TEST(Recipe, RefusesMistakesWithASentenceThatNamesKeyAndRemedy) {
  const struct {
    const char *key, *value, *sentence;
  } mistakes[] = {
      {"epohcs", "3", "'epohcs' is not a key of a recipe; did you mean 'epochs'?"},
      {"learning-rate", "3", "did you mean 'learning_rate'?"},
      {"epochs", "three", "epochs: 'three' should be an integer from 1"},
      {"epochs", "0", "epochs: '0' should be an integer from 1"},
      {"epochs", "2.5", "epochs: '2.5' should be an integer"},
      {"epochs", "", "epochs: '' should be"},
      {"density", "0", "density: '0' should be a number above 0"},
      {"density", "1.5", "density: '1.5' should be a number above 0"},
      {"density", "10%", "density: '10%' should be a number"},
      {"density", "nan", "density: 'nan' should be a number"},
      {"learning_rate", "-1", "learning_rate: '-1'"},
      {"learning_rate", "inf", "learning_rate: 'inf'"},
      {"optimizer", "adma", "optimizer: 'adma' should be one of sgd, adam, adamw"},
      {"schedule", "cos", "schedule: 'cos' should be one of constant, step, cosine, linear"},
      {"distribution", "ERK", "distribution: 'ERK' should be one of uniform, er, erk"},
      {"block", "8x1", "block '8x1': must be 1x1, 4x1, 16x1 or 16x4"},
      {"layer", "fc1", "layer: 'fc1' should be NAME=DENSITY"},
      {"layer", "fc1=0", "layer: 'fc1=0' should be NAME=DENSITY with a density above 0"},
      {"flip", "yes", "flip: 'yes' should be true or false"},
      {"max_time", "10x", "max_time: '10x' should be a number with or without a unit"},
      {"max_time", "-1", "max_time: '-1'"},
      {"memory", "lots", "memory: 'lots' should be a number with or without a unit, such as 500M"},
      {"step_at", "0.5,0.4", "step_at: '0.5,0.4' should be at most 3 rising fractions"},
      {"step_at", "0.1,0.2,0.3,0.4", "step_at:"},
      {"momentum", "1", "momentum: '1'"},
      {"validation", "1", "validation: '1'"},
      {"image_size", "0", "image_size: '0' should be a side from 1 to 1024, or HEIGHTxWIDTH"},
      {"image_size", "32x", "image_size: '32x' should be"},
      {"image_size", "32x32x3", "image_size: '32x32x3' should be"},
      {"image_size", "big", "image_size: 'big' should be"},
      {"image_size", "1025", "image_size: '1025' should be"},
      {"resize", "pad", "resize: 'pad' should be one of crop, stretch"},
      {"seed", "-1", "seed: '-1'"},
      {"threads", "99999", "threads: '99999'"},
  };
  for (const auto& mistake : mistakes)
    EXPECT_NE(refusal(flags({{mistake.key, mistake.value}})).find(mistake.sentence), std::string::npos)
        << mistake.key << "=" << mistake.value << ": " << refusal(flags({{mistake.key, mistake.value}}));
}

TEST(Recipe, RefusesKeysThatContradictEachOther) {
  EXPECT_EQ(refusal(flags({{"optimizer", "adam"}, {"nesterov", "true"}})),
            "nesterov: belongs to the optimizer sgd; leave it out");
  EXPECT_EQ(refusal(flags({{"momentum", "0.9"}})), "momentum: belongs to the optimizer sgd; leave it out");
  EXPECT_EQ(refusal(flags({{"optimizer", "sgd"}, {"beta1", "0.9"}})),
            "beta1: belongs to the optimizers adam and adamw; leave it out");
  EXPECT_EQ(refusal(flags({{"life_side", "8"}})), "life_side: belongs to the data set life; leave it out");
  EXPECT_EQ(refusal(flags({{"data", "mnist"}, {"train_samples", "8"}})),
            "train_samples: belongs to the generated sets glyphs and life; leave it out");
  EXPECT_EQ(refusal(flags({{"data", "mnist"}, {"grey", "true"}})),
            "grey: belongs to own data, given by its path; leave it out");
  EXPECT_EQ(refusal(flags({{"schedule", "cosine"}, {"step_at", "0.5"}})),
            "step_at: belongs to the schedule step; leave it out");
  EXPECT_EQ(refusal(flags({{"schedule", "constant"}, {"last_learning_rate", "0"}})),
            "last_learning_rate: belongs to the schedules cosine and linear; leave it out");
  EXPECT_EQ(refusal(flags({{"method", "set"}, {"delta_end", "0.9"}})),
            "delta_end: belongs to the methods chts and chtss; leave it out");
  EXPECT_EQ(refusal(flags({{"method", "granet"}, {"prune_steepness", "3"}})),
            "prune_steepness: belongs to the prune_curve sigmoid of the methods that prune; leave it out");
  EXPECT_EQ(refusal(flags({{"method", "snip"}, {"prune_rounds", "3"}})),
            "prune_rounds: belongs to the method synflow; leave it out");
  EXPECT_NE(refusal(flags({{"optimizer", "sgd"}, {"nesterov", "true"}, {"momentum", "0"}})).find("nesterov"),
            std::string::npos);
  EXPECT_NE(refusal(flags({{"batch", "32"}, {"micro_batch", "64"}}))
                .find("micro_batch: 64 is above the batch of 32"),
            std::string::npos);
  EXPECT_NE(
      refusal(flags({{"learning_rate", "0.1"}, {"last_learning_rate", "0.2"}})).find("last_learning_rate"),
      std::string::npos);
  // It would come back from TOML, where empty texts are left out, as the set that is used where nobody
  // chooses.
  EXPECT_EQ(refusal(flags({{"data", ""}, {"model", "mine.json"}})),
            "data: is empty; name a set, such as glyphs, or a path");
  EXPECT_NE(refusal(flags({{"data", "somewhere"}})).find("model: there is no usual one"), std::string::npos);
  EXPECT_NE(refusal(flags({{"patience", "3"}, {"validation", "0"}})).find("patience"), std::string::npos);
}

TEST(Recipe, ChoosesDefaultsForDataAndModel) {
  EXPECT_EQ(make_recipe({})->model, "mlp:784-300-100-10");
  EXPECT_EQ(make_recipe(flags({{"data", "life"}}))->model, "life:1,8");
  EXPECT_EQ(make_recipe(flags({{"data", "life"}}))->batch, 8);
  const auto cifar = make_recipe(flags({{"data", "cifar10"}}));
  EXPECT_EQ(cifar->optimizer.kind, OptimizerKind::kSgd);
  EXPECT_TRUE(cifar->flip);
  EXPECT_EQ(cifar->crop, 4);
  // A default that means nothing beside what somebody chose is none.
  const auto adam = make_recipe(flags({{"data", "cifar10"}, {"optimizer", "adam"}}));
  ASSERT_TRUE(adam.ok()) << adam.status().message();
  EXPECT_FALSE(adam->optimizer.nesterov);
  EXPECT_EQ(recipe_to_toml(*adam).find("momentum"), std::string::npos);
  // What somebody chose wins over what the model would like, wherever it stands.
  const auto chosen = make_recipe(
      flags({{"learning_rate", "0.5"}, {"model", "resnet8"}, {"data", "cifar10"}, {"epochs", "7"}}));
  EXPECT_EQ(chosen->rate.peak, 0.5);
  EXPECT_EQ(chosen->epochs, 7);
}

TEST(Recipe, ReadsUnits) {
  EXPECT_EQ(make_recipe(flags({{"max_time", "90"}}))->max_time, 90);
  EXPECT_EQ(make_recipe(flags({{"max_time", "1.5m"}}))->max_time, 90);
  EXPECT_EQ(make_recipe(flags({{"max_time", "2h"}}))->max_time, 7200);
  EXPECT_EQ(make_recipe(flags({{"memory", "500M"}}))->memory, 500000000);
  EXPECT_EQ(make_recipe(flags({{"memory", "2G"}}))->memory, 2000000000);
}

TEST(Recipe, ComesBackFromTomlAsItWas) {
  auto settings = flags({{"data", "a \"folder\"\\with é"},
                         {"model", "mlp:784-10"},
                         {"density", "0.1"},
                         {"layer", "fc1=0.3"},
                         {"layer", "layer1.0.x=1"},
                         {"optimizer", "sgd"},
                         {"nesterov", "true"},
                         {"schedule", "step"},
                         {"step_at", "0.25,0.5,0.75"},
                         {"learning_rate", "0.1"},
                         {"max_time", "10m"},
                         {"memory", "2G"},
                         {"block", "16x4"},
                         {"seed", "999999999999999999"},
                         {"isa", "avx2"},
                         {"momentum", "0.85"},
                         {"image_size", "48x64"},
                         {"resize", "stretch"},
                         {"grey", "true"},
                         {"flip", "true"}});
  const auto recipe = make_recipe(settings);
  ASSERT_TRUE(recipe.ok()) << recipe.status().message();
  const std::string toml = recipe_to_toml(*recipe);
  const auto read = settings_from_toml(toml, "recipe.toml");
  ASSERT_TRUE(read.ok()) << read.status().message() << "\n" << toml;
  const auto again = make_recipe(*read);
  ASSERT_TRUE(again.ok()) << again.status().message() << "\n" << toml;
  EXPECT_EQ(recipe_to_toml(*again), toml);
  for (const RecipeKey& key : recipe_keys()) EXPECT_EQ(key.print(*again), key.print(*recipe)) << key.name;
  EXPECT_EQ(again->data, "a \"folder\"\\with é");
  EXPECT_EQ(again->seed, 999999999999999999u);
  EXPECT_EQ(again->sparsity.layers.at("layer1.0.x"), 1.0);
  EXPECT_EQ(again->optimizer.momentum, 0.85f);
}

TEST(Recipe, EveryKeyPrintsWhatItParses) {
  const Recipe plain = *make_recipe({});
  std::set<std::string> names;
  for (const RecipeKey& key : recipe_keys()) {
    EXPECT_TRUE(names.insert(key.name).second) << key.name;
    EXPECT_GT(std::string(key.help).size(), 8u) << key.name;
    const std::string text = key.print(plain);
    if (text.empty()) continue;
    Recipe copy = plain;
    EXPECT_TRUE(key.parse(copy, text).ok()) << key.name << ": " << text;
    EXPECT_EQ(key.print(copy), text) << key.name;
  }
}

TEST(Recipe, DocsListEveryKeyAsItIs) {
  std::ifstream file(COPPICE_SOURCE_DIR "/docs/recipe.md");
  std::ostringstream text;
  text << file.rdbuf();
  for (const RecipeKey& key : recipe_keys()) {
    std::string wants = key.wants;
    for (size_t at = 0; (at = wants.find('|', at)) != std::string::npos; at += 2) wants.insert(at, "\\");
    const std::string row = std::string("| `") + key.name + "` | " +
                            (wants.empty() ? "true \\| false" : wants) + " | " + key.help + " | " +
                            (key.on_resume ? "yes" : "") + " |";
    EXPECT_NE(text.str().find(row + "\n"), std::string::npos) << "docs/recipe.md lacks this row:\n" << row;
  }
}

TEST(RecipeToml, NamesTheLineOfAMistake) {
  const auto sentence = [](const std::string& toml) {
    const auto settings = settings_from_toml(toml, "my.toml");
    if (!settings.ok()) return settings.status().message();
    return refusal(*settings);
  };
  EXPECT_NE(sentence("epochs = 3\ndensty = 0.1\n")
                .find("my.toml line 2: 'densty' is not a key of a recipe; did you mean 'density'"),
            std::string::npos);
  EXPECT_NE(sentence("epochs = \n").find("my.toml line"), std::string::npos);
  EXPECT_NE(sentence("\nepochs = -3").find("my.toml line 2: epochs: '-3' should be"), std::string::npos);
  EXPECT_NE(sentence("epochs = [1]").find("my.toml line 1: epochs:"), std::string::npos);
  EXPECT_NE(sentence("epochs = 2024-01-01").find("my.toml line 1: epochs: should be N"), std::string::npos);
  EXPECT_NE(
      sentence("[optimizer]\nkind = 'sgd'").find("my.toml line 1: optimizer: should be sgd | adam | adamw"),
      std::string::npos);
  EXPECT_NE(sentence("[layer]\nfc1 = 2.0").find("my.toml line"), std::string::npos);
  EXPECT_EQ(sentence("epochs = 3\n[layer]\n\"fc1\" = 0.5"), "accepted");
}

TEST(RecipeToml, LettersBeyondAsciiAreForTextsAndComments) {
  const auto sentence = [](const std::string& toml) {
    const auto settings = settings_from_toml(toml, "my.toml");
    return settings.ok() ? "accepted" : settings.status().message();
  };
  // Each é stands for a letter of two bytes.
  for (const char* fine :
       {"\xef\xbb\xbf# é\nepochs = 3", "data = 'dé'", R"(data = "a\"dé" # é)", "layer.'é' = 0.5",
        "data = \"\"\"\né \"\" é\"\"\"\"\"\nepochs = 3", "data = '''a'é'''", "[layer]\n\"é\" = 0.5"})
    EXPECT_EQ(sentence(fine), "accepted") << fine;
  for (const char* wrong : {"é = 1", "epochs = é", "data = 'a'é", R"(data = """a""""é)", R"(epochs = -"5 é")",
                            R"(epochs = 1."é")", R"(data = "a\\"é)"})
    EXPECT_EQ(sentence("\n" + std::string(wrong)),
              "my.toml line 2: has a letter beyond ASCII outside of quotes; put names and texts in quotes")
        << wrong;
  EXPECT_EQ(sentence("data = \"a\\\\é\""), "accepted") << "that backslash is a letter";
  for (const char* wrong : {"data = \"\\é\"", "data = \"\"\"a\\é\"\"\""})
    EXPECT_EQ(sentence(wrong),
              "my.toml line 1: has a letter beyond ASCII behind a backslash; take the backslash out");
  EXPECT_EQ(sentence("data = \"\"\"a\\ \n  é\"\"\""),
            "my.toml line 2: has a letter beyond ASCII behind a backslash; take the backslash out");
  EXPECT_NE(sentence("[.25").find("my.toml line 1: "), std::string::npos);
}

TEST(RecipeToml, LaterSettingsWin) {
  auto settings = settings_from_toml("epochs = 3\nseed = 7", "my.toml").take();
  settings.push_back({"epochs", "5", "--epochs"});
  const auto recipe = make_recipe(settings);
  EXPECT_EQ(recipe->epochs, 5);
  EXPECT_EQ(recipe->seed, 7u);
}

}  // namespace
}  // namespace coppice
