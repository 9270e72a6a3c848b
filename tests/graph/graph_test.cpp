// SPDX-License-Identifier: Apache-2.0
#include "graph/graph.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "graph/lowering.h"
#include "ops/build.h"
#include "ops/ops.h"

namespace coppice {
namespace {

Graph two_layers() {
  NetworkBuilder b;
  ValueId x = b.input({"f", {6}});
  b.class_target();
  x = b.relu("relu1", b.linear("fc1", x, 4));
  b.softmax_cross_entropy(b.linear("fc2", x, 3));
  return b.finish().take();
}

std::string complaint(const Graph& graph) { return verify(graph).message(); }

TEST(Shape, NamesItsAxes) {
  const Shape picture{"chw", {3, 32, 16}};
  EXPECT_EQ(picture.elements(), 3 * 32 * 16);
  EXPECT_EQ(picture.size('h'), 32);
  EXPECT_EQ(picture.size('f'), 1) << "an axis that is not there";
  EXPECT_EQ(picture.text(), "c=3 h=32 w=16");
  EXPECT_EQ(Shape{}.elements(), 1);
  EXPECT_EQ(Shape{}.text(), "scalar");
}

TEST(Shape, DecidesTheWidthOfTiles) {
  EXPECT_EQ(tile_width({"chw", {3, 8, 8}}, 128), 16);
  EXPECT_EQ(tile_width({"f", {8}}, 128), 64);
  EXPECT_EQ(tile_width({"f", {8}}, 64), 64);
  EXPECT_EQ(tile_width({"f", {8}}, 63), 32);
  EXPECT_EQ(tile_width({"f", {8}}, 31), 16);
}

TEST(Graph, FindsValuesByNameAndNodesByWhatTheyWrite) {
  const Graph graph = two_layers();
  EXPECT_EQ(graph.find("nothing"), kNoValue);
  EXPECT_EQ(graph.value(graph.find("fc1.weight")).kind, ValueKind::kParam);
  EXPECT_EQ(graph.producer(graph.find("fc1.weight")), -1);
  EXPECT_EQ(graph.node(graph.producer(graph.logits)).name, "fc2");
}

TEST(Graph, RefusesANodeWithASentenceThatStartsWithItsName) {
  Graph graph = two_layers();
  const size_t values = graph.values().size(), nodes = graph.nodes().size();
  EXPECT_EQ(graph.add(*find_op("relu"), "r", {kNoValue}).status().message(),
            "relu 'r': reads a value that does not exist");
  EXPECT_EQ(graph.add(*find_op("relu"), "r", {1000}).status().message(),
            "relu 'r': reads a value that does not exist");
  EXPECT_EQ(graph.add(*find_op("relu"), "fc1", {graph.logits}).status().message(),
            "relu 'fc1': the name 'fc1' is already in use");
  EXPECT_EQ(
      graph.add(*find_op("add"), "s", {graph.logits, graph.input}).status().message().rfind("add 's': ", 0),
      0u);
  EXPECT_EQ(graph.values().size(), values) << "a refused node leaves nothing behind";
  EXPECT_EQ(graph.nodes().size(), nodes);
}

TEST(Verify, AcceptsWhatTheBuilderMakes) { EXPECT_TRUE(verify(two_layers()).ok()); }

TEST(Verify, RefusesNamesThatAreTakenAndShapesThatAreNone) {
  Graph twice = two_layers();
  twice.add_value(twice.value(twice.input));
  EXPECT_EQ(complaint(twice), "value 'input' exists twice");

  Graph axes = two_layers();
  axes.value(axes.input).shape.axes = "fg";
  EXPECT_EQ(complaint(axes), "value 'input': axes and sizes differ in number");

  Graph empty = two_layers();
  empty.value(empty.input).shape.sizes[0] = 0;
  EXPECT_EQ(complaint(empty), "value 'input': f=0 has an empty axis");
}

TEST(Verify, RefusesAnOrderThatCannotRun) {
  Graph graph = two_layers();
  std::swap(graph.nodes_for_pass()[0], graph.nodes_for_pass()[1]);
  EXPECT_EQ(complaint(graph), "relu 'relu1': reads 'fc1' before it is computed");
}

TEST(Verify, RefusesAValueThatNobodyComputes) {
  Graph graph = two_layers();
  graph.nodes_for_pass().erase(graph.nodes_for_pass().begin());
  EXPECT_EQ(complaint(graph), "relu 'relu1': reads 'fc1' before it is computed");
}

TEST(Verify, RefusesValuesOutOfRange) {
  for (const ValueId wrong : {kNoValue, ValueId{1000}}) {
    Graph reads = two_layers();
    reads.nodes_for_pass()[1].inputs[0] = wrong;
    EXPECT_EQ(complaint(reads), "relu 'relu1': reads a value that does not exist");
    Graph writes = two_layers();
    writes.nodes_for_pass()[1].outputs[0] = wrong;
    EXPECT_EQ(complaint(writes), "relu 'relu1': writes a value that does not exist");
  }
}

TEST(Verify, RefusesTwoWritersAndWritersOfParameters) {
  Graph two = two_layers();
  two.nodes_for_pass()[1].outputs[0] = two.nodes()[0].outputs[0];
  EXPECT_EQ(complaint(two), "relu 'relu1': writes 'fc1', which another node writes as well");
  Graph param = two_layers();
  param.nodes_for_pass()[1].outputs[0] = param.find("fc1.weight");
  EXPECT_EQ(complaint(param), "relu 'relu1': writes 'fc1.weight', which is an input, a parameter or a state");
}

TEST(Verify, RefusesWhatTheRuleOfTheOpDoesNotGive) {
  Graph shape = two_layers();
  shape.value(shape.find("relu1")).shape.sizes[0] = 5;
  EXPECT_EQ(complaint(shape), "relu 'relu1': output is f=5, its rule says f=4");
  Graph rule = two_layers();
  rule.value(rule.find("fc1.weight")).shape.sizes[1] = 7;
  EXPECT_EQ(complaint(rule), "linear 'fc1': weight o=4 i=7 does not take an input of f=6");
  Graph count = two_layers();
  count.nodes_for_pass()[1].outputs.clear();
  EXPECT_EQ(complaint(count), "relu 'relu1': has 0 outputs, its rule says 1");
}

}  // namespace
}  // namespace coppice
