// SPDX-License-Identifier: Apache-2.0
// Walks the table of ops: each says how its units hang together, and says it rightly.
#include "graph/axes.h"

#include <gtest/gtest.h>

#include <map>

#include "exec/oracle.h"
#include "models/models.h"
#include "ops/build.h"
#include "ops/ops.h"
#include "structure/rearrange.h"
#include "support/batch.h"
#include "support/networks.h"

namespace coppice {
namespace {

using testing::network_of;

// Away from the values that are drawn: equal numbers would hide a wrong order.
Network scattered(const Graph& graph, double density, BlockShape block = {}) {
  Network net = network_of(graph, density, block);
  Rng rng(5, stream_id("test", "scattered"));
  for (Param& param : net.params)
    if (!param.is_weight())
      for (float& x : param.value) x = 0.5f + 0.3f * rng.normal();
  for (Param& state : net.states)
    for (float& x : state.value) x = 0.5f + rng.uniform();
  return net;
}

std::vector<double> outputs(Network& net, bool training) {
  constexpr int64_t kBatch = 3;
  OracleRun run;
  run.batch = kBatch;
  run.training = training;
  Rng rng(3, stream_id("test", "inputs"));
  const Graph& graph = net.graph;
  for (int64_t i = 0; i < kBatch * graph.value(graph.input).shape.elements(); ++i)
    run.input.push_back(rng.normal());
  run.target.assign(static_cast<size_t>(kBatch * graph.value(graph.target).shape.elements()), 1.0);
  return run_oracle(graph, net, run).take()[static_cast<size_t>(graph.logits)].data;
}

void expect_same_outputs(Network& before, Network& after, const std::string& what) {
  for (const bool training : {true, false}) {
    const std::vector<double> x = outputs(before, training), y = outputs(after, training);
    ASSERT_EQ(x.size(), y.size()) << what;
    for (size_t i = 0; i < x.size(); ++i)
      ASSERT_NEAR(x[i], y[i], 1e-9 * (1 + std::abs(x[i]))) << what << " [" << i << "]";
  }
}

// The axes of a component, each as often as it has units there: what may change places agrees in them.
std::vector<const AxisMap::Axis*> places(const AxisMap& map, const AxisMap::Component& component) {
  std::vector<const AxisMap::Axis*> out;
  for (const UnitId unit : component.units) out.push_back(&map.axis_of(unit));
  return out;
}

// Every component takes the place of the next one on its axes.
std::vector<int32_t> rotation(const AxisMap& map, const AxisMap::Components& components) {
  std::map<std::vector<const AxisMap::Axis*>, std::vector<int32_t>> alike;
  std::vector<int32_t> source;
  for (size_t c = 0; c < components.list.size(); ++c) {
    source.push_back(static_cast<int32_t>(c));
    if (components.list[c].pinned.empty())
      alike[places(map, components.list[c])].push_back(static_cast<int32_t>(c));
  }
  for (const auto& [axes, list] : alike)
    for (size_t k = 0; k < list.size(); ++k)
      source[static_cast<size_t>(list[k])] = list[(k + 1) % list.size()];
  return source;
}

// Every other component that may go, as long as each axis keeps a unit.
Marks every_other(const AxisMap& map, const AxisMap::Components& components) {
  Marks gone(components.list.size(), false);
  std::map<const AxisMap::Axis*, int64_t> left;
  for (const AxisMap::Axis& axis : map.axes()) left[&axis] = axis.size;
  bool turn = true;
  for (size_t c = 0; c < gone.size(); ++c) {
    if (!components.list[c].may_go() || !(turn = !turn)) continue;
    std::map<const AxisMap::Axis*, int64_t> after = left;
    bool fits = true;
    for (const AxisMap::Axis* axis : places(map, components.list[c])) fits &= --after[axis] > 0;
    if (!fits) continue;
    left = after;
    gone[c] = true;
  }
  return gone;
}

// Sets to 0 what leads from these units into products: then nobody hears them.
void silence(Network& net, const AxisMap& map, const AxisMap::Components& components, const Marks& gone) {
  for (const AxisMap::Product& product : map.products()) {
    Param& weight = net.param(product.weight);
    const Pattern pattern = weight.pattern();
    const int64_t inputs = weight.dims()[1], taps = pattern.cols() / inputs,
                  rows = pattern.rows() / product.groups;
    std::vector<float> values = weight.canonical(weight.value);
    const TransposedPattern single = unblocked(pattern);
    const AxisMap::Axis& x = *map.find(product.x, map.channel_axis(product.x));
    size_t k = 0;
    for (int64_t o = 0; o < pattern.rows(); ++o)
      for (const int32_t column : single.pattern.row(o)) {
        const int64_t unit = x.first + o / rows * inputs + column / taps;
        if (gone[static_cast<size_t>(components.of[static_cast<size_t>(unit)])])
          values[static_cast<size_t>(single.source[k])] = 0.0f;
        ++k;
      }
    weight.set_canonical(weight.value, values);
  }
}

int check_permutation(const Graph& graph, const std::string& what) {
  Network before = scattered(graph, 0.7);
  const AxisMap map(before.graph);
  const AxisMap::Components components = map.components();
  const std::vector<int32_t> source = rotation(map, components);
  auto after = permute(before, map, components, source);
  EXPECT_TRUE(after.ok()) << what << ": " << after.status().message();
  if (after.ok()) expect_same_outputs(before, *after, what + " permuted");
  int moved = 0;
  for (size_t c = 0; c < source.size(); ++c) moved += source[c] != static_cast<int32_t>(c);
  return moved;
}

int check_cut(const Graph& graph, const std::string& what, BlockShape block = {}) {
  Network before = scattered(graph, 0.7, block);
  AxisMap map(before.graph);
  tie_blocks(map, before);
  const AxisMap::Components components = map.components();
  const Marks gone = every_other(map, components);
  silence(before, map, components, gone);
  auto after = cut(before, map, components, gone);
  EXPECT_TRUE(after.ok()) << what << ": " << after.status().message();
  if (after.ok()) expect_same_outputs(before, *after, what + " cut");
  return static_cast<int>(std::count(gone.begin(), gone.end(), true));
}

TEST(Axes, EveryForwardOpSaysHowItsUnitsHangTogether) {
  for (const OpDef* op : all_ops())
    if (op->grad) {
      EXPECT_TRUE(op->axes) << op->name;
    }
}

TEST(Axes, WhatTheOpsSayIsTrueOfTheirSamples) {
  int moved = 0, gone = 0;
  for (const OpDef* op : all_ops()) {
    if (!op->samples) continue;
    for (const Sample& sample : op->samples()) {
      const std::string what = std::string(op->name) + ", " + sample.name;
      moved += check_permutation(sample.graph, what);
      gone += check_cut(sample.graph, what);
    }
  }
  EXPECT_GT(moved, 500);
  EXPECT_GT(gone, 200);
}

TEST(Axes, WhatTheOpsSayIsTrueOfNetworks) {
  const ModelInput image{3, 32, 32, 10};
  for (const char* model : {"resnet8", "lenet5"}) {
    const Graph graph = make_model(model, image).take();
    EXPECT_GT(check_permutation(graph, model), 30) << model;
    EXPECT_GT(check_cut(graph, model), 30) << model;
  }
  EXPECT_GT(check_cut(make_model("resnet8", image).take(), "resnet8 in blocks", {16, 1}), 1);
  EXPECT_GT(check_cut(testing::mlp({12, 64, 64, 5}), "mlp in blocks", {16, 4}), 1);
}

// A unit of a stage goes with all that is added to it, back to where it comes from.
TEST(Axes, AResidualStreamIsOneComponentPerChannel) {
  const Graph graph = make_model("resnet8", {3, 32, 32, 10}).take();
  const AxisMap map(graph);
  const AxisMap::Components components = map.components();
  const auto unit = [&](const char* value, char axis, int index) {
    return components.of[static_cast<size_t>(map.find(graph.find(value), axis)->first + index)];
  };
  // The shortcut pads 8 zero channels before the 16 that there were.
  EXPECT_EQ(unit("conv1.weight", 'o', 3), unit("layer1.0.conv2.weight", 'o', 3));
  EXPECT_EQ(unit("conv1.weight", 'o', 3), unit("layer2.0.conv2.weight", 'o', 11));
  EXPECT_EQ(unit("conv1.weight", 'o', 3), unit("linear.weight", 'i', 27));
  EXPECT_NE(unit("conv1.weight", 'o', 3), unit("layer1.0.conv1.weight", 'o', 3));
  EXPECT_EQ(unit("layer1.0.bn1.running_mean", 'c', 3), unit("layer1.0.conv1.weight", 'o', 3));
  EXPECT_EQ(components.list[static_cast<size_t>(unit("linear.weight", 'o', 3))].pinned,
            "belongs to the network's output");
  EXPECT_EQ(components.list[static_cast<size_t>(unit("conv1.weight", 'i', 0))].pinned,
            "belongs to the network's input");
}

TEST(Axes, AnOpThatDoesNotSayPinsWhatItTouches) {
  OpDef silent = *find_op("relu");
  silent.axes = nullptr;
  Graph graph = testing::mlp({4, 6, 3});
  for (Node& node : graph.nodes_for_pass())
    if (node.op == find_op("relu")) node.op = &silent;
  Network net = network_of(graph, 1.0);
  const AxisMap map(graph);
  const AxisMap::Components components = map.components();
  Marks gone(components.list.size(), false);
  const UnitId first = map.find(graph.find("fc1.weight"), 'o')->first;
  gone[static_cast<size_t>(components.of[static_cast<size_t>(first)])] = true;
  EXPECT_EQ(cut(net, map, components, gone).status().message(),
            "unit 0 of 'fc1.weight' cannot go: it is touched by relu 'relu1', which does not say how its "
            "units hang "
            "together");
}

// Optimizer state and ages go where their weights go.
TEST(Cut, KeepsTheStateOfWhatIsLeft) {
  Network net = network_of(testing::mlp({4, 6, 3}), 0.8);
  for (Param& param : net.params)
    for (Floats* array : {&param.moment1, &param.moment2, &param.born}) {
      param.ensure(*array);
      for (size_t i = 0; i < param.value.size(); ++i) (*array)[i] = param.value[i] * 2.0f;
    }
  const AxisMap map(net.graph);
  const AxisMap::Components components = map.components();
  const Network after = cut(net, map, components, every_other(map, components)).take();
  EXPECT_LT(after.live_weights(), net.live_weights());
  for (const Param& param : after.params)
    for (const Floats* array : {&param.moment1, &param.moment2, &param.born}) {
      ASSERT_EQ(array->size(), param.value.size());
      for (size_t i = 0; i < param.value.size(); ++i) EXPECT_EQ((*array)[i], param.value[i] * 2.0f);
    }
}

TEST(Cut, RefusesTheLastUnitOfALayer) {
  Network net = network_of(testing::mlp({4, 6, 3}), 1.0);
  const AxisMap map(net.graph);
  const AxisMap::Components components = map.components();
  Marks gone;
  for (const AxisMap::Component& component : components.list) gone.push_back(component.may_go());
  EXPECT_EQ(cut(net, map, components, gone).status().message(), "'fc1.weight' would lose its last unit");
}

}  // namespace
}  // namespace coppice
