// SPDX-License-Identifier: Apache-2.0
// Walks the folder of methods and the block shapes: exact counts after every edit, what survives, and what
// may not change the result. Then single methods against the formula of their paper.
#include "sparsify/sparsifier.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "exec/executor.h"
#include "graph/grad.h"
#include "sparsify/flow.h"
#include "support/batch.h"
#include "support/networks.h"

namespace coppice {
namespace {

using testing::conv_net;
using testing::mlp;

constexpr RunLength kRun = {40, 10};

struct Case {
  std::string method, net, block;
  Ranking ranking;
};

std::vector<Case> cases() {
  std::vector<Case> out;
  for (const MethodDef& method : all_methods())
    for (const char* net : {"mlp", "conv"})
      for (const char* block : {"1x1", "4x1", "16x1", "16x4"})
        for (const Ranking ranking : {Ranking::kLayer, Ranking::kNetwork}) {
          const bool prunes = method.defaults.initial_density > 0;
          if (method.keep && (prunes || ranking == Ranking::kLayer))
            out.push_back({method.name, net, block, ranking});
        }
  return out;
}

std::string case_name(const ::testing::TestParamInfo<Case>& info) {
  return info.param.method + "_" + info.param.net + "_" + info.param.block + "_" +
         (info.param.ranking == Ranking::kLayer ? "layer" : "network");
}

Graph graph_of(const std::string& net) { return net == "mlp" ? mlp({64, 80, 64, 10}) : conv_net(true); }

// A network that a method works on, between training steps that move its weights.
struct Trial {
  SparsifyConfig config;
  SparsityConfig target;
  Network network;
  Sparsifier sparsifier;
  std::unique_ptr<Executor> executor;
  int64_t step = 0;

  Trial(const std::string& method, const Graph& graph, const SparsityConfig& sparsity, int threads = 1,
        std::optional<Ranking> ranking = {})
      : target(sparsity) {
    config.method = method;
    config.schedule = find_method(method)->defaults;
    config.schedule.update_every = 4;
    if (ranking) config.schedule.ranking = *ranking;
    network = Network::create(graph, Sparsifier::initial(config, target), 7).take();
    auto made = Sparsifier::create(config, target, network.graph, 7);
    EXPECT_TRUE(made.ok()) << made.status().message();
    sparsifier = made.take();
    ExecOptions options;
    options.batch = 24;
    options.threads = threads;
    options.optimizer.kind = OptimizerKind::kAdam;
    options.dense_gradients_of = [this](const Param& param) { return sparsifier.wants_gradient_of(param); };
    executor = Executor::create(network, options).take();
  }

  StepState state() const { return {7, step, 0.01}; }
  TestBatch batch() const { return random_batch(network.graph, *executor, 24, static_cast<uint64_t>(step)); }

