// SPDX-License-Identifier: Apache-2.0
// A layer that lost weights says nearly what it said, and more so than one that lost the smallest.
#include "sparsify/reconstruct.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/cholesky.h"
#include "base/rng.h"
#include "exec/oracle.h"
#include "sparsify/ticket.h"
#include "support/batch.h"
#include "support/networks.h"

namespace coppice {
namespace {

using testing::mlp;

TEST(Cholesky, FactorsTheInverse) {
  constexpr int64_t n = 23;
  Rng rng(1, stream_id("test", "matrix"));
  std::vector<double> b(n * n), a(n * n);
  for (double& x : b) x = rng.uniform_double() - 0.5;
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < n; ++j) {
      for (int64_t k = 0; k < n; ++k) a[i * n + j] += b[i * n + k] * b[j * n + k];
      a[i * n + j] += i == j ? 0.1 : 0.0;
    }
  const std::vector<double> u = upper_factor_of_inverse(a, n).take();
  // A U^T U = 1
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < n; ++j) {
      double sum = 0;
      for (int64_t k = 0; k < n; ++k)
        for (int64_t m = 0; m < n; ++m) sum += a[i * n + k] * u[m * n + k] * u[m * n + j];
      EXPECT_NEAR(sum, i == j ? 1.0 : 0.0, 1e-9);
      EXPECT_TRUE(j >= i || u[i * n + j] == 0.0);
    }
  a[0] = -1;
  EXPECT_EQ(upper_factor_of_inverse(a, n).status().message(), "the matrix is not positive definite");
}

// A layer alone whose inputs hang together, as those of trained networks do.
struct Trial {
  static constexpr int kSamples = 96;
  Network network;
  std::unique_ptr<Executor> executor;
  std::vector<TestBatch> batches;

  Trial(const Graph& graph, const std::string& block, int batch_count = 4) {
    SparsityConfig dense;
    dense.block = BlockShape::parse(block).take();
    network = Network::create(graph, dense, 3).take();
    ExecOptions options;
    options.batch = kSamples;
    options.training = false;
    options.keep = reconstruction_inputs(graph);
    executor = Executor::create(network, options).take();
    for (int b = 0; b < batch_count; ++b)
      batches.push_back(random_batch(graph, *executor, kSamples, static_cast<uint64_t>(b)));
    const int64_t features = graph.value(graph.input).shape.elements();
    const int width = executor->input_width();
    for (TestBatch& batch : batches)
      for (int n = 0; n < kSamples; ++n)
        for (int64_t f = 1; f < features; ++f) {
          const auto at = [&](int64_t feature) -> float& {
            return batch.x.data()[(n / width * features + feature) * width + n % width];
          };
          at(f) = 0.8f * at(f - 1) + 0.6f * at(f);
        }
  }
  std::vector<float> said() {
    std::vector<float> all;
    for (TestBatch& batch : batches) {
      EXPECT_TRUE(executor->evaluate(batch.view).ok());
      const auto some = untile(executor->view(network.graph.logits),
                               network.graph.value(network.graph.logits).shape.elements(), kSamples);
      all.insert(all.end(), some.begin(), some.end());
    }
    return all;
  }
  Status prune(const SparsityConfig& target, Ranking ranking) {
    Calibration calibration;
    calibration.batches = static_cast<int64_t>(batches.size());
    calibration.batch = [this](int64_t index) -> Result<BatchView> {
      return batches[static_cast<size_t>(index)].view;
    };
    return reconstruct(network, target, ranking, *executor, calibration);
  }
};

double error(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0, all = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    sum += std::pow(static_cast<double>(a[i]) - static_cast<double>(b[i]), 2);
    all += std::pow(static_cast<double>(a[i]), 2);
  }
  return sum / all;
}

SparsityConfig target_of(const std::string& block, double density) {
  SparsityConfig target;
  target.density = density;
  target.block = BlockShape::parse(block).take();
  target.distribution = Distribution::kUniform;
  return target;
}

TEST(Reconstruct, MakesUpForWhatIsTaken) {
  for (const char* block : {"1x1", "4x1", "16x1", "16x4"}) {
    NetworkBuilder b;
    const ValueId x = b.input({"f", {160}});
    b.class_target();
    b.softmax_cross_entropy(b.linear("fc", x, 32));
    const Graph graph = b.finish().take();
    Trial magnitude(graph, block), second(graph, block);
    const std::vector<float> wanted = second.said();
    const SparsityConfig target = target_of(block, 0.3);
    ASSERT_TRUE(take_smallest(magnitude.network, target, Ranking::kLayer).ok());
    ASSERT_TRUE(magnitude.executor->rebind().ok());
    ASSERT_TRUE(second.prune(target, Ranking::kLayer).ok());
    EXPECT_EQ(second.network.live_weights(), magnitude.network.live_weights());
    const double plain = error(wanted, magnitude.said()), made_up = error(wanted, second.said());
    EXPECT_LT(made_up, 0.9 * plain) << block;
  }
}

