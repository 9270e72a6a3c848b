// SPDX-License-Identifier: Apache-2.0
#include "onnx/import.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "support/answers.h"
#include "support/memory_env.h"
#include "support/onnx_bytes.h"

namespace coppice {
namespace {

using namespace testing;  // the functions that make ONNX files

std::vector<float> said(const OnnxFile& file, const std::vector<float>& input, int samples = 2) {
  auto imported = import_onnx(file.bytes());
  EXPECT_TRUE(imported.ok()) << imported.status().message();
  return imported.ok() ? answers(imported->network, input, samples) : std::vector<float>();
}

std::string refusal(const OnnxFile& file, const ImportOptions& options = {}) {
  const auto imported = import_onnx(file.bytes(), options);
  EXPECT_FALSE(imported.ok());
  return imported.ok() ? "" : imported.status().message();
}
void expect_refusal(const OnnxFile& file, const std::string& sentence) {
  EXPECT_NE(refusal(file).find(sentence), std::string::npos) << refusal(file);
}

void expect_near(const std::vector<float>& a, const std::vector<float>& b, float close = 1e-5F) {
  ASSERT_EQ(a.size(), b.size());
  ASSERT_FALSE(a.empty());
  for (size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], close) << i;
}

std::vector<std::string> ops_of(const OnnxFile& file) {
  std::vector<std::string> out;
  const auto imported = import_onnx(file.bytes());
  EXPECT_TRUE(imported.ok()) << imported.status().message();
  if (imported.ok())
    for (const Node& node : imported->network.graph.nodes()) out.emplace_back(node.op->name);
  return out;
}

const std::vector<float> kX = {1, 2, 3, -1, 0.5F, 0};
// x w + b with w = onnx_numbers(6) as [3][2] and b = onnx_numbers(2).
const std::vector<float> kY = {1 * .25F + 2 * .75F + 3 * 1.25F + .25F, 1 * -.5F + 2 * -1.F + 3 * -1.5F - .5F,
                               -.25F + .5F * .75F + .25F, .5F + .5F * -1.F - .5F};

OnnxFile plain_linear() {
  OnnxFile file = onnx_linear();
  file.initializer(onnx_floats("w", {3, 2}, onnx_numbers(6)));
  file.initializer(onnx_floats("b", {2}, onnx_numbers(2)));
  return file;
}

TEST(ImportOnnx, ReadsAProductAndItsBias) { expect_near(said(plain_linear(), kX), kY); }

TEST(ImportOnnx, ReadsWeightsInEveryEncoding) {
  const std::vector<float> numbers = onnx_numbers(6);
  const auto with = [](const ProtoWriter& weight) {
    OnnxFile file = onnx_linear();
    file.initializer(weight).initializer(onnx_floats("b", {2}, onnx_numbers(2)));
    return file;
  };
  const auto head = [](int64_t type) {
    return ProtoWriter().integer(1, 3).integer(1, 2).integer(2, type).bytes(8, "w");
  };
  expect_near(said(with(head(kOnnxFloat).reals(4, numbers)), kX), kY);
  ProtoWriter one_by_one = head(kOnnxFloat);
  for (const float value : numbers) one_by_one.real(4, value);
  expect_near(said(with(one_by_one), kX), kY);
  expect_near(said(with(onnx_tensor_of("w", {3, 2}, kOnnxDouble,
                                       std::vector<double>(numbers.begin(), numbers.end()))),
                   kX),
              kY);
  // 0.25 -0.5 0.75 -1 1.25 -1.5
  const std::vector<uint16_t> halves = {0x3400, 0xb800, 0x3a00, 0xbc00, 0x3d00, 0xbe00};
  expect_near(said(with(onnx_tensor_of("w", {3, 2}, kOnnxHalf, halves)), kX), kY);
  expect_near(said(with(head(kOnnxHalf).integers(5, std::vector<int64_t>(halves.begin(), halves.end()))), kX),
              kY);

  OnnxFile cast = onnx_linear();
  cast.initializer(onnx_tensor_of("half", {3, 2}, kOnnxHalf, halves))
      .initializer(onnx_floats("b", {2}, onnx_numbers(2)))
      .node("Cast", "cast", {"half"}, {"w"}, {onnx_integer("to", 1)});
  expect_near(said(cast, kX), kY);

  OnnxFile dequantized = onnx_linear();
  dequantized.initializer(onnx_tensor_of("q", {3, 2}, kOnnxInt8, std::vector<int8_t>{1, 0, 3, -1, 5, -2}))
      .initializer(onnx_floats("scale", {2}, {.25F, .5F}))
      .initializer(onnx_tensor_of("zero", {2}, kOnnxInt8, std::vector<int8_t>{0, 1}))
      .initializer(onnx_floats("b", {2}, onnx_numbers(2)))
      .node("DequantizeLinear", "dq", {"q", "scale", "zero"}, {"w"}, {onnx_integer("axis", 1)});
  expect_near(said(dequantized, kX), kY);

  OnnxFile constant = onnx_linear();
  constant.initializer(onnx_floats("b", {2}, onnx_numbers(2)))
      .node("Constant", "c", {}, {"wt"},
            {onnx_value("value", onnx_floats("", {2, 3}, {.25F, .75F, 1.25F, -.5F, -1, -1.5F}))})
      .node("Transpose", "t", {"wt"}, {"w"}, {onnx_list("perm", {1, 0})});
  expect_near(said(constant, kX), kY);
}

TEST(ImportOnnx, GemmScalesAndTransposes) {
  for (const bool transposed : {false, true}) {
    OnnxFile file;
    file.input("x", {1, 3}).output("y");
    file.initializer(transposed ? onnx_floats("w", {2, 3}, {.125F, .375F, .625F, -.25F, -.5F, -.75F})
                                : onnx_floats("w", {3, 2}, {.125F, -.25F, .375F, -.5F, .625F, -.75F}));
    file.initializer(onnx_floats("b", {1, 2}, {.5F, -1}));
    file.node("Gemm", "fc", {"x", "w", "b"}, {"y"},
              {onnx_real("alpha", 2), onnx_real("beta", .5F), onnx_integer("transB", transposed ? 1 : 0)});
    expect_near(said(file, kX), kY);
  }
}

TEST(ImportOnnx, ConstantsAfterALayerBecomePartOfIt) {
  OnnxFile list;
  list.input("x", {-1, 3}).output("y");
  list.initializer(onnx_floats("w", {3, 2}, onnx_numbers(6)));
  list.initializer(onnx_floats("two", {}, {2})).initializer(onnx_floats("pair", {1, 2}, {4, .5F}));
  list.node("MatMul", "fc", {"x", "w"}, {"h"});
  list.node("Mul", "times", {"two", "h"}, {"a"}).node("Sub", "from", {"pair", "a"}, {"b"});
  list.node("Div", "by", {"b", "pair"}, {"c"}).node("Sub", "less", {"c", "two"}, {"y"});
  std::vector<float> wanted;
  for (size_t i = 0; i < kY.size(); ++i) {
    const float h = kY[i] - (i % 2 == 0 ? .25F : -.5F), c = i % 2 == 0 ? 4 : .5F;
    wanted.push_back((c - 2 * h) / c - 2);
  }
  expect_near(said(list, kX), wanted);
  EXPECT_EQ(ops_of(list), (std::vector<std::string>{"linear", "softmax_cross_entropy"}));

  const auto picture = [](const std::vector<int64_t>& sizes, const std::vector<float>& values) {
    OnnxFile file;
    file.input("x", {-1, 1, 2, 2}).output("y");
    file.initializer(onnx_floats("w", {2, 1, 1, 1}, {1, -1})).initializer(onnx_floats("s", sizes, values));
    file.node("Conv", "conv", {"x", "w"}, {"h"}).node("Mul", "m", {"h", "s"}, {"y"});
    return file;
  };
  expect_near(said(picture({2, 1, 1}, {2, 3}), {1, 2, 3, 4}, 1), {2, 4, 6, 8, -3, -6, -9, -12});
  expect_refusal(picture({1, 1, 2}, {2, 3}), "has a constant of 1 x 1 x 2");
  OnnxFile none;
  none.input("x", {-1, 3}).output("y").initializer(onnx_floats("s", {}, {2}));
  none.node("Sub", "m", {"x", "s"}, {"y"});
  expect_refusal(none, "Sub 'm': has a constant, and is part of no layer before it");
  none = OnnxFile();
  none.input("x", {-1, 2, 2, 2}).output("y").initializer(onnx_floats("s", {}, {2}));
  none.node("Div", "m", {"s", "x"}, {"y"});
  expect_refusal(none, "Div 'm': takes away, or divides by, what is no constant");
}

// As networks begin that take the mean of their data themselves.
TEST(ImportOnnx, ConstantsOfAPictureAreFrozen) {
  OnnxFile file;
  file.input("x", {-1, 2, 1, 2}).output("y");
  file.initializer(onnx_floats("mean", {1, 2, 1, 1}, {1, 3})).initializer(onnx_floats("by", {}, {.5F}));
  file.node("Sub", "mean", {"x", "mean"}, {"a"}).node("Div", "deviation", {"a", "by"}, {"b"});
  file.node("Relu", "relu", {"b"}, {"c"}).node("Mul", "again", {"by", "c"}, {"y"});
  expect_near(said(file, {1, 2, 4, 7}, 1), {0, 1, 1, 4});
  EXPECT_EQ(ops_of(file), (std::vector<std::string>{"conv2d", "relu", "conv2d", "mean_squared_error"}));
  const auto imported = import_onnx(file.bytes());
  ASSERT_TRUE(imported.ok());
  for (const Param& param : imported->network.params) EXPECT_TRUE(imported->network.frozen(param));
}

TEST(ImportOnnx, AGateForEachChannelGoesOverThePicture) {
  for (const bool first : {false, true}) {
    OnnxFile file;
    file.input("x", {-1, 2, 1, 2}).output("y").initializer(onnx_floats("w", {2, 2, 1, 1}, {0, 1, 1, 0}));
    file.node("GlobalAveragePool", "squeeze", {"x"}, {"m"}).node("Conv", "excite", {"m", "w"}, {"g"});
    file.node("Mul", "scale", first ? std::vector<std::string>{"g", "x"} : std::vector<std::string>{"x", "g"},
              {"y"});
    expect_near(said(file, {1, 3, 5, 7}, 1), {6, 18, 10, 14});
    EXPECT_EQ(ops_of(file)[2], "spread");
  }
}

TEST(ImportOnnx, FoldsBatchNormAfterALinearLayer) {
  OnnxFile file;
  file.input("x", {-1, 3}).output("y");
  file.initializer(onnx_floats("w", {3, 2}, onnx_numbers(6)));
  file.initializer(onnx_floats("s", {2}, {2, .5F})).initializer(onnx_floats("t", {2}, {1, -1}));
  file.initializer(onnx_floats("m", {2}, {.5F, .25F})).initializer(onnx_floats("v", {2}, {4, .25F}));
  file.node("MatMul", "fc", {"x", "w"}, {"h"});
  file.node("BatchNormalization", "bn", {"h", "s", "t", "m", "v"}, {"y"}, {onnx_real("epsilon", 1e-9F)});
  std::vector<float> wanted;
  for (size_t i = 0; i < kY.size(); ++i) {
    const float h = kY[i] - (i % 2 == 0 ? .25F : -.5F);
    wanted.push_back(i % 2 == 0 ? (h - .5F) + 1 : (h - .25F) - 1);
  }
  expect_near(said(file, kX), wanted);
  EXPECT_EQ(ops_of(file), (std::vector<std::string>{"linear", "softmax_cross_entropy"}));
}

// One activation between input and output, which are lists of 3.
OnnxFile map_file(int64_t opset) {
  OnnxFile file;
  file.opset = opset;
  file.input("x", {-1, 3}).output("y");
  file.initializer(onnx_floats("w", {3, 3}, {1, 0, 0, 0, 1, 0, 0, 0, 1}));
  file.node("MatMul", "fc", {"x", "w"}, {"h"});
  return file;
}
std::vector<float> mapped(double (*f)(double)) {
  std::vector<float> out;
  for (const float x : kX) out.push_back(static_cast<float>(f(static_cast<double>(x))));
  return out;
}

TEST(ImportOnnx, ClipHasItsLimitsWhereTheOpsetSays) {
  const auto wanted = mapped([](double x) { return std::min(std::max(x, -.5), 2.0); });
  OnnxFile old = map_file(7);
  old.node("Clip", "clip", {"h"}, {"y"}, {onnx_real("min", -.5F), onnx_real("max", 2)});
  expect_near(said(old, kX), wanted);
  OnnxFile recent = map_file(13);
  recent.initializer(onnx_floats("low", {}, {-.5F})).initializer(onnx_floats("high", {}, {2}));
  recent.node("Clip", "clip", {"h", "low", "high"}, {"y"});
  expect_near(said(recent, kX), wanted);
  OnnxFile open = map_file(13);
  open.initializer(onnx_floats("high", {}, {2}));
  open.node("Clip", "clip", {"h", "", "high"}, {"y"});
  expect_near(said(open, kX), mapped([](double x) { return std::min(x, 2.0); }));
}

TEST(ImportOnnx, KnowsActivationsThatExportersWriteAsSeveralNodes) {
  OnnxFile silu = map_file(17);
  silu.node("Sigmoid", "s", {"h"}, {"g"}).node("Mul", "m", {"h", "g"}, {"y"});
  expect_near(said(silu, kX), mapped([](double x) { return x / (1 + std::exp(-x)); }));
  EXPECT_EQ(ops_of(silu)[1], "silu");

  OnnxFile swish = map_file(13);
  swish.node("HardSigmoid", "s", {"h"}, {"g"}, {onnx_real("alpha", 1.0F / 6), onnx_real("beta", .5F)});
  swish.node("Mul", "m", {"g", "h"}, {"y"});
  expect_near(said(swish, kX), mapped([](double x) { return x * std::min(std::max(x + 3, 0.0), 6.0) / 6; }));
  EXPECT_EQ(ops_of(swish)[1], "hard_swish");

  for (const bool half_first : {false, true}) {
    OnnxFile gelu = map_file(14);
    gelu.node("Div", "d", {"h", "root"}, {"a"}).node("Erf", "e", {"a"}, {"b"});
    gelu.node("Add", "p", {"b", "one"}, {"c"});
    gelu.node("Mul", "m1", {half_first ? "half" : "h", "c"}, {"d"});
    gelu.node("Mul", "m2", {"d", half_first ? "h" : "half"}, {"y"});
    // Constants come after what reads them.
    const std::pair<const char*, float> constants[] = {{"root", 1.41421354F}, {"one", 1}, {"half", .5F}};
    for (const auto& [name, value] : constants)
      gelu.node("Constant", name, {}, {name}, {onnx_value("value", onnx_floats("", {}, {value}))});
    expect_near(said(gelu, kX), mapped([](double x) { return x * .5 * (1 + std::erf(x / std::sqrt(2.0))); }));
    EXPECT_EQ(ops_of(gelu)[1], "gelu");
  }
}

TEST(ImportOnnx, EluHasAnAlpha) {
  OnnxFile plain = map_file(9), other = map_file(9);
  plain.node("Elu", "e", {"h"}, {"y"});
  expect_near(said(plain, kX), mapped([](double x) { return x > 0 ? x : std::expm1(x); }));
  other.node("Elu", "e", {"h"}, {"y"}, {onnx_real("alpha", .25F)});
  expect_near(said(other, kX), mapped([](double x) { return x > 0 ? x : .25 * std::expm1(x); }));
}

TEST(ImportOnnx, LeavesOutWhatDoesNothing) {
  OnnxFile renamed;
  renamed.input("x", {-1, 3}).output("out");
  renamed.initializer(onnx_floats("w", {3, 2}, onnx_numbers(6)));
  renamed.initializer(onnx_floats("b", {2}, onnx_numbers(2)));
  renamed.node("Identity", "id", {"x"}, {"a"}).node("Cast", "to", {"a"}, {"c"}, {onnx_integer("to", 11)});
  renamed.node("Gemm", "fc", {"c", "w", "b"}, {"d"});
  renamed.node("Dropout", "drop", {"d"}, {"e", "mask"}, {onnx_real("ratio", .5F)});
  renamed.node("Unsqueeze", "u", {"e"}, {"f"}, {onnx_list("axes", {2})});
  renamed.node("Squeeze", "s", {"f"}, {"out"}, {onnx_list("axes", {-1})});
  expect_near(said(renamed, kX), kY);
  const auto imported = import_onnx(renamed.bytes());
  ASSERT_TRUE(imported.ok());
  ASSERT_EQ(imported->removed.size(), 5U);
  EXPECT_EQ(imported->removed[2].op, "Dropout");
  EXPECT_EQ(imported->removed[2].name, "drop");
}

TEST(ImportOnnx, ReadsANetworkWithItsNamesAndItsEnd) {
  const auto imported = import_onnx(onnx_cnn().bytes());
  ASSERT_TRUE(imported.ok()) << imported.status().message();
  EXPECT_EQ(imported->ending, "softmax");
  EXPECT_EQ(imported->task, Task::kClasses);
  EXPECT_EQ(imported->input_sizes, (std::vector<int64_t>{2, 4, 4}));
  EXPECT_EQ(imported->folded, 5);
  for (const char* name : {"conv.weight", "bn.running_var", "fc.bias"})
    EXPECT_NE(imported->network.find(name), nullptr) << name;
  EXPECT_EQ(imported->network.total_weights(), 54 + 6);
  // The epsilon and momentum of the file, the latter as PyTorch counts it.
  for (const Node& node : imported->network.graph.nodes())
    EXPECT_NEAR(node.real("momentum", 0.1), 0.1, 1e-6) << node.name;
}

// One convolution over pictures of 2 x 5 x 5.
OnnxFile conv_file(const std::vector<ProtoWriter>& attributes,
                   const std::vector<int64_t>& kernel = {3, 2, 3, 3}) {
  OnnxFile file;
  file.input("x", {-1, 2, 5, 5}).output("y");
  int64_t count = 1;
  for (const int64_t size : kernel) count *= size;
  file.initializer(onnx_floats("w", kernel, onnx_numbers(static_cast<size_t>(count))));
  file.node("Conv", "conv", {"x", "w"}, {"y"}, attributes);
  return file;
}

TEST(ImportOnnx, PadsFromSideToSide) {
  const std::vector<float> x = onnx_numbers(100);
  const auto strides = onnx_list("strides", {2, 2});
  expect_near(said(conv_file({onnx_text("auto_pad", "SAME_UPPER"), strides}), x),
              said(conv_file({onnx_list("pads", {1, 1, 1, 1}), strides}), x));
  OnnxFile even = conv_file({onnx_text("auto_pad", "SAME_LOWER")}, {3, 2, 2, 2});
  expect_near(said(even, x), said(conv_file({onnx_list("pads", {1, 1, 0, 0})}, {3, 2, 2, 2}), x));
  expect_near(said(conv_file({onnx_text("auto_pad", "VALID")}), x), said(conv_file({}), x));
  // A node of zeros around the picture is the same as pads.
  for (const int64_t opset : {9, 13}) {
    OnnxFile node;
    node.opset = opset;
    node.input("x", {-1, 2, 5, 5}).output("y");
    node.initializer(onnx_floats("w", {3, 2, 3, 3}, onnx_numbers(54)));
    const std::vector<int64_t> pads = {0, 0, 0, 1, 0, 0, 2, 0};
    if (opset < 11)
      node.node("Pad", "pad", {"x"}, {"p"}, {onnx_list("pads", pads), onnx_real("value", 0)});
    else
      node.initializer(onnx_integers("pads", pads)).node("Pad", "pad", {"x", "pads"}, {"p"});
    node.node("Conv", "conv", {"p", "w"}, {"y"});
    expect_near(said(node, x), said(conv_file({onnx_list("pads", {0, 1, 2, 0})}), x));
  }
}

TEST(ImportOnnx, AConvolutionOfOneDimensionHasAHeightOfOne) {
  OnnxFile line;
  line.input("x", {-1, 2, 9}).output("y");
  line.initializer(onnx_floats("w", {3, 2, 3}, onnx_numbers(18)));
  line.node("Conv", "conv", {"x", "w"}, {"y"},
            {onnx_list("pads", {2, 2}), onnx_list("dilations", {2}), onnx_list("strides", {2})});
  OnnxFile plane;
  plane.input("x", {-1, 2, 1, 9}).output("y");
  plane.initializer(onnx_floats("w", {3, 2, 1, 3}, onnx_numbers(18)));
  plane.node("Conv", "conv", {"x", "w"}, {"y"},
             {onnx_list("pads", {0, 2, 0, 2}), onnx_list("dilations", {2, 2}), onnx_list("strides", {1, 2})});
  expect_near(said(line, onnx_numbers(36)), said(plane, onnx_numbers(36)));
}

// A pool over 1 x 2 x 3 pictures, 1 2 3 / 4 5 6, or over a line of the six.
OnnxFile pool_file(const char* op, const std::vector<ProtoWriter>& attributes, bool line = false) {
  OnnxFile file;
  file.input("x", line ? std::vector<int64_t>{-1, 1, 6} : std::vector<int64_t>{-1, 1, 2, 3}).output("y");
  file.node(op, "pool", {"x"}, {"y"}, attributes);
  return file;
}
std::vector<float> pooled(const char* op, const std::vector<ProtoWriter>& attributes, bool line = false) {
  return said(pool_file(op, attributes, line), {1, 2, 3, 4, 5, 6}, 1);
}

TEST(ImportOnnx, WindowsOfPoolsDifferFromAxisToAxis) {
  const auto kernel = onnx_list("kernel_shape", {1, 2});
  expect_near(pooled("MaxPool", {kernel}), {2, 3, 5, 6});
  expect_near(pooled("AveragePool", {kernel, onnx_list("strides", {2, 1})}), {1.5F, 2.5F});
  expect_near(pooled("MaxPool", {kernel, onnx_text("auto_pad", "SAME_UPPER")}), {2, 3, 3, 5, 6, 6});
  expect_near(pooled("MaxPool", {kernel, onnx_list("pads", {0, 1, 0, 0})}), {1, 2, 3, 4, 5, 6});
  expect_near(
      pooled("AveragePool", {kernel, onnx_list("pads", {0, 1, 0, 0}), onnx_integer("count_include_pad", 1)}),
      {.5F, 1.5F, 2.5F, 2, 4.5F, 5.5F});
  expect_near(pooled("AveragePool", {kernel, onnx_list("pads", {0, 1, 0, 0})}),
              {1, 1.5F, 2.5F, 4, 4.5F, 5.5F});
  const auto three = onnx_list("kernel_shape", {3});
  // The last of three windows reaches beyond the line only without the pad.
  const auto two = onnx_list("strides", {2}), one = onnx_list("pads", {1, 0});
  const auto ceil = onnx_integer("ceil_mode", 1);
  expect_near(pooled("MaxPool", {three, two, one, ceil}, true), {2, 4, 6});
  expect_near(pooled("AveragePool", {three, two, one, ceil}, true), {1.5F, 3, 5});
  expect_near(pooled("MaxPool", {three, two, ceil}, true), {3, 5, 6});
  expect_near(pooled("AveragePool", {three, two, ceil}, true), {2, 4, 5.5F});
  EXPECT_NE(refusal(pool_file("AveragePool", {three, two, ceil, onnx_integer("count_include_pad", 1)}, true))
                .find("beyond the padded picture"),
            std::string::npos);
  expect_near(pooled("MaxPool", {three, onnx_list("strides", {2})}, true), {3, 5});
  expect_near(pooled("AveragePool", {three, onnx_list("strides", {3})}, true), {2, 5});
  EXPECT_NE(
      refusal(pool_file("MaxPool", {three, onnx_list("pads", {3, 0})}, true)).find("less than the kernel"),
      std::string::npos);
}

TEST(ImportOnnx, TheMeanOfAPictureIsOneOpInAllItsSpellings) {
  const auto file = [](int64_t opset, int spelling) {
    OnnxFile out;
    out.opset = opset;
    out.input("x", {-1, 2, 4, 4}).output("y");
    out.initializer(onnx_floats("w", {2, 2, 1, 1}, onnx_numbers(4)));
    out.initializer(onnx_integers("axes", {-1, -2}));
    out.node("Conv", "conv", {"x", "w"}, {"h"});
    if (spelling == 0) out.node("GlobalAveragePool", "p", {"h"}, {"m"});
    if (spelling == 1) out.node("ReduceMean", "p", {"h"}, {"m"}, {onnx_list("axes", {2, 3})});
    if (spelling == 2) out.node("ReduceMean", "p", {"h", "axes"}, {"m"}, {onnx_integer("keepdims", 0)});
    if (spelling == 3) out.node("AveragePool", "p", {"h"}, {"m"}, {onnx_list("kernel_shape", {4, 4})});
    out.node("Flatten", "f", {"m"}, {"y"});
    return out;
  };
  const std::vector<float> wanted = said(file(13, 0), onnx_numbers(64));
  expect_near(said(file(13, 1), onnx_numbers(64)), wanted);
  expect_near(said(file(18, 2), onnx_numbers(64)), wanted);
  expect_near(said(file(13, 3), onnx_numbers(64)), wanted);
}

// Would be asked for a name half a billion times, if each looked for a free number from the start.
TEST(ImportOnnx, ManyNodesOfOneNameTakeNoLonger) {
  constexpr int kNodes = 30000;
  OnnxFile file;
  file.input("v0", {-1, 4});
  for (int i = 0; i < kNodes; ++i)
    file.node("Relu", "r", {"v" + std::to_string(i)}, {"v" + std::to_string(i + 1)});
  file.output("v" + std::to_string(kNodes));
  const std::vector<std::string> ops = ops_of(file);
  EXPECT_EQ(std::count(ops.begin(), ops.end(), "relu"), kNodes);
}

TEST(ImportOnnx, SaysAllThatIsMissingAtOnce) {
  OnnxFile file = map_file(17);
  file.node("Mish", "first", {"h"}, {"a"});
  file.node("LeakyRelu", "second", {"h"}, {"b"}, {onnx_real("gamma", 1)});
  file.node("Relu", "other", {"b"}, {"c"}, {}, "com.microsoft");
  file.node("Add", "sum", {"a", "c"}, {"y"});
  const std::string sentence = refusal(file);
  EXPECT_EQ(
      sentence,
      "cannot be imported: Mish 'first': coppice has no such op; LeakyRelu 'second': attribute 'gamma' is "
      "not read; Relu 'other': is an op of 'com.microsoft'; read are those of ai.onnx; docs/import.md "
      "lists what can");
}

TEST(ImportOnnx, RefusesWithTheReason) {
  OnnxFile old = plain_linear();
  old.opset = 6;
  expect_refusal(old, "has opset 6, read are 7 to 21");
  old.opset = 22;
  expect_refusal(old, "has opset 22");
  old.opset = 17;
  old.ir = 14;
  expect_refusal(old, "has IR version 14, read are 3 to 13");

  OnnxFile external = onnx_linear();
  external.initializer(onnx_floats("b", {2}, onnx_numbers(2)));
  external.initializer(ProtoWriter()
                           .integers(1, std::vector<int64_t>{3, 2})
                           .integer(2, kOnnxFloat)
                           .bytes(8, "w")
                           .message(13, ProtoWriter().bytes(1, "location").bytes(2, "../../etc/passwd"))
                           .integer(14, 1));
  expect_refusal(external, "tensor 'w': its data lies outside of the model, in '../../etc/passwd'");

  OnnxFile between = map_file(17);
  between.node("Softmax", "soft", {"h"}, {"s"}).node("Relu", "r", {"s"}, {"y"});
  expect_refusal(between, "Softmax 'soft': stands between layers");

  OnnxFile tokens;
  tokens.input("ids", {-1, 3}, kOnnxInt64).output("y");
  expect_refusal(tokens, "input 'ids': is of INT64");

  OnnxFile two = plain_linear();
  two.output("h");
  expect_refusal(two, "has 2 outputs, 'y', 'h'");
  OnnxFile inputs = plain_linear();
  inputs.input("x2", {-1, 3});
  expect_refusal(inputs, "has two inputs");

  ImportOptions labels;
  labels.task = Task::kLabels;
  EXPECT_NE(refusal(onnx_cnn(), labels).find("leave --task out"), std::string::npos);
}

TEST(ImportOnnx, RefusesWhatContradictsItself) {
  OnnxFile cycle;
  cycle.input("x", {-1, 3}).output("y");
  cycle.node("Add", "a", {"x", "b"}, {"y"}).node("Relu", "b", {"y"}, {"b"});
  expect_refusal(cycle, "the graph has a cycle");
  OnnxFile self;
  self.input("x", {-1, 3}).output("y").node("Relu", "a", {"y"}, {"y"});
  expect_refusal(self, "the graph has a cycle");

  OnnxFile twice = plain_linear();
  twice.node("Relu", "again", {"x"}, {"h"});
  expect_refusal(twice, "makes 'h' twice");
  OnnxFile initializers = plain_linear();
  initializers.initializer(onnx_floats("w", {3, 2}, onnx_numbers(6)));
  expect_refusal(initializers, "has two initializers 'w'");
  OnnxFile missing = onnx_linear();
  missing.initializer(onnx_floats("b", {2}, onnx_numbers(2)));
  expect_refusal(missing, "MatMul '/fc/MatMul'");
  for (const char* op : {"Sigmoid", "HardSigmoid"}) {
    OnnxFile without;
    without.input("x", {-1, 3}).output("y");
    without.node(op, "s", {}, {"g"}, {onnx_real("alpha", 1.0F / 6)}).node("Mul", "m", {"x", "g"}, {"y"});
    expect_refusal(without, "lacks input 0");
  }
  OnnxFile nothing;
  nothing.input("x", {-1, 3}).output("x");
  expect_refusal(nothing, "does nothing");
}

TEST(ImportOnnx, BelievesNoSize) {
  const std::vector<std::vector<int64_t>> lies = {
      {int64_t{1} << 31, int64_t{1} << 33}, {int64_t{1} << 29}, {0, int64_t{1} << 62, 4}, {-3, -2}, {4, 2}};
  for (const std::vector<int64_t>& dims : lies) {
    OnnxFile file = onnx_linear();
    file.initializer(onnx_floats("w", dims, onnx_numbers(6)));
    file.initializer(onnx_floats("b", {2}, onnx_numbers(2)));
    expect_refusal(file, "initializer 'w': has dimensions");
  }
  OnnxFile filled = onnx_linear();
  filled.initializer(onnx_floats("b", {2}, onnx_numbers(2)));
  filled.initializer(onnx_integers("sizes", {int64_t{1} << 20, int64_t{1} << 11}));
  filled.node("ConstantOfShape", "c", {"sizes"}, {"w"});
  expect_refusal(filled, "makes a constant of more than 65536 numbers");
  OnnxFile large;
  large.input("x", {-1, 65536, 65536, 1}).output("y").node("Relu", "r", {"x"}, {"y"});
  expect_refusal(large, "a sample has more than 2^31 numbers");
  // Many small nodes that each copy the same constant.
  OnnxFile copies = onnx_linear();
  copies.initializer(onnx_floats("b", {2}, onnx_numbers(2)));
  copies.initializer(onnx_floats("c0", {1 << 15}, onnx_numbers(1 << 15)));
  for (int i = 0; i < 100; ++i)
    copies.node("Transpose", "t" + std::to_string(i), {"c" + std::to_string(i)},
                {"c" + std::to_string(i + 1)});
  copies.node("Reshape", "r", {"c100", "c100"}, {"w"});
  expect_refusal(copies, "computes more constants than the whole file is large");
  // One number for each of many channels, over and over.
  OnnxFile factors;
  factors.input("x", {-1, 1 << 16, 1, 1}).output("y0").initializer(onnx_floats("two", {}, {2}));
  for (int i = 0; i < 100; ++i) {
    const std::string n = std::to_string(i);
    factors.node("Mul", "m" + n, {"x", "two"}, {"a" + n});
    factors.node("Add", "s" + n, {"a" + n, i == 99 ? "x" : "y" + std::to_string(i + 1)}, {"y" + n});
  }
  expect_refusal(factors, "computes more constants than the whole file is large");
}

// A small model cut anywhere, or with any byte changed: read or refused with a sentence.
TEST(ImportOnnx, SurvivesEveryCutAndEveryChangedByte) {
  for (const std::string& whole : {onnx_cnn().bytes(), onnx_integer_layer(true).bytes()}) {
    for (size_t length = 0; length < whole.size(); ++length) {
      const auto imported = import_onnx(whole.substr(0, length));
      EXPECT_TRUE(imported.ok() || !imported.status().message().empty());
    }
    for (size_t at = 0; at < whole.size(); ++at)
      for (const int change : {0x01, 0x80, 0xff}) {
        std::string damaged = whole;
        damaged[at] = static_cast<char>(damaged[at] ^ change);
        const auto imported = import_onnx(damaged);
        EXPECT_TRUE(imported.ok() || !imported.status().message().empty());
      }
  }
}

TEST(ImportOnnx, NamesTheFile) {
  MemoryEnv env;
  env.put("damaged.onnx", "\x08");
  const auto imported = import_onnx_file(env, "damaged.onnx");
  ASSERT_FALSE(imported.ok());
  EXPECT_EQ(imported.status().message().find("damaged.onnx: "), 0U) << imported.status().message();
}

TEST(ImportOnnx, TellsHowToConvertOtherFiles) {
  for (const char* path : {"a.pt", "b.pth", "c.h5", "d.tflite", "e.keras"})
    EXPECT_NE(how_to_convert(path).find("onnx"), std::string::npos) << path;
  EXPECT_EQ(how_to_convert("a.onnx"), "");
}

}  // namespace
}  // namespace coppice
