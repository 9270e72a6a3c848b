// SPDX-License-Identifier: Apache-2.0
// Scores and single edits held against the same computed in PyTorch (tests/golden).
#include <gtest/gtest.h>

#include <cmath>

#include "exec/executor.h"
#include "sparsify/flow.h"
#include "sparsify/sparsifier.h"
#include "support/golden.h"
#include "support/networks.h"

namespace coppice {
namespace {

using testing::golden;
using testing::load_golden;
using testing::load_golden_batch;

constexpr int64_t kStep = 4;
constexpr RunLength kRun = {40, 10};

Graph graph() { return testing::mlp({20, 24, 16, 5}); }

// 1 where a weight is live, as the file has it.
std::vector<int32_t> mask_of(const Param& param) {
  const Pattern pattern = param.pattern();
  std::vector<int32_t> mask(static_cast<size_t>(pattern.total()));
  for (const int64_t at : block_positions(pattern)) mask[static_cast<size_t>(at)] = 1;
  return mask;
}

// The network after one edit before update kStep, or 0 for a method that is done by then.
Network edited(const char* method, double density, int64_t step) {
  const SafetensorsFile file = golden("sparsify");
  SparsifyConfig config = {method, find_method(method)->defaults};
  config.schedule.update_every = kStep;
  SparsityConfig target;
  target.density = density;
  Network network = load_golden(graph(), file, {}, step > 0);
  const Sparsifier sparsifier = Sparsifier::create(config, target, network.graph, 1).take();
  ExecOptions options;
  options.batch = 13;
  options.dense_gradients_of = [&](const Param& param) { return sparsifier.wants_gradient_of(param); };
  const auto executor = Executor::create(network, options).take();
  const auto batch = load_golden_batch(file, *executor, 20);
  EXPECT_TRUE(sparsifier.due(step, kRun));
  const auto report = sparsifier.edit(network, step, kRun, [&](const DenseGradientSink& sink) {
    return executor->dense_gradients(batch.view, {1, step, 0.1}, sink).status();
  });
  EXPECT_TRUE(report.ok()) << report.status().message();
  return network;
}

void expect_masks(Network& network, const std::string& prefix) {
  const SafetensorsFile file = golden("sparsify");
  for (const Param& param : network.params)
    if (param.is_weight()) {
      EXPECT_EQ(mask_of(param), file.read<int32_t>(prefix + param.name()).take()) << prefix << param.name();
    }
}

TEST(GoldenSparsify, SnipScoresAsInPyTorch) {
  const SafetensorsFile file = golden("sparsify");
  Network network = load_golden(graph(), file, {}, false);
  ExecOptions options;
  options.batch = 13;
  options.dense_gradients_of = [](const Param& param) { return param.is_weight(); };
  const auto executor = Executor::create(network, options).take();
  const auto batch = load_golden_batch(file, *executor, 20);
  std::map<std::string, std::vector<float>> gradients;
  for (const Param& param : network.params)
    gradients[param.name()].resize(static_cast<size_t>(param.total()));
  ASSERT_TRUE(executor
                  ->dense_gradients(batch.view, {1, 0, 0.1},
                                    [&](const DenseGradientBlock& rows) {
                                      std::vector<float>& all = gradients[rows.param.name()];
                                      for (int64_t r = 0; r < rows.rows; ++r)
                                        for (int64_t c = 0; c < rows.cols; ++c)
                                          all[static_cast<size_t>((rows.first_row + r) * rows.cols + c)] =
                                              rows.at(r, c);
                                    })
                  .ok());
  const MethodDef& snip = *find_method("snip");
  for (const Param& param : network.params) {
    if (!param.is_weight()) continue;
    const Pattern pattern = param.pattern();
    const std::vector<float> value = param.canonical(param.value);
    const std::vector<float> got = snip.keep({param, pattern, value, gradients[param.name()], snip.defaults});
    const std::vector<double> want = file.read<double>("snip." + param.name()).take();
    ASSERT_EQ(got.size(), want.size());
    for (size_t i = 0; i < got.size(); ++i)
      ASSERT_NEAR(got[i], want[i], 1e-6 + 1e-4 * want[i]) << param.name() << " [" << i << "]";
  }
}

TEST(GoldenSparsify, SynFlowScoresAsInPyTorch) {
  const SafetensorsFile file = golden("sparsify");
  Network network = load_golden(graph(), file, {}, false);
  const auto gradients = flow_gradients(network, {}).take();
  for (const auto& [name, gradient] : gradients) {
    const std::vector<double> value = dense_values(*network.find(name), network.find(name)->value);
    const std::vector<double> want = file.read<double>("synflow." + name).take();
    ASSERT_EQ(gradient.size(), want.size());
    for (size_t i = 0; i < want.size(); ++i)
      ASSERT_NEAR(std::abs(value[i]) * gradient[i], want[i], 1e-12) << name << " [" << i << "]";
  }
}

TEST(GoldenSparsify, SynFlowLeavesTheSameWeightsAfterAHundredRounds) {
  Network network = edited("synflow", 0.1, 0);
  expect_masks(network, "synflow.mask.");
}

TEST(GoldenSparsify, RigLMovesTheSameWeights) {
  Network network = edited("rigl", 0.6, kStep);
  expect_masks(network, "rigl.mask.");
}

TEST(GoldenSparsify, GraNetCutsAndMovesTheSameWeights) {
  Network network = edited("granet", 0.2, kStep);
  expect_masks(network, "granet.mask.");
}

// What grows is random, and may be what was dropped.
TEST(GoldenSparsify, SetDropsTheSameWeights) {
  const SafetensorsFile file = golden("sparsify");
  const Network network = edited("set", 0.6, kStep);
  for (const Param& param : network.params) {
    if (!param.is_weight()) continue;
    const std::vector<int32_t> kept = file.read<int32_t>("set.kept." + param.name()).take(),
                               before = file.read<int32_t>("mask." + param.name()).take(),
                               now = mask_of(param);
    int64_t back = 0, elsewhere = 0, dropped = 0;
    for (size_t i = 0; i < kept.size(); ++i) {
      if (kept[i]) {
        EXPECT_EQ(now[i], 1) << param.name() << " [" << i << "]";
      }
      dropped += before[i] && !kept[i];
      back += before[i] && !kept[i] && now[i];
      elsewhere += !before[i] && now[i];
    }
    EXPECT_EQ(back + elsewhere, dropped) << param.name();
    EXPECT_GT(elsewhere, 0) << param.name();
  }
}

}  // namespace
}  // namespace coppice
