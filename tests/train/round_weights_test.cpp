// SPDX-License-Identifier: Apache-2.0
#include "train/round_weights.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>

#include "formats/apply.h"
#include "support/lively.h"
#include "support/small_run.h"
#include "support/temp_dir.h"

namespace coppice {
namespace {

using namespace testing;

std::vector<std::vector<float>> values_of(const Network& network) {
  std::vector<std::vector<float>> out;
  for (const Param& param : network.params) out.push_back(param.canonical(param.value));
  return out;
}

TEST(RoundWeights, RowsBecomeIntegersAndComeBackToTheBit) {
  for (const char* block : {"1x1", "4x1", "16x1"}) {
    Network network = lively(mlp({40, 32, 16, 5}), block);
    // As an executor has them, in the orders of their formats.
    ExecOptions options;
    options.batch = 16;
    const auto executor = Executor::create(network, options);
    ASSERT_TRUE(executor.ok()) << executor.status().message();
    Param& small = network.params[0];
    ASSERT_TRUE(small.is_weight());
    small.value[0] = 1e-38F;  // next to larger ones, below what a step is
    const auto before = values_of(network);
    WeightRounding rounding(network);
    rounding.round();
    for (size_t p = 0; p < network.params.size(); ++p) {
      const Param& param = network.params[p];
      const std::vector<float> rounded = param.canonical(param.value);
      if (!param.is_weight()) {
        EXPECT_EQ(rounded, before[p]);
        continue;
      }
      const QuantisedRows rows = quantise_rows(param.pattern(), before[p]);
      const std::vector<size_t> places = live_places(param.pattern());
      const auto columns = static_cast<size_t>(param.pattern().cols());
      for (size_t k = 0; k < places.size(); ++k)
        EXPECT_EQ(rounded[k], rows.scale[places[k] / columns] * static_cast<float>(rows.value[k]));
      EXPECT_NE(rounded, before[p]);
    }
    {
      // What an update adds is kept.
      network.params[0].value[3] += 0.5F;
      const float expected = network.params[0].value[3];
      rounding.restore();
      EXPECT_NEAR(network.params[0].value[3], expected, 0.01F);
      network.params[0].value[3] -= 0.5F;
    }
    auto after = values_of(network);
    const Param& first = network.params[0];
    Floats mark(first.value.size());
    mark[3] = 1;
    const std::vector<float> marked = first.canonical(mark);
    const auto k = static_cast<size_t>(std::find(marked.begin(), marked.end(), 1.0F) - marked.begin());
    EXPECT_NEAR(after[0][k], before[0][k], 1e-6);
    after[0][k] = before[0][k];
    EXPECT_EQ(after, before);
  }
}

// Each best state is one of integers; the run itself keeps what is finer, and goes on with it.
TEST(RoundWeights, ARunGoesOnToTheBitAndItsBestStateIsRounded) {
  const TempDir dir;
  const std::vector<std::pair<std::string, std::string>> rounded = {
      {"round_weights", "true"}, {"method", "rigl"}, {"update_every", "3"}};
  const auto run = [&](const std::string& name, const std::string& threads, int64_t stop_after) {
    auto settings = rounded;
    settings.emplace_back("threads", threads);
    std::atomic<bool> stop = false;
    TrainCallbacks callbacks;
    callbacks.stop = &stop;
    callbacks.on_step = [&](const StepEvent& event) { stop = event.step == stop_after; };
    return train(Env::system(), {small_recipe(settings), dir.file(name), std::nullopt, false}, callbacks);
  };
  ASSERT_TRUE(run("whole", "1", 0).ok());
  ASSERT_TRUE(run("cut", "3", 7).ok());
  auto half = read_checkpoint(Env::system(), dir.file("cut/last.safetensors"));
  ASSERT_TRUE(half.ok()) << half.status().message();
  EXPECT_EQ(half->info.progress.step, 7);
  const Recipe recipe = half->info.recipe;
  const auto on = train(Env::system(), {recipe, dir.file("cut"), half.take(), false}, {});
  ASSERT_TRUE(on.ok()) << on.status().message();
  const auto one = read_checkpoint(Env::system(), dir.file("whole/last.safetensors"));
  const auto two = read_checkpoint(Env::system(), dir.file("cut/last.safetensors"));
  expect_same_network(one->network, two->network);

  const auto best = read_checkpoint(Env::system(), dir.file("whole/best.safetensors"));
  ASSERT_TRUE(best.ok());
  for (const Param& param : best->network.params) {
    if (!param.is_weight()) continue;
    const std::vector<float> values = param.canonical(param.value);
    const QuantisedRows rows = quantise_rows(param.pattern(), values);
    const std::vector<size_t> places = live_places(param.pattern());
    for (size_t k = 0; k < places.size(); ++k) {
      const float scale = rows.scale[places[k] / static_cast<size_t>(param.pattern().cols())];
      EXPECT_NEAR(values[k], scale * static_cast<float>(rows.value[k]), 1e-5F * scale);
    }
  }
}

}  // namespace
}  // namespace coppice
