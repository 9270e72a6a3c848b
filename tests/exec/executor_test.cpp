// SPDX-License-Identifier: Apache-2.0
#include "exec/executor.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>

#include "exec/oracle.h"
#include "graph/grad.h"
#include "support/batch.h"
#include "support/networks.h"

namespace coppice {
namespace {

using testing::conv_net;
using testing::mlp;
using testing::network_of;

ExecOptions stored(int batch, int threads = 1) {
  ExecOptions options;
  options.batch = batch;
  options.threads = threads;
  options.keep_gradients = true;
  options.optimizer.momentum = 0;
  return options;
}

std::vector<std::vector<double>> gradients_of(const Network& net) {
  std::vector<std::vector<double>> out;
  for (const Param& param : net.params) out.push_back(dense_values(param, param.gradient));
  return out;
}

std::vector<std::vector<float>> weights_of(const Network& net) {
  std::vector<std::vector<float>> out;
  for (const Param& param : net.params) out.push_back(param.canonical(param.value));
  return out;
}

// Loss, logits and every live gradient of the step that the executor did, against double.
void expect_oracle(const Graph& graph, Network& net, const Executor& executor, const TestBatch& batch,
                   double loss, double tolerance) {
  const int samples = batch.view.samples;
  Graph both = graph;
  const std::vector<ValueId> gradients = build_gradients(both).take();
  const std::vector<ReferenceArray> truth = run_oracle(both, net, batch.oracle).take();
  ASSERT_NEAR(loss, oracle_loss(graph, truth), tolerance);
  const std::vector<double>& outputs = truth[static_cast<size_t>(graph.logits)].data;
  const std::vector<float> logits =
      untile(executor.view(graph.logits), graph.value(graph.logits).shape.elements(), samples);
  for (size_t i = 0; i < logits.size(); ++i) ASSERT_NEAR(logits[i], outputs[i], tolerance) << "logit " << i;
  for (const Param& param : net.params) {
    const std::vector<double> got = dense_values(param, param.gradient);
    const ValueId id = gradients[static_cast<size_t>(graph.find(param.name()))];
    const std::vector<double>& want = truth[static_cast<size_t>(id)].data;
    // Where no weight lives the oracle has a gradient and the network has none.
    for (size_t i = 0; i < got.size(); ++i)
      ASSERT_TRUE(got[i] == 0.0 || std::abs(got[i] - want[i]) < tolerance)
          << "d " << param.name() << " [" << i << "] " << got[i] << " is not " << want[i];
  }
}

// Layers of more rows than one part of a kernel has, and of more columns than one column block.
TEST(Executor, LayersOfSeveralPartsEqualTheOracleHoweverTheyAreCut) {
  const Graph graph = mlp({700, 600, 300, 10});
  for (const BlockShape block : {BlockShape{1, 1}, BlockShape{4, 1}, BlockShape{16, 1}, BlockShape{16, 4}})
    for (const double density : {1.0, 0.1})
      for (const auto& [threads, samples] : {std::pair{1, 70}, std::pair{2, 70}, std::pair{3, 16}}) {
        SCOPED_TRACE(block.text() + " density " + std::to_string(density) + " threads " +
                     std::to_string(threads) + " samples " + std::to_string(samples));
        Network net = network_of(graph, density, block);
        auto executor = Executor::create(net, stored(samples, threads)).take();
        const TestBatch batch = random_batch(graph, *executor, samples, 3);
        const Result<double> loss = executor->train_step({&batch.view, 1}, {});
        ASSERT_TRUE(loss.ok());
        expect_oracle(graph, net, *executor, batch, *loss, 1e-4);
      }
}

TEST(Executor, ABatchMayHaveAnySizeUpToTheLargest) {
  for (const bool picture : {false, true}) {
    const Graph graph = picture ? conv_net(false) : mlp({12, 16, 5});
    Network net = network_of(graph, 0.5);
    auto executor = Executor::create(net, stored(130, 2)).take();
    for (int samples = 1; samples <= 130; samples += picture ? 3 : 1) {
      SCOPED_TRACE(std::to_string(samples) + " samples");
      const TestBatch batch = random_batch(graph, *executor, samples, static_cast<uint64_t>(samples), 1e6f);
      const Result<double> loss = executor->train_step({&batch.view, 1}, {});
      ASSERT_TRUE(loss.ok()) << loss.status().message();
      expect_oracle(graph, net, *executor, batch, *loss, 1e-4);
    }
  }
}

TEST(Executor, RefusesOptionsAndBatchesThatItCannotRun) {
  Network net = network_of(mlp({12, 16, 5}), 1.0);
  const auto refusal = [&net](const ExecOptions& options) {
    const auto executor = Executor::create(net, options);
    return executor.ok() ? "(accepted)" : executor.status().message();
  };
  EXPECT_EQ(refusal(stored(0)), "batch must be at least 1");
  EXPECT_EQ(refusal(stored(8, 0)), "threads must be between 1 and 1024");
  ExecOptions isa = stored(8);
  isa.isa = "mmx";
  EXPECT_EQ(refusal(isa).rfind("instruction set 'mmx': this CPU and build have ", 0), 0u);

  auto executor = Executor::create(net, stored(8)).take();
  TestBatch batch = random_batch(net.graph, *executor, 8, 1);
  for (const int samples : {0, -1, 9}) {
    batch.view.samples = samples;
    EXPECT_EQ(executor->train_step({&batch.view, 1}, {}).status().message(),
              "a batch of " + std::to_string(samples) + " samples: this executor was made for 1 to 8");
  }
  EXPECT_FALSE(executor->train_step({}, {}).ok());
  batch.view.samples = 8;
  EXPECT_EQ(executor->evaluate(batch.view).status().message(),
            "this executor was made for training; make one with training = false");

  ExecOptions forward;
  forward.batch = 8;
  forward.training = false;
  auto evaluator = Executor::create(net, forward).take();
  EXPECT_EQ(evaluator->train_step({&batch.view, 1}, {}).status().message(),
            "this executor was made for evaluation");

  ExecOptions fused;
  fused.batch = 8;
  auto trainer = Executor::create(net, fused).take();
  const BatchView two[] = {batch.view, batch.view};
  EXPECT_EQ(trainer->train_step(two, {}).status().message(),
            "several micro-batches need stored gradients (keep_gradients)");
}

TEST(Executor, SeveralMicroBatchesGiveTheGradientsOfOneBatch) {
  NetworkBuilder b;
  const ValueId x = b.input({"f", {12}});
  b.class_target();
  const ValueId h = b.apply("dropout", "drop", {b.relu("relu", b.linear("fc1", x, 32))}, {{"p", 0.5}});
  b.softmax_cross_entropy(b.linear("fc2", h, 5));
  for (const Graph& graph : {mlp({12, 32, 5}), conv_net(false), b.finish().take()}) {
    Network whole = network_of(graph, 0.5), cut = network_of(graph, 0.5);
    auto one = Executor::create(whole, stored(70)).take();
    auto many = Executor::create(cut, stored(32)).take();
    const TestBatch batch = random_batch(graph, *one, 70, 9);
    StepState state;
    state.seed = 5;
    state.step = 3;
    state.learning_rate = 0.1;
    const Result<double> loss = one->train_step({&batch.view, 1}, state);
    ASSERT_TRUE(loss.ok());

    // The samples of the batch again, 32 + 32 + 6, in the tiles of the smaller executor.
    const int64_t features = graph.value(graph.input).shape.elements();
    std::vector<TestBatch> parts(3);
    std::vector<BatchView> views;
    for (int part = 0; part < 3; ++part) {
      const int first = 32 * part, samples = std::min(32, 70 - first), sx = many->input_width(),
                st = many->target_width();
      parts[static_cast<size_t>(part)].x =
          Floats(static_cast<size_t>((samples + sx - 1) / sx * sx * features));
      parts[static_cast<size_t>(part)].target = Floats(static_cast<size_t>((samples + st - 1) / st * st));
      TestBatch& to = parts[static_cast<size_t>(part)];
      for (int n = 0; n < samples; ++n) {
        for (int64_t f = 0; f < features; ++f)
          to.x[static_cast<size_t>((n / sx * features + f) * sx + n % sx)] =
              static_cast<float>(batch.oracle.input[static_cast<size_t>((first + n) * features + f)]);
        const auto label = static_cast<int32_t>(batch.oracle.target[static_cast<size_t>(first + n)]);
        std::memcpy(&to.target[static_cast<size_t>(n)], &label, sizeof label);
      }
      views.push_back({samples, to.x.data(), to.target.data()});
    }
    const Result<double> sum = many->train_step(views, state);
    ASSERT_TRUE(sum.ok()) << sum.status().message();
    EXPECT_NEAR(*sum, *loss, 1e-5);
    const auto want = gradients_of(whole), got = gradients_of(cut);
    for (size_t p = 0; p < want.size(); ++p)
      for (size_t i = 0; i < want[p].size(); ++i)
        ASSERT_NEAR(got[p][i], want[p][i], 1e-5) << whole.params[p].name() << " [" << i << "]";
    const auto before = weights_of(whole), after = weights_of(cut);
    for (size_t p = 0; p < before.size(); ++p)
      for (size_t i = 0; i < before[p].size(); ++i) ASSERT_NEAR(after[p][i], before[p][i], 1e-5);
  }
}

TEST(Executor, ClippingScalesAllGradientsByTheNormOfTheWhole) {
  const Graph graph = mlp({12, 32, 5});
  for (const double clip : {1e-3, 1e3}) {
    Network net = network_of(graph, 0.5);
    const auto before = weights_of(net);
    ExecOptions options = stored(20);
    options.clip_norm = clip;
    auto executor = Executor::create(net, options).take();
    const TestBatch batch = random_batch(graph, *executor, 20, 2);
    StepState state;
    state.learning_rate = 1.0;
    ASSERT_TRUE(executor->train_step({&batch.view, 1}, state).ok());
    double squares = 0.0, moved = 0.0;
    std::vector<std::vector<float>> gradients;
    for (const Param& param : net.params) gradients.push_back(param.canonical(param.gradient));
    for (const auto& gradient : gradients)
      for (const float g : gradient) squares += static_cast<double>(g) * static_cast<double>(g);
    const double norm = std::sqrt(squares), scale = std::min(1.0, clip / norm);
    EXPECT_EQ(scale < 1.0, clip < 1.0) << "the test wants one case of each";
    const auto after = weights_of(net);
    for (size_t p = 0; p < before.size(); ++p)
      for (size_t i = 0; i < before[p].size(); ++i) {
        const double step = static_cast<double>(before[p][i]) - static_cast<double>(after[p][i]);
        ASSERT_NEAR(step, scale * static_cast<double>(gradients[p][i]), 1e-6);
        moved += step * step;
      }
    EXPECT_NEAR(std::sqrt(moved), std::min(norm, clip), 1e-5 + 1e-3 * std::min(norm, clip));
  }
}

// A batch norm that takes the sum and the relu behind it.
Graph residual_net() {
  NetworkBuilder b;
  const ValueId x = b.relu("relu1", b.conv("conv1", b.input({"chw", {2, 4, 4}}), 4, {}));
  b.class_target();
  const ValueId y = b.apply("add", "sum", {b.batch_norm("bn", b.conv("conv2", x, 4, {})), x});
  b.softmax_cross_entropy(b.linear("fc", b.apply("global_pool", "pool", {b.relu("relu2", y)}), 5));
  return b.finish().take();
}

// Whichever layer diverges, on every path to the loss: the step fails instead of going on with weights of
// NaN.
TEST(Executor, ANanInAnyLayerReachesTheLoss) {
  int seen = 0;
  for (const char* isa : {"c", "avx2", "avx512", "neon"})
    for (const BlockShape block : {BlockShape{1, 1}, BlockShape{4, 1}, BlockShape{16, 1}})
      for (const double density : {1.0, 0.5})
        for (const Graph& graph : {mlp({12, 32, 16, 5}), conv_net(false), conv_net(true), residual_net()}) {
          const size_t layers = network_of(graph, density, block).params.size();
          for (size_t p = 0; p < layers; ++p) {
            Network net = network_of(graph, density, block);
            ExecOptions options = stored(20);
            options.isa = isa;
            auto executor = Executor::create(net, options);
            if (!executor.ok()) break;  // this machine lacks the instruction set; "c" always runs
            for (float& v : net.params[p].value) v = std::numeric_limits<float>::quiet_NaN();
            net.params[p].refresh_copy();
            const TestBatch batch = random_batch(graph, **executor, 20, 2);
            EXPECT_FALSE((*executor)->train_step({&batch.view, 1}, {}).ok())
                << isa << " " << net.params[p].name();
            ++seen;
          }
        }
  EXPECT_GE(seen, 6 * (6 + 6 + 8 + 8));
}

TEST(Executor, ALossThatIsNotFiniteIsAnErrorThatNamesTheStepAndChangesNothing) {
  const Graph graph = mlp({12, 32, 5});
  for (const double clip : {0.0, 1.0}) {
    Network net = network_of(graph, 0.5);
    ExecOptions options = stored(20);
    options.clip_norm = clip;
    options.optimizer.kind = OptimizerKind::kAdam;
    auto executor = Executor::create(net, options).take();
    const TestBatch batch = random_batch(graph, *executor, 20, 2);
    StepState state;
    state.learning_rate = 0.1;
    ASSERT_TRUE(executor->train_step({&batch.view, 1}, state).ok());
    const auto weights = weights_of(net);
    const std::vector<float> moments = net.params[0].canonical(net.params[0].moment2);
    for (float& x : batch.x) x = std::numeric_limits<float>::infinity();
    state.step = 41;
    const Status status = executor->train_step({&batch.view, 1}, state).status();
    EXPECT_EQ(status.code(), Code::kDiverged);
    EXPECT_EQ(status.message(), std::string("the loss is NaN at step 41; lower the learning rate") +
                                    (clip > 0 ? "" : " or clip gradients with --clip"));
    EXPECT_EQ(weights_of(net), weights);
    EXPECT_EQ(net.params[0].canonical(net.params[0].moment2), moments);
  }
}

// Four samples in micro-batches of 3 are a batch of 3 and one of 1.
TEST(Executor, BatchNormOfOneValueIsAnErrorThatNamesTheLayer) {
  for (const int64_t side : {1, 2}) {
    NetworkBuilder b;
    ValueId x = b.input({"chw", {2, side, side}});
    b.class_target();
    x = b.relu("relu", b.batch_norm("bn", b.conv("conv", x, 4, {})));
    b.softmax_cross_entropy(b.linear("fc", b.flatten("flatten", x), 3));
    const Graph graph = b.finish().take();
    for (const bool keep : {false, true}) {
      Network net = network_of(graph, 1.0);
      ExecOptions options = stored(3);
      options.keep_gradients = keep;
      auto executor = Executor::create(net, options).take();
      const auto before = weights_of(net);
      const TestBatch three = random_batch(graph, *executor, 3, 1),
                      one = random_batch(graph, *executor, 1, 2);
      const std::vector<std::vector<BatchView>> steps = {{one.view}, {three.view, one.view}};
      for (const std::vector<BatchView>& step : steps) {
        if (step.size() > 1 && !keep) continue;
        const Status status = executor->train_step(step, {}).status();
        EXPECT_EQ(status.ok(), side == 2);
        if (side == 2) continue;
        EXPECT_EQ(
            status.message(),
            "batch_norm 'bn': 1 sample of 1 x 1 pixels is one value per channel, which has no variance; "
            "train on batches of 2 samples or more");
        EXPECT_EQ(weights_of(net), before);
      }
      EXPECT_TRUE(executor->train_step({&three.view, 1}, {}).ok());
      ExecOptions forward = options;
      forward.training = false;
      EXPECT_TRUE(Executor::create(net, forward).take()->evaluate(one.view).ok()) << "needs no variance";
    }
  }
}

// Weights of 0 hide an input near the largest float from the loss, not from the gradient.
TEST(Executor, ANormThatIsNotFiniteIsAnErrorInsteadOfAnUpdateByNothing) {
  NetworkBuilder b;
  const ValueId x = b.input({"f", {2}});
  b.dense_target({"f", {1}});
  b.mean_squared_error(b.linear("fc", x, 1, false));
  const Graph graph = b.finish().take();
  Network net = network_of(graph, 1.0);
  ExecOptions options = stored(1);
  options.clip_norm = 1.0;
  auto executor = Executor::create(net, options).take();
  Floats in(2 * 16), target(16);
  in[0] = 3e38f;
  in[16] = 0.0f;
  target[0] = 10.0f;
  net.params[0].set_canonical(net.params[0].value, std::vector<float>{0.0f, 0.0f});
  const BatchView view = {1, in.data(), target.data()};
  StepState state;
  state.learning_rate = 0.1;
  const Result<double> loss = executor->train_step({&view, 1}, state);
  ASSERT_FALSE(loss.ok());
  EXPECT_EQ(loss.status().message(),
            "the norm of the gradients is infinite at step 0; lower the learning rate");
  EXPECT_EQ(net.params[0].canonical(net.params[0].value), (std::vector<float>{0.0f, 0.0f}));
}

TEST(Executor, AnEvaluatorSeesTheWeightsThatATrainerBesideItChanges) {
  for (const Graph& graph : {mlp({12, 48, 5}), conv_net(true)})
    for (const double density : {0.2, 1.0})
      for (const bool evaluator_first : {false, true}) {
        SCOPED_TRACE(std::to_string(graph.nodes().size()) + " nodes, density " + std::to_string(density) +
                     (evaluator_first ? ", evaluator first" : ", trainer first"));
        Network net = network_of(graph, density);
        ExecOptions forward = stored(40), training = stored(64);
        forward.training = false;
        training.keep_gradients = false;
        std::unique_ptr<Executor> evaluator, trainer;
        if (evaluator_first) evaluator = Executor::create(net, forward).take();
        trainer = Executor::create(net, training).take();
        if (!evaluator_first) evaluator = Executor::create(net, forward).take();
        const TestBatch batch = random_batch(graph, *trainer, 64, 2);
        TestBatch check = random_batch(graph, *evaluator, 40, 3);
        check.oracle.training = false;
        StepState state;
        state.learning_rate = 0.05;
        double last = 0.0;
        for (state.step = 0; state.step < 3; ++state.step) {
          ASSERT_TRUE(trainer->train_step({&batch.view, 1}, state).ok());
          const Result<double> loss = evaluator->evaluate(check.view);
          ASSERT_TRUE(loss.ok());
          ASSERT_NEAR(*loss, oracle_loss(graph, run_oracle(graph, net, check.oracle).take()), 1e-5);
          EXPECT_NE(*loss, last) << "the weights moved";
          last = *loss;
        }
      }
}

TEST(Executor, EvaluatesWithoutATarget) {
  Network net = network_of(mlp({12, 16, 5}), 1.0);
  ExecOptions forward;
  forward.batch = 8;
  forward.training = false;
  auto executor = Executor::create(net, forward).take();
  const TestBatch batch = random_batch(net.graph, *executor, 8, 1);
  const double loss = executor->evaluate(batch.view).take();
  const std::vector<float> logits = untile(executor->view(net.graph.logits), 5, 8);
  EXPECT_GT(loss, 0.0);
  EXPECT_EQ(executor->evaluate({8, batch.x.data(), nullptr}).take(), 0.0);
  EXPECT_EQ(untile(executor->view(net.graph.logits), 5, 8), logits);
}

TEST(Executor, KeepsAParameterThatNoGradientReaches) {
  NetworkBuilder b;
  const ValueId x = b.input({"f", {12}});
  b.class_target();
  b.linear("aside", x, 7);
  // A name that gradients usually have.
  b.softmax_cross_entropy(b.linear("fc", b.relu("d fc.weight", b.linear("fc1", x, 12)), 5));
  const Graph graph = b.finish().take();
  for (const bool keep : {false, true}) {
    Network net = network_of(graph, 0.5);
    const auto before = weights_of(net);
    ExecOptions options = stored(20);
    options.keep_gradients = keep;
    auto executor = Executor::create(net, options).take();
    const TestBatch batch = random_batch(graph, *executor, 20, 2);
    StepState state;
    state.learning_rate = 0.1;
    ASSERT_TRUE(executor->train_step({&batch.view, 1}, state).ok());
    const auto after = weights_of(net);
    for (size_t p = 0; p < before.size(); ++p)
      EXPECT_EQ(before[p] == after[p], net.params[p].name().rfind("aside", 0) == 0) << net.params[p].name();
  }
}

}  // namespace
}  // namespace coppice
