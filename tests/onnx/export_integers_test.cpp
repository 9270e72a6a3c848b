// SPDX-License-Identifier: Apache-2.0
// Networks exported in 8-bit integers: what stands in the file, and what is refused. What ONNX Runtime says
// about them stands in export_integers_peers_test.cpp.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "formats/apply.h"
#include "onnx/export.h"
#include "onnx/model.h"
#include "support/lively.h"
#include "support/rounded.h"

namespace coppice {
namespace {

using namespace testing;

// A parsed file, by names; it holds the bytes that the tensors are views of.
struct File {
  explicit File(const Network& network, ByteKind kind = ByteKind::kUnsigned) {
    auto made = export_onnx(network, {.integers = kind});
    EXPECT_TRUE(made.ok()) << made.status().message();
    if (made.ok()) exported = made.take();
    model = onnx::parse_model(exported.bytes).take();
    for (const onnx::Tensor& tensor : model.initializers) tensors[tensor.name] = tensor;
    for (const onnx::Node& node : model.nodes) nodes[node.outputs[0]] = node;
  }
  template <class T>
  std::vector<T> values(const std::string& name) const {
    const std::string_view raw = tensors.at(name).raw;
    std::vector<T> out(raw.size() / sizeof(T));
    std::memcpy(out.data(), raw.data(), raw.size());
    return out;
  }
  onnx::Type type(const std::string& name) const { return static_cast<onnx::Type>(tensors.at(name).type); }
  const onnx::Node& maker(const std::string& value) const { return nodes.at(value); }

