// SPDX-License-Identifier: Apache-2.0
// Structure as files of a run: a cut network is trained, resumed and pruned again like any other.
#include "train/structure.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "support/small_run.h"
#include "support/temp_dir.h"

namespace coppice {
namespace {

using testing::run;
using testing::small_recipe;
using testing::TempDir;

const std::vector<Setting> kChosen = {{"density", "0.3", "test"}, {"epochs", "2", "test"}};

TEST(ChannelsRecipe, IsTheOriginalDenseAndFineTuned) {
  const Recipe from = small_recipe({{"layer", "fc1=0.5"}, {"label_smoothing", "0.1"}});
  const auto recipe = channels_recipe({"best.safetensors", from}, kChosen, true);
  ASSERT_TRUE(recipe.ok()) << recipe.status().message();
  EXPECT_EQ(recipe->model, from.model);
  EXPECT_EQ(recipe->sparsity.density, 1.0);
  EXPECT_TRUE(recipe->sparsity.layers.empty());
  EXPECT_EQ(recipe->sparsify.method, "static");
  EXPECT_EQ(recipe->epochs, 2);
}

TEST(ChannelsRecipe, RefusesWhatMeansNothingForChannels) {
  const PruneSource source{"best.safetensors", small_recipe()};
  const auto refusal = [&](std::vector<Setting> chosen) {
    chosen.push_back({"density", "0.3", "test"});
    return channels_recipe(source, chosen, true).status().message();
  };
  EXPECT_EQ(
      refusal({{"block", "4x1", "--block"}}),
      "--block: belongs to `--structure weights`; channels leave a smaller dense network and go all at once; "
      "leave it out");
  EXPECT_EQ(
      refusal({{"layer", "fc1=1", "--layer"}}),
      "--layer: belongs to `--structure weights`; channels leave a smaller dense network and go all at once; "
      "leave it out");
  EXPECT_EQ(refusal({{"method", "rigl", "--method"}}),
            "--method: channels go by magnitude, all at once before the fine-tuning; leave it out, or take "
            "`--structure weights`");
  EXPECT_EQ(refusal({{"method", "magnitude", "--method"}}), "");
  EXPECT_EQ(channels_recipe(source, {}, true).status().message(),
            "density: say how many weights shall stay, such as --density 0.1");
  EXPECT_EQ(channels_recipe(source, {{"density", "1", "test"}}, true).status().message(),
            "density: at 1 every channel stays; lower --density");
}

TEST(CutInto, ARunThatIsResumedAndCutAgain) {
  const TempDir before, first, second;
  const Recipe dense = small_recipe({{"density", "1"}, {"label_smoothing", "0.1"}});
  ASSERT_TRUE(run(Env::system(), dense, before.path(), false).ok());
  const std::string file = join_path(before.path(), kBestFile);
  auto cut = cut_into(Env::system(), {file, dense}, kChosen, true, first.path());
  ASSERT_TRUE(cut.ok()) << cut.status().message();
  EXPECT_GT(cut->removed, 0);
  EXPECT_EQ(cut->original.model, dense.model);
  const auto report = run(Env::system(), cut->recipe, first.path(), false);
  ASSERT_TRUE(report.ok()) << report.status().message();
  EXPECT_EQ(report->live_weights, report->total_weights);
  Recipe longer = cut->recipe;
  longer.model = kNetworkFile;
  longer.epochs = 3;
  EXPECT_TRUE(run(Env::system(), longer, first.path(), true).ok());

  // From its own best state, whose graph lies beside it.
  Checkpoint best = read_checkpoint(Env::system(), join_path(first.path(), kBestFile)).take();
  EXPECT_EQ(best.info.recipe.model, kNetworkFile);
  best.info.recipe.model = join_path(first.path(), kNetworkFile);
  const auto again = cut_into(Env::system(), {join_path(first.path(), kBestFile), best.info.recipe},
                              {{"density", "0.5", "test"}}, true, second.path());
  ASSERT_TRUE(again.ok()) << again.status().message();
  EXPECT_EQ(cut_into(Env::system(), {file, dense}, kChosen, true, first.path()).status().message(),
            first.path() + ": holds a run already; choose another place with --out");
}

// Every weight is there, in another place, and more of them lies in the best blocks.
TEST(PermuteInto, ChangesPlacesAlone) {
  const TempDir before, after;
  const Recipe dense = small_recipe({{"density", "1"}});
  ASSERT_TRUE(run(Env::system(), dense, before.path(), false).ok());
  const std::string file = join_path(before.path(), kBestFile);
  const Recipe recipe =
      prune_recipe({file, dense}, {{"density", "0.3", "test"}, {"block", "16x1", "test"}}, true).take();
  const auto permuted = permute_into(Env::system(), recipe, after.path());
  ASSERT_TRUE(permuted.ok()) << permuted.status().message();
  EXPECT_GT(permuted->after, permuted->before);
  const Dataset data = load_recipe_data(Env::system(), recipe, nullptr, {}).take();
  const Network x = make_network(Env::system(), recipe, data).take();
  const Network y = make_network(Env::system(), permuted->recipe, data).take();
  for (size_t p = 0; p < x.params.size(); ++p) {
    std::vector<float> a = x.params[p].canonical(x.params[p].value),
                       b = y.params[p].canonical(y.params[p].value);
    // The 16 outputs of fc2 fill a block, so that their order is all the same.
    EXPECT_EQ(x.params[p].name().starts_with("fc1.") || x.params[p].name() == "fc2.weight", a != b)
        << x.params[p].name();
    std::sort(a.begin(), a.end());
    std::sort(b.begin(), b.end());
    EXPECT_EQ(a, b) << x.params[p].name();
  }
  ASSERT_TRUE(run(Env::system(), permuted->recipe, after.path(), false).ok());
}

// The best state loses its dead units and can be pruned again; the last one stays what a resume needs.
TEST(RemoveDeadFrom, ChangesTheBestStateAlone) {
  const TempDir directory;
  const Recipe recipe = small_recipe({{"density", "0.005"}});
  ASSERT_TRUE(run(Env::system(), recipe, directory.path(), false).ok());
  const std::string best = join_path(directory.path(), kBestFile);
  const Checkpoint before = read_checkpoint(Env::system(), best).take();
  const auto dead = remove_dead_from(Env::system(), directory.path());
  ASSERT_TRUE(dead.ok()) << dead.status().message();
  ASSERT_GT(dead->removed, 0);
  const Checkpoint after = read_checkpoint(Env::system(), best).take();
  EXPECT_LT(after.network.total_weights(), before.network.total_weights());
  EXPECT_EQ(before.network.live_weights() - after.network.live_weights(), dead->weights);
  EXPECT_EQ(after.info.recipe.model, kPrunedGraphFile);
  EXPECT_EQ(after.info.progress.step, before.info.progress.step);
  const Checkpoint last = read_checkpoint(Env::system(), join_path(directory.path(), kLastFile)).take();
  EXPECT_EQ(last.network.total_weights(), before.network.total_weights());
  EXPECT_EQ(last.info.recipe.model, recipe.model);

  Recipe next = after.info.recipe;
  next.model = join_path(directory.path(), kPrunedGraphFile);
  next.init = best;
  const Dataset data = load_recipe_data(Env::system(), next, nullptr, {}).take();
  InitReport init;
  const auto again = make_network(Env::system(), next, data, &init);
  ASSERT_TRUE(again.ok()) << again.status().message();
  EXPECT_EQ(init.taken(), static_cast<int64_t>(init.rows.size()));
  EXPECT_EQ(remove_dead_from(Env::system(), directory.path())->removed, 0);
}

}  // namespace
}  // namespace coppice
