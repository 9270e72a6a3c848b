// SPDX-License-Identifier: Apache-2.0
// Training held against numbers frozen from PyTorch (tests/golden): logits, loss, every gradient, ten losses,
// and the parameters and running statistics after them. For every instruction set of this machine.
#include "support/golden.h"

#include <gtest/gtest.h>

#include <cmath>

#include "exec/executor.h"
#include "kernels/select.h"
#include "ops/build.h"

namespace coppice {
namespace {

using testing::golden;
using testing::GoldenBatch;
using testing::load_golden;
using testing::load_golden_batch;

Graph mlp(double smoothing) {
  NetworkBuilder b;
  ValueId x = b.input({"f", {20}});
  b.class_target();
  x = b.relu("relu1", b.linear("fc1", x, 24));
  x = b.relu("relu2", b.linear("fc2", x, 16));
  b.softmax_cross_entropy(b.linear("fc3", x, 5), smoothing);
  return b.finish().take();
}

Graph resnet() {
  NetworkBuilder b;
  const auto conv = [&b](const std::string& name, ValueId x, int64_t outputs, int stride) {
    ConvOptions options;
    options.stride = stride;
    options.bias = false;
    return b.conv(name, x, outputs, options);
  };
  const auto block = [&](const std::string& name, ValueId x, int64_t outputs, int stride, ValueId shortcut) {
    ValueId y =
        b.relu(name + ".relu1", b.batch_norm(name + ".bn1", conv(name + ".conv1", x, outputs, stride)));
    y = b.batch_norm(name + ".bn2", conv(name + ".conv2", y, outputs, 1));
    return b.relu(name + ".relu2", b.apply("add", name + ".sum", {y, shortcut}));
  };
  ValueId x = b.input({"chw", {3, 8, 8}});
  b.class_target();
  x = b.relu("relu1", b.batch_norm("bn1", conv("conv1", x, 8, 1)));
  x = block("block1", x, 8, 1, x);
  const ValueId half =
      b.apply("slice", "block2.half", {x},
              {{"size", std::vector<int64_t>{8, 4, 4}}, {"step", std::vector<int64_t>{1, 2, 2}}});
  const ValueId shortcut =
      b.apply("pad", "block2.shortcut", {half},
              {{"before", std::vector<int64_t>{4, 0, 0}}, {"after", std::vector<int64_t>{4, 0, 0}}});
  x = block("block2", x, 16, 2, shortcut);
  b.softmax_cross_entropy(b.linear("fc", b.apply("global_pool", "pool", {x}), 10));
  return b.finish().take();
}

void expect_near(const std::vector<double>& got, const std::vector<float>& want, double tolerance,
                 const std::string& what) {
  ASSERT_EQ(got.size(), want.size()) << what;
  for (size_t i = 0; i < got.size(); ++i)
    ASSERT_NEAR(got[i], want[i], tolerance * (1.0 + std::abs(static_cast<double>(want[i]))))
        << what << " [" << i << "]";
}

using Blocks = std::map<std::string, BlockShape>;

void compare(const std::string& name, const Graph& graph, const Blocks& blocks, const std::string& variant,
             const std::string& optimizer, OptimizerConfig config, double rate) {
  const SafetensorsFile file = golden(name);
  for (const std::string& isa : available_isas()) {
    SCOPED_TRACE(name + " " + variant + optimizer + " on " + isa);
    Network net = load_golden(graph, file, blocks);
    ExecOptions options;
    options.batch = 13;
    options.threads = 2;
    options.isa = isa;
    options.keep_gradients = true;
    options.optimizer = config;
    auto executor = Executor::create(net, options).take();
    const GoldenBatch batch = load_golden_batch(file, *executor, graph.value(graph.input).shape.elements());
    const std::vector<float> losses = file.read<float>(variant + optimizer + ".losses").take();
    StepState state;
    state.learning_rate = rate;
    for (state.step = 0; state.step < 10; ++state.step) {
      const Result<double> loss = executor->train_step({&batch.view, 1}, state);
      ASSERT_TRUE(loss.ok()) << loss.status().message();
      ASSERT_NEAR(*loss, losses[static_cast<size_t>(state.step)], 1e-4 * (1 + *loss))
          << "step " << state.step;
      if (state.step > 0) continue;
      if (variant.empty()) {
        const std::vector<float> logits = untile(
            executor->view(graph.logits), graph.value(graph.logits).shape.elements(), batch.view.samples);
        expect_near({logits.begin(), logits.end()}, file.read<float>("logits").take(), 2e-5, "logits");
      }
      for (const Param& param : net.params)
        expect_near(dense_values(param, param.gradient),
                    file.read<float>(variant + "grad." + param.name()).take(), 2e-5,
                    "gradient of " + param.name());
      for (const Param& stat : net.states)
        expect_near(dense_values(stat, stat.value), file.read<float>("one." + stat.name()).take(), 1e-5,
                    stat.name());
    }
    for (const Param& param : net.params)
      expect_near(dense_values(param, param.value),
                  file.read<float>(variant + optimizer + ".after." + param.name()).take(), 2e-4,
                  param.name() + " after ten steps");
    for (const Param& stat : net.states)
      expect_near(dense_values(stat, stat.value),
                  file.read<float>(optimizer + ".after." + stat.name()).take(), 2e-4,
                  stat.name() + " after ten steps");
  }
}

OptimizerConfig sgd(bool nesterov, float decay) {
  OptimizerConfig config;
  config.momentum = 0.9f;
  config.nesterov = nesterov;
  config.weight_decay = decay;
  return config;
}
OptimizerConfig adam() {
  OptimizerConfig config;
  config.kind = OptimizerKind::kAdam;
  return config;
}
const Blocks kBlocksOfMlp = {{"fc1.weight", {4, 1}}, {"fc2.weight", {16, 1}}};

TEST(Golden, SparseMlpTrainsAsInPyTorch) {
  for (const std::string variant : {"", "smooth."}) {
    const Graph graph = mlp(variant.empty() ? 0.0 : 0.1);
    compare("mlp", graph, {}, variant, "sgd", sgd(true, 5e-4f), 0.1);
    compare("mlp", graph, {}, variant, "adam", adam(), 0.01);
  }
}

TEST(Golden, BlockSparseMlpTrainsAsInPyTorch) {
  compare("mlp_blocks", mlp(0.0), kBlocksOfMlp, "", "sgd", sgd(true, 5e-4f), 0.1);
  compare("mlp_blocks", mlp(0.0), kBlocksOfMlp, "", "adam", adam(), 0.01);
}

TEST(Golden, SmallResNetTrainsAsInPyTorch) {
  compare("resnet", resnet(), {}, "", "sgd", sgd(false, 0.0f), 0.05);
}

}  // namespace
}  // namespace coppice