  ExportedNetwork exported;
  onnx::Model model;
  std::map<std::string, onnx::Tensor> tensors;
  std::map<std::string, onnx::Node> nodes;  // by what they give
};

Network small() {
  Network network = lively(conv_net(true));
  simplify(network);
  round_activations(network, random_input(network.graph, 3));
  return network;
}

// input -> conv1, relu1 -> pool -> conv2, relu2 -> flatten -> fc: three values are rounded, what pool and
// flatten take and give are bytes, and those of a relu begin at 0, which is all that it does.
TEST(ExportIntegers, RoundsWhatIsStoredAndMovesBytes) {
  const File file(small());
  EXPECT_EQ(file.exported.ops, (std::map<std::string, int64_t>{{"Conv", 2},
                                                               {"DequantizeLinear", 3 + 3 + 3},
                                                               {"Flatten", 1},
                                                               {"Gemm", 1},
                                                               {"MaxPool", 1},
                                                               {"QuantizeLinear", 3}}));
  EXPECT_EQ(file.model.opset, 17);
  EXPECT_EQ(file.maker("input.rounded.integers").inputs[0], "input");
  EXPECT_EQ(file.maker("relu1.rounded.integers").inputs[0], "conv1");
  EXPECT_EQ(file.maker("pool").inputs[0], "relu1.rounded.integers");
  EXPECT_EQ(file.maker("flatten").inputs[0], "relu2.rounded.integers");
  EXPECT_EQ(file.maker("conv2").inputs,
            (std::vector<std::string>{"pool.real", "conv2.weight.real", "conv2.bias.real"}));
  EXPECT_EQ(file.maker("output").op, "Gemm");
}

TEST(ExportIntegers, BytesComeInTwoKinds) {
  const Network network = small();
  const File with_sign(network, ByteKind::kSigned), plain(network, ByteKind::kUnsigned);
  for (const char* value : {"input", "relu1", "relu2"}) {
    const std::string name = std::string(value) + ".rounded.zero_point";
    EXPECT_EQ(with_sign.type(name), onnx::Type::kInt8);
    EXPECT_EQ(plain.type(name), onnx::Type::kUint8);
    EXPECT_EQ(with_sign.values<int8_t>(name)[0] + 128, plain.values<uint8_t>(name)[0]) << name;
  }
  // Behind a relu nothing is below 0.
  EXPECT_EQ(plain.values<uint8_t>("relu1.rounded.zero_point")[0], 0);
}

TEST(ExportIntegers, ParametersAreIntegersOfTheirRows) {
  const Network network = small();
  const File file(network);
  const Param &weight = *network.find("fc.weight"), &bias = *network.find("fc.bias");
  const Pattern pattern = weight.pattern();
  const QuantisedRows rows = quantise_rows(pattern, weight.canonical(weight.value));
  const auto integers = file.values<int8_t>("fc.weight.integers");
  ASSERT_EQ(integers.size(), static_cast<size_t>(weight.total()));
  std::vector<int8_t> wanted(integers.size(), 0);
  const std::vector<size_t> places = live_places(pattern);
  for (size_t k = 0; k < places.size(); ++k) wanted[places[k]] = rows.value[k];
  EXPECT_EQ(integers, wanted);
  EXPECT_EQ(file.tensors.at("fc.weight.integers").dims, weight.dims());
  EXPECT_EQ(file.values<float>("fc.weight.scale"), rows.scale);
  EXPECT_EQ(file.values<int8_t>("fc.weight.zero_point"), std::vector<int8_t>(5, 0));
  EXPECT_EQ(file.maker("fc.weight.real").attributes.at("axis").integer, 0);

  const float x = file.values<float>("relu2.rounded.scale")[0];
  const auto steps = file.values<float>("fc.bias.scale");
  EXPECT_EQ(file.type("fc.bias.integers"), onnx::Type::kInt32);
  for (size_t row = 0; row < steps.size(); ++row) {
    EXPECT_EQ(steps[row], x * rows.scale[row]);
    EXPECT_NEAR(static_cast<float>(file.values<int32_t>("fc.bias.integers")[row]) * steps[row],
                bias.value[row], 0.51 * steps[row]);
  }
}

// A row of weights so small that its bias would be more than 32 bits of its steps.
TEST(ExportIntegers, StepsGrowWhereABiasWouldNotFit) {
  Network network = lively(mlp({4, 3, 2}));
  Param& weight = *network.find("fc1.weight");
  weight.set_canonical(weight.value, std::vector<float>(weight.value.size(), 1e-20F));
  round_activations(network, random_input(network.graph, 3));
  const File file(network);
  const auto integers = file.values<int32_t>("fc1.bias.integers");
  const auto steps = file.values<float>("fc1.bias.scale");
  for (size_t row = 0; row < integers.size(); ++row) {
    EXPECT_NEAR(static_cast<double>(integers[row]) * steps[row], network.find("fc1.bias")->value[row], 1e-6);
    EXPECT_LE(std::abs(integers[row]), (1 << 29) + 64);
  }
}

// Limits that are those of the bytes go; others stay, in a form that ONNX Runtime takes behind a convolution.
TEST(ExportIntegers, ClipsStayWhereBytesDoNotEnd) {
  const auto ops_of = [](double least, double most) {
    NetworkBuilder b;
    ValueId x = b.input({"f", {4}});
    b.class_target();
    x = b.apply("clip", "clip", {b.linear("fc1", x, 8)}, {{"min", least}, {"max", most}});
    b.softmax_cross_entropy(b.linear("fc2", x, 2));
    Network network = lively(b.finish().take());
    round_activations(network, random_input(network.graph, 20));
    return File(network).exported.ops;
  };
  const auto ends = ops_of(-0.25, 0.5), inside = ops_of(0.125, 0.5);
  EXPECT_EQ(ends.count("Max") + ends.count("Min") + ends.count("Clip"), 0U);
  EXPECT_EQ(inside.count("Clip"), 0U);
  EXPECT_EQ(inside.at("Max"), 1);
  EXPECT_EQ(inside.at("Min"), 1);
}

// A pad fills bytes with the one that stands for 0.
TEST(ExportIntegers, ZerosAroundBytesAreTheirZeroPoint) {
  NetworkBuilder b;
  const ValueId x = b.input({"chw", {2, 3, 3}});
  b.class_target();
  const Attributes sizes = {{"before", std::vector<int64_t>{0, 1, 1}},
                            {"after", std::vector<int64_t>{0, 1, 1}}};
  const ValueId wide = b.apply("pad", "pad", {x}, sizes);
  b.softmax_cross_entropy(b.linear("fc", b.flatten("flat", b.conv("conv", wide, 2, {})), 2));
  Network network = lively(b.finish().take());
  round_activations(network, random_input(network.graph, 3));
  const File file(network);
  EXPECT_EQ(file.maker("pad").inputs,
            (std::vector<std::string>{"input.rounded.integers", "pad.pads", "input.rounded.zero_point"}));
}

// Without it a network that rounds is written as it always was: floats between pairs.
TEST(ExportIntegers, NobodyHasToWantThem) {
  const auto made = export_onnx(small());
  ASSERT_TRUE(made.ok()) << made.status().message();
  EXPECT_EQ(made->ops.at("QuantizeLinear"), 3);
  EXPECT_EQ(made->ops.at("DequantizeLinear"), 3);
}

TEST(ExportIntegers, RefusesInASentence) {
  const auto why = [](const Network& network) {
    return export_onnx(network, {.integers = ByteKind::kUnsigned}).status().message();
  };
  Network network = lively(mlp({4, 3, 2}));
  EXPECT_EQ(why(network),
            "cannot be exported in integers: no fake_quantise says how its activations are rounded");
  round_activations(network, random_input(network.graph, 3));
  network.find("fc2.bias")->value[0] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(why(network),
            "cannot be exported: linear 'fc2': has a weight or bias that is NaN or infinite, which integers "
            "are not; docs/export.md lists what can");
  network = lively(mlp({65537, 2}));
  round_activations(network, random_input(network.graph, 1));
  EXPECT_EQ(why(network),
            "cannot be exported: linear 'fc1': has 65537 inputs, more than sums of integers take (65536); "
            "docs/export.md lists what can");
}

}  // namespace
}  // namespace coppice