// What stays of one row with two columns is known: w0 + w1 H01 / H00, or the other way round.
TEST(Reconstruct, FindsTheLeastSquaresOfTwoColumns) {
  NetworkBuilder b;
  const ValueId x = b.input({"f", {2}});
  b.class_target();
  b.softmax_cross_entropy(b.linear("fc", x, 1, false));
  Trial trial(b.finish().take(), "1x1");
  double h[2][2] = {};
  const int width = trial.executor->input_width();
  for (const TestBatch& batch : trial.batches)
    for (int n = 0; n < Trial::kSamples; ++n)
      for (const int i : {0, 1})
        for (const int j : {0, 1}) {
          const auto at = [&](int f) {
            return static_cast<double>(batch.x.data()[(n / width * 2 + f) * width + n % width]);
          };
          h[i][j] += 2 * at(i) * at(j);
        }
  const double damping = 0.01 * (h[0][0] + h[1][1]) / 2;
  h[0][0] += damping;
  h[1][1] += damping;
  Param& param = trial.network.params[0];
  const std::vector<float> w = param.canonical(param.value);
  const double determinant = h[0][0] * h[1][1] - h[0][1] * h[0][1];
  // w^2 / [H^-1]_jj
  const double first = std::pow(static_cast<double>(w[0]), 2) * determinant / h[1][1],
               second = std::pow(static_cast<double>(w[1]), 2) * determinant / h[0][0];
  ASSERT_TRUE(trial.prune(target_of("1x1", 0.5), Ranking::kLayer).ok());
  ASSERT_EQ(param.live(), 1);
  const int32_t left = param.pattern().indices()[0];
  EXPECT_EQ(left, first < second ? 1 : 0);
  // Taken in the order of columns: where the first stays, nothing before it can take the second one over.
  const double value = left == 1 ? static_cast<double>(w[1]) + static_cast<double>(w[0]) * h[0][1] / h[1][1]
                                 : static_cast<double>(w[0]);
  EXPECT_NEAR(static_cast<double>(param.canonical(param.value)[0]), value, 1e-5);
}

TEST(Reconstruct, CountsAreExactInAllLayersAndBothRankings) {
  for (const Ranking ranking : {Ranking::kLayer, Ranking::kNetwork}) {
    Trial trial(testing::conv_net(false), "1x1", 2), like(testing::conv_net(false), "1x1", 2);
    SparsityConfig target = target_of("1x1", 0.5);
    target.layers["fc"] = 1.0;
    const std::vector<float> wanted = trial.said();
    const Status status = trial.prune(target, ranking);
    ASSERT_TRUE(status.ok()) << status.message();
    ASSERT_TRUE(take_smallest(like.network, target, ranking).ok());
    for (size_t p = 0; p < like.network.params.size(); ++p)
      EXPECT_EQ(trial.network.params[p].live(), like.network.params[p].live())
          << like.network.params[p].name();
    ASSERT_TRUE(like.executor->rebind().ok());
    EXPECT_LT(error(wanted, trial.said()), 0.8 * error(wanted, like.said()));
  }
}

TEST(Reconstruct, SaysWhatItCannotDo) {
  Trial trial(mlp({8, 6, 4}), "1x1", 1);
  EXPECT_EQ(trial.prune(target_of("1x1", 1.0), Ranking::kLayer).message(), "");
  NetworkBuilder b;
  const ValueId x = b.input({"chw", {4, 6, 6}});
  b.class_target();
  ConvOptions grouped;
  grouped.groups = 2;
  b.softmax_cross_entropy(b.linear("fc", b.flatten("flat", b.conv("conv", x, 4, grouped)), 3));
  Trial groups(b.finish().take(), "1x1", 1);
  EXPECT_EQ(groups.prune(target_of("1x1", 0.5), Ranking::kLayer).message(),
            "layer 'conv': second-order pruning of grouped convolutions is not supported; keep it dense with "
            "--layer conv=1");
}

}  // namespace
}  // namespace coppice