  EditReport edit() {
    TestBatch data = batch();
    const auto report = sparsifier.edit(network, step, kRun, [&](const DenseGradientSink& sink) -> Status {
      return executor->dense_gradients(data.view, state(), sink).status();
    });
    EXPECT_TRUE(report.ok()) << report.status().message();
    EXPECT_TRUE(executor->rebind().ok());
    return *report;
  }
  void train() {
    if (sparsifier.due(step, kRun)) edit();
    update();
  }
  // An edit that ranks by gradients uses the batch up.
  void update() {
    TestBatch data = batch();
    if (!sparsifier.takes_batch(step, kRun)) {
      EXPECT_TRUE(executor->train_step({&data.view, 1}, state()).ok());
    }
    ++step;
  }
};

SparsityConfig sparsity_of(const std::string& block) {
  SparsityConfig sparsity;
  sparsity.density = 0.2;
  sparsity.block = BlockShape::parse(block).take();
  return sparsity;
}

// Value and state of every live weight, by its place in the matrix.
struct Weight {
  float value, moment1, moment2, born;
  bool operator==(const Weight&) const = default;
};
std::map<int64_t, Weight> weights_of(const Param& param) {
  const Pattern pattern = param.pattern();
  const auto array = [&](const Floats& a) {
    return a.empty() ? std::vector<float>(static_cast<size_t>(param.live())) : param.canonical(a);
  };
  const auto value = array(param.value), m = array(param.moment1), v = array(param.moment2),
             born = array(param.born);
  std::map<int64_t, Weight> out;
  size_t k = 0;
  for (int64_t row = 0; row < pattern.block_rows(); ++row)
    for (const int32_t column : pattern.row(row))
      for (int r = 0; r < pattern.block().rows; ++r)
        for (int c = 0; c < pattern.block().cols; ++c, ++k)
          out[(row * pattern.block().rows + r) * pattern.cols() + column * pattern.block().cols + c] = {
              value[k], m[k], v[k], born[k]};
  return out;
}

int64_t expected_blocks(const Pattern& pattern, double density) {
  const int64_t positions = pattern.block_rows() * pattern.block_cols();
  return std::clamp<int64_t>(std::llround(density * static_cast<double>(positions)), 1, positions);
}

double progress_of(const TopologySchedule& schedule, int64_t step) {
  const double end = schedule.prune_end * static_cast<double>(kRun.updates);
  const double x = end > 0 ? std::min(1.0, static_cast<double>(step) / end) : 1.0;
  if (schedule.prune_curve == PruneCurve::kCubic) return 1.0 - (1.0 - x) * (1.0 - x) * (1.0 - x);
  const auto sigmoid = [&](double at) { return 1.0 / (1.0 + std::exp(-at)); };
  const double k = schedule.prune_steepness;
  return (sigmoid(2 * k * (x - 0.5)) - sigmoid(-k)) / (sigmoid(k) - sigmoid(-k));
}

class Methods : public ::testing::TestWithParam<Case> {};

TEST_P(Methods, KeepExactCountsAndTheStateOfSurvivors) {
  Trial trial(GetParam().method, graph_of(GetParam().net), sparsity_of(GetParam().block), 1,
              GetParam().ranking);
  const TopologySchedule& schedule = trial.config.schedule;
  const std::vector<LayerChoice> from =
      distribute(trial.network.graph, Sparsifier::initial(trial.config, trial.target)).take();
  const std::vector<LayerChoice> to = distribute(trial.network.graph, trial.target).take();
  int64_t edits = 0, moved = 0;
  for (; trial.step < kRun.updates;) {
    if (!trial.sparsifier.due(trial.step, kRun)) {
      trial.train();
      continue;
    }
    SCOPED_TRACE("step " + std::to_string(trial.step));
    std::map<std::string, std::map<int64_t, Weight>> before;
    for (const Param& param : trial.network.params)
      if (param.is_weight()) before[param.name()] = weights_of(param);
    const EditReport report = trial.edit();
    const double progress = progress_of(schedule, trial.step);
    int64_t dropped = 0, grown = 0, layer = 0, total = 0, largest = 0;
    for (const Param& param : trial.network.params) {
      if (!param.is_weight()) continue;
      const Pattern pattern = param.pattern();
      ASSERT_GE(pattern.blocks(), 1) << param.name();
      total += pattern.total();
      largest = std::max<int64_t>(largest, pattern.block().size());
      const double density =
          from[static_cast<size_t>(layer)].density +
          (to[static_cast<size_t>(layer)].density - from[static_cast<size_t>(layer)].density) * progress;
      ++layer;
      if (GetParam().ranking == Ranking::kLayer) {
        ASSERT_EQ(pattern.blocks(), expected_blocks(pattern, density)) << param.name();
      }
      const auto& old = before[param.name()];
      const auto now = weights_of(param);
      for (const auto& [place, weight] : now) {
        const auto was = old.find(place);
        if (was != old.end()) {
          ASSERT_EQ(weight, was->second) << param.name() << " [" << place << "] is a survivor";
          continue;
        }
        ++grown;
        const auto first =
            static_cast<float>(trial.step + (find_method(GetParam().method)->grows_by_gradient ? 1 : 0));
        const bool drawn = schedule.grown_value == GrownValue::kInitial;
        ASSERT_EQ(weight, (Weight{drawn ? weight.value : 0, 0, 0, first}))
            << param.name() << " [" << place << "] is grown";
        ASSERT_EQ(weight.value != 0, drawn);
      }
      for (const auto& [place, weight] : old) dropped += !now.contains(place);
    }
    if (GetParam().ranking == Ranking::kNetwork) {
      const double density = schedule.initial_density + (0.2 - schedule.initial_density) * progress;
      const auto budget = std::llround(density * static_cast<double>(total));
      ASSERT_LE(trial.network.live_weights(), budget);
      ASSERT_GT(trial.network.live_weights(), budget - largest);
    }
    EXPECT_EQ(report.dropped, dropped);
    EXPECT_EQ(report.grown, grown);
    moved += grown;
    ++edits;
    trial.update();
  }
  EXPECT_GT(edits, 0);
  EXPECT_EQ(moved > 0, schedule.drop_fraction > 0);
  EXPECT_TRUE(trial.sparsifier.is_final(trial.step, kRun));
  EXPECT_LE(trial.network.live_weights(),
            std::llround(0.2 * static_cast<double>(trial.network.total_weights())) + 64);
}

TEST_P(Methods, GiveTheSamePatternsForAnyNumberOfThreads) {
  std::vector<std::vector<std::map<int64_t, Weight>>> seen;
  for (const int threads : {1, 2, 7}) {
    Trial trial(GetParam().method, graph_of(GetParam().net), sparsity_of(GetParam().block), threads,
                GetParam().ranking);
    while (trial.step < 14) trial.train();
    std::vector<std::map<int64_t, Weight>>& weights = seen.emplace_back();
    for (const Param& param : trial.network.params)
      if (param.is_weight()) weights.push_back(weights_of(param));
  }
  EXPECT_EQ(seen[0], seen[1]);
  EXPECT_EQ(seen[0], seen[2]);
}

INSTANTIATE_TEST_SUITE_P(AllMethods, Methods, ::testing::ValuesIn(cases()), case_name);

// ---- single methods against their formula

std::vector<double> oracle_gradient(Trial& trial, const Param& param, const TestBatch& batch) {
  Graph graph = trial.network.graph;
  const std::vector<ValueId> gradients = build_gradients(graph).take();
  const auto truth = run_oracle(graph, trial.network, batch.oracle).take();
  return truth[static_cast<size_t>(gradients[static_cast<size_t>(graph.find(param.name()))])].data;
}

std::vector<int64_t> live_places(const Param& param) {
  std::vector<int64_t> places;
  for (const auto& [place, weight] : weights_of(param)) places.push_back(place);
  return places;
}

// The k places with the largest score, by a plain sort.
std::set<int64_t> best(const std::map<int64_t, double>& scores, size_t k) {
  std::vector<std::pair<double, int64_t>> order;
  for (const auto& [place, score] : scores) order.emplace_back(-score, place);
  std::sort(order.begin(), order.end());
  std::set<int64_t> out;
  for (size_t i = 0; i < k; ++i) out.insert(order[i].second);
  return out;
}

TEST(RigL, KeepsTheLargestWeightsAndGrowsWhereTheGradientIsLargest) {
  Trial trial("rigl", mlp({40, 32, 10}), sparsity_of("1x1"));
  while (!trial.sparsifier.due(trial.step, kRun)) trial.train();
  const Param& param = trial.network.params[0];
  const auto before = weights_of(param);
  const std::vector<double> gradient = oracle_gradient(trial, param, trial.batch());
  // Evci et al. 2020: f = alpha / 2 (1 + cos(pi t / T_end)).
  const double fraction =
      0.3 / 2 * (1 + std::cos(std::acos(-1.0) * static_cast<double>(trial.step) / (0.75 * 40)));
  const auto k = static_cast<size_t>(fraction * static_cast<double>(before.size()));
  ASSERT_GT(k, 5u);
  std::map<int64_t, double> by_weight, by_gradient;
  for (const auto& [place, weight] : before) by_weight[place] = std::abs(weight.value);
  const std::set<int64_t> kept = best(by_weight, before.size() - k);
  for (int64_t place = 0; place < param.total(); ++place)
    if (!kept.contains(place)) by_gradient[place] = std::abs(gradient[static_cast<size_t>(place)]);
  std::set<int64_t> want = best(by_gradient, k);
  want.insert(kept.begin(), kept.end());
  trial.edit();
  const std::vector<int64_t> got = live_places(param);
  EXPECT_EQ(std::set<int64_t>(got.begin(), got.end()), want);
}

TEST(Snip, KeepsTheLargestProductsOfWeightAndGradientOfTheWholeNetwork) {
  Trial trial("snip", mlp({40, 32, 10}), sparsity_of("1x1"));
  std::map<int64_t, double> scores;  // of both layers, numbered through
  int64_t offset = 0;
  for (const Param& param : trial.network.params) {
    if (!param.is_weight()) continue;
    const std::vector<double> gradient = oracle_gradient(trial, param, trial.batch());
    for (const auto& [place, weight] : weights_of(param))
      scores[offset + place] =
          std::abs(static_cast<double>(weight.value) * gradient[static_cast<size_t>(place)]);
    offset += param.total();
  }
  const std::set<int64_t> want =
      best(scores, static_cast<size_t>(std::llround(0.2 * static_cast<double>(offset))));
  trial.edit();
  std::set<int64_t> got;
  offset = 0;
  for (const Param& param : trial.network.params) {
    if (!param.is_weight()) continue;
    for (const int64_t place : live_places(param)) got.insert(offset + place);
    offset += param.total();
  }
  EXPECT_EQ(got, want);
}

// What a network without biases says to ones is the sum over all paths of the products of
// their weights, so the flow of a weight is the sum over the paths that it lies on.
TEST(SynFlow, FollowsEveryPathThroughTheNetwork) {
  Network network = Network::create(mlp({3, 4, 5, 2}), {}, 3).take();
  const auto gradients = flow_gradients(network, {}).take();
  std::vector<std::vector<double>> w;
  for (const char* name : {"fc1.weight", "fc2.weight", "fc3.weight"}) {
    w.push_back(dense_values(*network.find(name), network.find(name)->value));
    for (double& value : w.back()) value = std::abs(value);
  }
  double all = 0;
  std::vector<double> through(w[1].size());
  for (size_t i = 0; i < 3; ++i)
    for (size_t j = 0; j < 4; ++j)
      for (size_t k = 0; k < 5; ++k)
        for (size_t l = 0; l < 2; ++l) {
          const double product = w[0][j * 3 + i] * w[1][k * 4 + j] * w[2][l * 5 + k];
          all += product;
          through[k * 4 + j] += product;
        }
  for (size_t k = 0; k < through.size(); ++k)
    EXPECT_NEAR(gradients.at("fc2.weight")[k] * w[1][k], through[k] / all, 1e-12);
}

// What flows in flows out: the scores of a layer add up to the same for each layer that all paths cross, with
// batch norm as in an evaluation.
TEST(SynFlow, AddsUpToTheSameForLayersThatAllPathsCross) {
  Network network = Network::create(conv_net(true), {}, 3).take();
  for (float& mean : network.find("bn1.running_mean")->value) mean = 0.0f;
  for (float& variance : network.find("bn1.running_var")->value) variance = 0.37f;
  const auto gradients = flow_gradients(network, {}).take();
  for (const char* name : {"conv1.weight", "conv2.weight", "fc.weight"}) {
    const std::vector<double> values = dense_values(*network.find(name), network.find(name)->value);
    double sum = 0;
    for (size_t i = 0; i < values.size(); ++i) sum += std::abs(values[i]) * gradients.at(name)[i];
    EXPECT_NEAR(sum, 1.0, 1e-9) << name;
  }
}

// 100 rounds by a plain sort, against one edit.
TEST(SynFlow, CutsInRoundsOfEqualShares) {
  const SparsityConfig sparsity = sparsity_of("1x1");
  Trial trial("synflow", mlp({40, 32, 10}), sparsity);
  std::map<std::string, std::vector<double>> left;
  double total = 0;
  for (const Param& param : trial.network.params)
    if (param.is_weight()) {
      left[param.name()] = dense_values(param, param.value);
      total += static_cast<double>(param.total());
    }
  for (int round = 1; round <= 100; ++round) {
    const auto gradients = flow_gradients(trial.network, left).take();
    std::vector<std::pair<double, double*>> scores;
    for (auto& [name, values] : left)
      for (size_t i = 0; i < values.size(); ++i)
        if (values[i] != 0) scores.emplace_back(std::abs(values[i]) * gradients.at(name)[i], &values[i]);
    std::sort(scores.begin(), scores.end());
    const auto keep = static_cast<size_t>(std::llround(std::pow(0.2, round / 100.0) * total));
    for (size_t i = 0; i + keep < scores.size(); ++i) *scores[i].second = 0;
  }
  ASSERT_TRUE(trial.sparsifier.due(0, kRun));
  trial.edit();
  for (const auto& [name, values] : left) {
    std::vector<int64_t> want;
    for (size_t i = 0; i < values.size(); ++i)
      if (values[i] != 0) want.push_back(static_cast<int64_t>(i));
    EXPECT_EQ(live_places(*trial.network.find(name)), want) << name;
  }
  EXPECT_FALSE(trial.sparsifier.takes_batch(0, kRun));
  EXPECT_FALSE(trial.sparsifier.due(1, kRun));
}

TEST(SynFlow, RefusesANetworkThroughWhichNothingFlows) {
  Network network = Network::create(mlp({3, 4, 2}), {}, 3).take();
  for (Param& param : network.params)
    for (float& value : param.value) value = 0;
  EXPECT_EQ(flow_gradients(network, {}).status().message(),
            "the synaptic flow through this network is 0, which ranks no weight; choose another method, such "
            "as snip");
}

TEST(Set, DropsTheSmallestWeightsAndGrowsElsewhere) {
  Trial trial("set", mlp({40, 32, 10}), sparsity_of("1x1"));
  while (!trial.sparsifier.due(trial.step, kRun)) trial.train();
  const Param& param = trial.network.params[0];
  const auto before = weights_of(param);
  const auto k = static_cast<size_t>(0.3 * static_cast<double>(before.size()));
  std::map<int64_t, double> by_weight;
  for (const auto& [place, weight] : before) by_weight[place] = std::abs(weight.value);
  trial.edit();
  const std::vector<int64_t> now = live_places(param);
  for (const int64_t place : best(by_weight, before.size() - k))
    EXPECT_TRUE(std::binary_search(now.begin(), now.end(), place)) << place;
  EXPECT_EQ(now.size(), before.size());
}

// As the first weights of the layer, but for the inputs that live: a variance of 2 / live inputs.
TEST(GrownValues, AreDrawnForTheLiveInputs) {
  SparsifyConfig config{"chts", find_method("chts")->defaults};
  config.schedule.grown_value = GrownValue::kInitial;
  SparsityConfig target = sparsity_of("1x1");
  target.distribution = Distribution::kUniform;
  std::vector<float> grown;
  for (int twice = 0; twice < 2; ++twice) {
    Network network = Network::create(mlp({200, 300, 10}), target, 7).take();
    const Sparsifier sparsifier = Sparsifier::create(config, target, network.graph, 7).take();
    const Param& param = network.params[0];
    const auto before = weights_of(param);
    ASSERT_TRUE(sparsifier.edit(network, 10, kRun, {}).ok());
    std::vector<float> values;
    for (const auto& [place, weight] : weights_of(param))
      if (!before.contains(place)) values.push_back(weight.value);
    ASSERT_GT(values.size(), 2000u);
    double squares = 0;
    for (const float value : values) squares += static_cast<double>(value) * value;
    EXPECT_NEAR(squares / static_cast<double>(values.size()), 2.0 / (200 * 0.2), 0.1 * 2.0 / (200 * 0.2));
    if (twice == 1) {
      EXPECT_EQ(values, grown);
    }
    grown = values;
  }
}

// ---- what is asked for by name, and nonsense

TEST(Sparsifier, LeavesLayersThatAreDenseByNameAndFrozenOnesAlone) {
  SparsityConfig sparsity = sparsity_of("1x1");
  sparsity.layers["fc3"] = 1.0;
  Graph graph = mlp({64, 80, 64, 10});
  ASSERT_TRUE(freeze(graph, "fc2.weight").ok());
  Trial trial("granet", graph, sparsity);
  const auto frozen = live_places(*trial.network.find("fc2.weight"));
  while (trial.step < kRun.updates) trial.train();
  EXPECT_TRUE(trial.network.find("fc3.weight")->pattern().is_full());
  EXPECT_EQ(live_places(*trial.network.find("fc2.weight")), frozen);
}

TEST(Sparsifier, GivesALayerTheDensityThatItsNameAsksForInTheEnd) {
  SparsityConfig sparsity = sparsity_of("1x1");
  sparsity.layers["fc2"] = 0.05;
  Trial trial("magnitude", mlp({64, 80, 64, 10}), sparsity);
  EXPECT_TRUE(trial.network.find("fc2.weight")->pattern().is_full());
  while (trial.step < kRun.updates) trial.train();
  EXPECT_EQ(trial.network.find("fc2.weight")->live(), std::llround(0.05 * 80 * 64));
  EXPECT_EQ(trial.network.live_weights(),
            std::llround(0.2 * static_cast<double>(trial.network.total_weights())));
}

std::string refusal(SparsifyConfig config, double density) {
  SparsityConfig target;
  target.density = density;
  return Sparsifier::create(config, target, mlp({8, 8, 4}), 1).status().message();
}

TEST(Sparsifier, RefusesWhatDoesNotGoTogether) {
  const auto with = [](const char* method, auto change) {
    SparsifyConfig config{method, find_method(method)->defaults};
    change(config.schedule);
    return config;
  };
  const auto none = [](TopologySchedule&) {};
  EXPECT_EQ(refusal({"rigll", {}}, 0.1), "method: 'rigll' is not a pruning method; did you mean 'rigl'?");
  EXPECT_EQ(refusal(with("rigl", none), 1.0), "method: rigl has nothing to do at density 1; lower --density");
  EXPECT_EQ(refusal(with("granet", none), 0.6),
            "initial_density: 0.5 is below the density of 0.6 that the run ends with; raise it");
  EXPECT_EQ(refusal(with("magnitude", [](TopologySchedule& s) { s.prune_begin = 0.9; }), 0.1),
            "prune_begin: lies after prune_end; lower it");
  EXPECT_EQ(refusal(with("magnitude", [](TopologySchedule& s) { s.drop_fraction = 0.3; }), 0.1),
            "drop_fraction: magnitude grows nothing in place of what it drops; leave it out");
  EXPECT_EQ(refusal(with("static", none), 0.1), "");
}

}  // namespace
}  // namespace coppice
