// SPDX-License-Identifier: Apache-2.0
// Networks in 8-bit integers from ONNX files: what exporters write as pairs of QuantizeLinear and
// DequantizeLinear. What ONNX Runtime says about them stands in import_integers_peers_test.cpp.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "onnx/export.h"
#include "onnx/import.h"
#include "ops/build.h"
#include "support/answers.h"
#include "support/lively.h"
#include "support/onnx_bytes.h"
#include "support/rounded.h"

namespace coppice {
namespace {

using namespace testing;

constexpr int64_t kInt16 = 5;

ProtoWriter number(const std::string& name, float value) { return onnx_floats(name, {}, {value}); }
template <class T>
ProtoWriter integer(const std::string& name, int64_t type, T value) {
  return onnx_tensor_of(name, {}, type, std::vector<T>{value});
}

ImportedNetwork imported(const OnnxFile& file) {
  auto made = import_onnx(file.bytes());
  EXPECT_TRUE(made.ok()) << made.status().message();
  return made.ok() ? made.take() : ImportedNetwork();
}

void expect_refusal(const OnnxFile& file, const std::string& sentence) {
  const auto made = import_onnx(file.bytes());
  ASSERT_FALSE(made.ok()) << sentence;
  EXPECT_NE(made.status().message().find(sentence), std::string::npos) << made.status().message();
}

TEST(ImportIntegers, PairsRoundAsTheySay) {
  for (const bool plain : {true, false}) {
    ImportedNetwork made = imported(onnx_integer_layer(plain));
    const Graph& graph = made.network.graph;
    std::vector<std::string> ops;
    for (const Node& node : graph.nodes()) ops.push_back(node.op->name + (" " + node.name));
    EXPECT_EQ(ops, (std::vector<std::string>{"fake_quantise x", "linear fc", "relu relu", "fake_quantise r",
                                             "softmax_cross_entropy loss"}));
    EXPECT_EQ(graph.node(0).real("scale", 0), 0.5);
    EXPECT_EQ(graph.node(0).integer("zero_point", 0), 10 - 128);
    // x: halves to even, and from (0 - 10) / 2 to (255 - 10) / 2. 0.25 -> 0, 0.75 -> 1, 1000 -> 122.5, -9 ->
    // -5.
    const std::vector<float> x = {0, 1, 122.5F, -5};
    const double sums[] = {1 * -0.03 + -5 * 0.41 + 7 * 0.005, 127 * 0.02 + 122.5 * 0.1 - 31 * 0.01,
                           0.21 - 122.5 * 1.47 - 0.15 + 0.015};
    std::vector<float> wanted;
    for (const double sum : sums)
      wanted.push_back(static_cast<float>(0.25 * std::clamp(std::nearbyint(sum / 0.25), 0.0, 255.0)));
    EXPECT_EQ(answers(made.network, {0.25F, 0.75F, 1000, -9}, 1), wanted);
    EXPECT_EQ(answers(made.network, x, 1), wanted);
  }
}

// Integers, scales and biases of the file are those of the packed network: whatever the largest of a row is.
TEST(ImportIntegers, RowsOfWeightsStayTheIntegersThatTheyWere) {
  ImportedNetwork made = imported(onnx_integer_layer(true));
  const Param &weight = *made.network.find("fc.weight"), &bias = *made.network.find("fc.bias");
  const QuantisedRows rows =
      quantise_rows(weight.pattern(), weight.canonical(weight.value), bias.canonical(bias.value), 0.5F);
  EXPECT_EQ(rows.value, (std::vector<int8_t>{100, -3, 0, 41, -128, 127, 5, 0, 50, 7, -49, 1}));
  for (size_t row = 0; row < 3; ++row) EXPECT_FLOAT_EQ(rows.scale[row], 0.01F * static_cast<float>(row + 1));
}

TEST(ImportIntegers, PackedTheySayTheSame) {
  ImportedNetwork made = imported(onnx_integer_layer(true));
  const std::vector<float> x = random_input(made.network.graph, 50);
  PackOptions options;
  options.arithmetic = Arithmetic::kInt8;
  EXPECT_EQ(said(image_of(packed(made.network, options)), x), answers(made.network, x, 50));
}

// Layers of every kind that has an integer form, with shortcuts.
Graph residual_net() {
  NetworkBuilder b;
  ValueId x = b.input({"chw", {3, 8, 8}});
  b.class_target();
  x = b.relu("relu1", b.batch_norm("bn1", b.conv("conv1", x, 16, {})));
  ConvOptions pointwise, depthwise;
  pointwise.kernel = 1;
  pointwise.padding = 0;
  depthwise.groups = 16;
  const ValueId deep = b.batch_norm("bn2", b.conv("conv2", x, 16, depthwise));
  x = b.relu("relu2", b.apply("add", "sum1", {deep, b.conv("conv3", x, 16, pointwise)}));
  const Attributes half = {{"size", std::vector<int64_t>{16, 4, 4}}, {"step", std::vector<int64_t>{1, 2, 2}}};
  const Attributes wide = {{"before", std::vector<int64_t>{8, 1, 0}},
                           {"after", std::vector<int64_t>{8, 0, 0}}};
  x = b.apply("pad", "pad", {b.apply("slice", "slice", {x}, half)}, wide);
  x = b.apply("clip", "clip", {b.conv("conv4", x, 8, {})}, {{"min", -0.1}, {"max", 0.3}});
  x = b.relu("relu4", b.linear("fc1", b.apply("global_pool", "pool", {x}), 24));
  b.softmax_cross_entropy(b.linear("fc2", x, 7));
  return b.finish().take();
}

// Our own files: export --int8, import, pack says what packing the network says.
TEST(ImportIntegers, OwnFilesComeBack) {
  for (const ByteKind kind : {ByteKind::kUnsigned, ByteKind::kSigned})
    for (const Graph& graph : {residual_net(), conv_net(true), mlp({20, 16, 5})}) {
      Network network = lively(graph);
      simplify(network);
      const std::vector<float> x = random_input(network.graph, 20);
      const PackedNetwork before = packed(network, int8_options(network, x));
      round_activations(network, x);
      const auto file = export_onnx(network, {.integers = kind});
      ASSERT_TRUE(file.ok()) << file.status().message();
      auto again = import_onnx(file->bytes);
      ASSERT_TRUE(again.ok()) << again.status().message();
      const PackedNetwork after = packed(again->network, int8_options(again->network, x));
      EXPECT_EQ(said(image_of(before), x), said(image_of(after), x));
      EXPECT_EQ(before.steps.size(), after.steps.size());  // no copy, no conversion more
      for (const Param& param : again->network.params)
        EXPECT_NE(network.find(param.name()), nullptr) << param.name();
      // In floats they differ by what rounding the weights loses.
      expect_close(answers(network, x, 20), answers(again->network, x, 20), 0.05);
    }
}

TEST(ImportIntegers, WeightsThatTheFileRoundsItself) {
  OnnxFile file = onnx_linear();
  file.initializer(onnx_floats("w_real", {3, 2}, {0.26F, -0.5F, 0.7F, -9, 99, -1}))
      .initializer(onnx_floats("scale", {2}, {.25F, .5F}))
      .initializer(onnx_tensor_of("zero", {2}, kOnnxInt8, std::vector<int8_t>{0, 120}))
      .initializer(onnx_floats("b", {2}, {0, 0}))
      .node("QuantizeLinear", "q", {"w_real", "scale", "zero"}, {"wq"}, {onnx_integer("axis", 1)})
      .node("DequantizeLinear", "dq", {"wq", "scale", "zero"}, {"w"}, {onnx_integer("axis", 1)});
  ImportedNetwork made = imported(file);
  const Param& weight = *made.network.find("fc.weight");
  EXPECT_EQ(weight.canonical(weight.value),
            (std::vector<float>{0.25F, 0.75F, 31.75F, -0.5F, -9, -1}));  // [outputs][inputs]; 127 * 0.25
}

TEST(ImportIntegers, WhatRoundsTheProbabilitiesGoesWithThem) {
  OnnxFile file = onnx_linear();
  file.graph = ProtoWriter();
  file.input("x", {-1, 3}).output("y");
  file.initializer(onnx_floats("w", {3, 2}, onnx_numbers(6))).initializer(number("scale", 1.0F / 256));
  file.initializer(integer<uint8_t>("zero", kOnnxUint8, 0));
  file.node("MatMul", "/fc/MatMul", {"x", "w"}, {"h"}).node("Softmax", "s", {"h"}, {"p"});
  file.node("QuantizeLinear", "q", {"p", "scale", "zero"}, {"pq"});
  file.node("DequantizeLinear", "dq", {"pq", "scale", "zero"}, {"y"});
  const ImportedNetwork made = imported(file);
  EXPECT_EQ(made.ending, "softmax");
  EXPECT_EQ(made.network.graph.nodes().size(), 2U);
}

TEST(ImportIntegers, LimitsOfTwoNodesAreAClip) {
  for (const bool first : {true, false}) {
    OnnxFile file;
    file.input("x", {-1, 3}).output("y").initializer(number("low", -1)).initializer(number("high", 2));
    file.node("Max", "m", first ? std::vector<std::string>{"low", "x"} : std::vector<std::string>{"x", "low"},
              {"a"});
    file.node("Min", "n", {"a", "high"}, {"y"});
    ImportedNetwork made = imported(file);
    EXPECT_EQ(made.network.graph.nodes().size(), 2U);
    EXPECT_EQ(answers(made.network, {-3, 0.5F, 9}, 1), (std::vector<float>{-1, 0.5F, 2}));
  }
}

// All of them at once, each by node and reason.
TEST(ImportIntegers, RefusesByNodeAndReason) {
  OnnxFile file;
  file.input("x", {-1, 2, 4, 4}).output("y");
  file.initializer(number("s", 0.5F)).initializer(number("t", 0.25F)).initializer(number("none", 0));
  file.initializer(onnx_floats("each", {2}, {0.5F, 0.25F}));
  file.initializer(onnx_tensor_of("zeros", {2}, kOnnxInt8, std::vector<int8_t>{0, 0}));
  file.initializer(integer<int8_t>("z", kOnnxInt8, 3)).initializer(integer<int16_t>("z16", kInt16, 3));
  file.initializer(integer<int32_t>("z32", kOnnxInt32, 0));
  file.node("QuantizeLinear", "fine", {"x", "s", "z"}, {"q"});
  file.node("Relu", "computes", {"q"}, {"a"});
  file.node("DequantizeLinear", "other steps", {"q", "t", "z"}, {"b"});
  file.node("DequantizeLinear", "other zero", {"q", "s"}, {"c"});
  file.node("DequantizeLinear", "of floats", {"x", "s", "z"}, {"d"});
  file.node("QuantizeLinear", "channels", {"x", "each", "zeros"}, {"e"});
  file.node("QuantizeLinear", "wide", {"x", "s", "z16"}, {"f"});
  file.node("QuantizeLinear", "wider", {"x", "s", "z32"}, {"g"});
  file.node("QuantizeLinear", "flat", {"x", "none", "z"}, {"h"});
  file.node("QuantizeLinear", "blocks", {"x", "s", "z"}, {"i"}, {onnx_integer("block_size", 2)});
  file.node("QuantizeLinear", "open", {"x", "x", "z"}, {"j"});
  file.node("QLinearConv", "integers", {"x"}, {"k"});
  file.node("Concat", "all", {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"}, {"y"},
            {onnx_integer("axis", 1)});
  for (const char* sentence :
       {"Relu 'computes': computes with bytes",
        "DequantizeLinear 'other steps': reads bytes by another scale",
        "DequantizeLinear 'other zero': reads bytes by another scale or zero point",
        "DequantizeLinear 'of floats': takes numbers that no QuantizeLinear made",
        "QuantizeLinear 'channels': has a scale of 2; of activations there is one number",
        "QuantizeLinear 'wide': initializer 'z16': has numbers of INT16",
        "QuantizeLinear 'wider': is of INT32; activations are rounded to INT8 or UINT8",
        "scale must be above 0", "QuantizeLinear 'blocks': scales blocks of an axis",
        "QuantizeLinear 'open': input 'x' should be a constant",
        "QLinearConv 'integers': computes with integers"})
    expect_refusal(file, sentence);

  OnnxFile bytes;
  bytes.input("x", {-1, 3}).output("y").initializer(number("s", 0.5F));
  bytes.node("QuantizeLinear", "q", {"x", "s"}, {"y"});
  expect_refusal(bytes, "says bytes; let a DequantizeLinear be its last node");
}

}  // namespace
}  // namespace coppice
