// SPDX-License-Identifier: Apache-2.0
// What is exported says the same when it is read again: every op of the table, by its own sample problems.
// ONNX Runtime's opinion stands in export_peers_test.cpp.
#include "onnx/export.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "onnx/import.h"
#include "onnx/model.h"
#include "ops/build.h"
#include "ops/ops.h"
#include "support/answers.h"
#include "support/lively.h"

namespace coppice {
namespace {

using namespace testing;  // networks, and what they say

ExportedNetwork exported(const Network& network, const ExportOptions& options = {}) {
  auto out = export_onnx(network, options);
  EXPECT_TRUE(out.ok()) << out.status().message();
  return out.ok() ? out.take() : ExportedNetwork();
}

// Written with ops that the importer does not read: ONNX Runtime alone says whether they are right.
constexpr std::pair<const char*, const char*> kNotReadAgain[] = {
    {"conv2d: wraps", "Gather 'conv1.wrap_h': coppice has no such op"},
    {"gelu: by tanh before the loss", "Mul 'act.cubic'"},
};

// What the outputs mean: a file does not say whether a sigmoid at the end is of the loss.
Task task_of(const Graph& graph) {
  const std::string ending = ending_of(graph);
  return ending == "softmax" ? Task::kClasses : ending == "sigmoid" ? Task::kLabels : Task::kRegression;
}

class ExportOp : public ::testing::TestWithParam<const char*> {};

TEST_P(ExportOp, SaysTheSameWhenItIsReadAgain) {
  constexpr int kSamples = 5;
  for (const Sample& sample : find_op(GetParam())->samples()) {
    const std::string name = std::string(GetParam()) + ": " + sample.name;
    SCOPED_TRACE(name);
    for (const char* block : {"1x1", "4x1"}) {
      Network network = lively(sample.graph, block);
      auto again = import_onnx(exported(network).bytes, {task_of(network.graph)});
      const auto* refused = std::find_if(std::begin(kNotReadAgain), std::end(kNotReadAgain),
                                         [&](const auto& row) { return name.starts_with(row.first); });
      if (refused != std::end(kNotReadAgain)) {
        ASSERT_FALSE(again.ok());
        EXPECT_NE(again.status().message().find(refused->second), std::string::npos)
            << again.status().message();
        continue;
      }
      ASSERT_TRUE(again.ok()) << again.status().message();
      const std::vector<float> input = random_input(sample.graph, kSamples);
      expect_close(answers(network, input, kSamples), answers(again->network, input, kSamples), 1e-5);
      for (const std::vector<Param>* list : {&network.params, &network.states})
        for (const Param& param : *list)
          EXPECT_NE(again->network.find(param.name()), nullptr) << param.name();
    }
  }
}

std::vector<const char*> ops_with_samples() {
  std::vector<const char*> out;
  for (const OpDef* op : all_ops())
    if (op->samples) out.push_back(op->name);
  return out;
}
INSTANTIATE_TEST_SUITE_P(All, ExportOp, ::testing::ValuesIn(ops_with_samples()),
                         [](const auto& op) { return std::string(op.param); });

// conv -> batch norm -> relu -> dropout -> linear, with another end as well.
Graph small_cnn(bool labels = false) {
  NetworkBuilder b;
  ValueId x = b.input({"chw", {3, 4, 5}});
  if (labels)
    b.dense_target({"f", {2}});
  else
    b.class_target();
  x = b.relu("relu", b.batch_norm("bn", b.conv("conv", x, 4, {})));
  x = b.apply("dropout", "dropout", {b.flatten("flatten", x)}, {{"p", 0.25}});
  x = b.linear("fc", x, 2);
  if (labels)
    b.binary_cross_entropy(x);
  else
    b.softmax_cross_entropy(x);
  return b.finish().take();
}

TEST(ExportOnnx, IsAFileThatOthersExpect) {
  const Network network = lively(small_cnn());
  const ExportedNetwork out = exported(network, {.metadata = {{"classes", "[\"a\",\"b\"]"}}});
  const auto model = onnx::parse_model(out.bytes);
  ASSERT_TRUE(model.ok()) << model.status().message();
  EXPECT_EQ(model->ir, 8);
  EXPECT_EQ(model->opset, 17);
  EXPECT_EQ(model->producer.substr(0, 7), "coppice");
  ASSERT_EQ(model->inputs.size(), 1U);
  EXPECT_EQ(model->inputs[0].name, "input");
  EXPECT_EQ(model->inputs[0].dims, (std::vector<int64_t>{-1, 3, 4, 5}));
  ASSERT_EQ(model->outputs.size(), 1U);
  EXPECT_EQ(model->outputs[0].name, "output");
  EXPECT_EQ(model->outputs[0].dims, (std::vector<int64_t>{-1, 2}));
  EXPECT_EQ(model->nodes.back().outputs[0], "output");
  std::set<std::string> names;
  for (const onnx::Tensor& tensor : model->initializers) names.insert(tensor.name);
  EXPECT_EQ(names, (std::set<std::string>{"conv.weight", "conv.bias", "bn.weight", "bn.bias",
                                          "bn.running_mean", "bn.running_var", "fc.weight", "fc.bias"}));
  // A dropout is nothing, and the loss is not part of it.
  EXPECT_EQ(out.ops, (std::map<std::string, int64_t>{
                         {"BatchNormalization", 1}, {"Conv", 1}, {"Flatten", 1}, {"Gemm", 1}, {"Relu", 1}}));
  EXPECT_NE(out.bytes.find("classes"), std::string::npos);
}

TEST(ExportOnnx, WritesZerosOut) {
  const Network network = lively(small_cnn());
  const auto out = exported(network);
  const auto model = onnx::parse_model(out.bytes);
  ASSERT_TRUE(model.ok());
  for (const onnx::Tensor& tensor : model->initializers) {
    const Param& param = *network.find(tensor.name);
    EXPECT_EQ(tensor.dims, param.dims());
    ASSERT_EQ(tensor.raw.size(), static_cast<size_t>(param.total()) * sizeof(float));
    std::vector<float> values(static_cast<size_t>(param.total()));
    std::memcpy(values.data(), tensor.raw.data(), tensor.raw.size());
    if (param.is_weight()) {
      EXPECT_EQ(std::count(values.begin(), values.end(), 0.0F), param.total() - param.live()) << tensor.name;
    }
  }
}

TEST(ExportOnnx, EndsWithWhatTheLossHolds) {
  for (const bool labels : {false, true}) {
    Network network = lively(small_cnn(labels));
    EXPECT_EQ(ending_of(network.graph), labels ? "sigmoid" : "softmax");
    const ExportedNetwork out = exported(network, {.probabilities = true});
    EXPECT_EQ(out.ops.count(labels ? "Sigmoid" : "Softmax"), 1U);
    auto again = import_onnx(out.bytes);
    ASSERT_TRUE(again.ok()) << again.status().message();
    EXPECT_EQ(again->ending, labels ? "sigmoid" : "softmax");
    const std::vector<float> input = random_input(network.graph, 3);
    expect_close(answers(network, input, 3), answers(again->network, input, 3), 1e-5);
  }
  NetworkBuilder b;
  const ValueId x = b.input({"f", {3}});
  b.dense_target({"f", {1}});
  b.mean_squared_error(b.linear("fc", x, 1));
  const auto none = export_onnx(lively(b.finish().take()), {.probabilities = true});
  ASSERT_FALSE(none.ok());
  EXPECT_NE(none.status().message().find("its loss holds no softmax and no sigmoid"), std::string::npos);
}

TEST(ExportOnnx, KeepsNamesApart) {
  NetworkBuilder b;
  ValueId x = b.input({"f", {3}});
  b.class_target();
  x = b.relu("output", b.linear("hidden", x, 4));
  x = b.apply("clip", "act", {x}, {{"min", 0.0}, {"max", 6.0}});
  x = b.relu("act.min", x);
  b.softmax_cross_entropy(b.linear("last", x, 2));
  Network network = lively(b.finish().take());
  auto again = import_onnx(exported(network).bytes);
  ASSERT_TRUE(again.ok()) << again.status().message();
  const std::vector<float> input = random_input(network.graph, 3);
  expect_close(answers(network, input, 3), answers(again->network, input, 3), 1e-5);
}

TEST(ExportOnnx, OneSlopeForPicturesAndLists) {
  NetworkBuilder b;
  ValueId x = b.input({"chw", {2, 3, 3}});
  b.class_target();
  const ValueId slope = b.parameter("slope", {"c", {1}}, ParamRole::kScale, Init::kQuarter, 1);
  x = b.apply("prelu", "first", {b.conv("conv", x, 2, {}), slope});
  x = b.apply("prelu", "second", {b.linear("fc", b.flatten("flatten", x), 4), slope});
  b.softmax_cross_entropy(b.linear("last", x, 2));
  Network network = lively(b.finish().take());
  auto again = import_onnx(exported(network).bytes);
  ASSERT_TRUE(again.ok()) << again.status().message();
  const std::vector<float> input = random_input(network.graph, 3);
  expect_close(answers(network, input, 3), answers(again->network, input, 3), 1e-5);
}

TEST(ExportOnnx, RefusesAllAtOnce) {
  Graph graph = small_cnn();
  for (Node& node : graph.nodes_for_pass()) {
    if (node.name == "conv") node.attributes["activation"] = std::string("relu");
    if (node.name == "bn") node.inputs.push_back(node.inputs[0]);
    if (node.name == "relu") node.op = find_op("relu_grad");
  }
  Network changed = lively(small_cnn());
  changed.graph = graph;
  const auto out = export_onnx(changed);
  ASSERT_FALSE(out.ok());
  EXPECT_EQ(out.status().message(),
            "cannot be exported: conv2d 'conv': has 'activation' from a pass; export the network as it was "
            "before; batch_norm 'bn': has a sum from a pass; export the network as it was before; relu_grad "
            "'relu': has no row in the table of ops; docs/export.md lists what can");
}

TEST(ExportOnnx, RefusesWhatReadsNoActivation) {
  NetworkBuilder b;
  ValueId x = b.input({"f", {3}});
  b.class_target();
  const ValueId shift = b.parameter("shift", {"f", {3}}, ParamRole::kBias, Init::kZero, 1);
  x = b.layer_norm("norm", b.apply("add", "moved", {x, shift}));
  b.softmax_cross_entropy(b.relu("relu", x));
  Graph graph = b.finish().take();
  // The statistics of a norm, which its gradient reads, are three numbers as well.
  for (Node& node : graph.nodes_for_pass())
    if (node.name == "relu") node.inputs[0] = graph.find("norm.1");
  ASSERT_TRUE(verify(graph).ok());
  Network network = lively(graph);
  const auto out = export_onnx(network);
  ASSERT_FALSE(out.ok());
  EXPECT_EQ(out.status().message(),
            "cannot be exported: add 'moved': reads 'shift', which is no activation; relu 'relu': reads "
            "'norm.1', which is no activation; docs/export.md lists what can");
}

TEST(ExportOnnx, RefusesANormalisationOfOtherChannels) {
  const Normalisation scale{{0, 0, 0, 0, 0, 0, 0}, {1, 1, 1, 1, 1, 1, 1}};
  const auto out = export_onnx(lively(small_cnn()), {.normalisation = scale});
  ASSERT_FALSE(out.ok());
  EXPECT_NE(out.status().message().find("has 7 channels, which do not divide an input of c=3 h=4 w=5"),
            std::string::npos)
      << out.status().message();
}

TEST(ExportOnnx, RefusesWhatNoFileHolds) {
  Network network = lively(small_cnn());
  constexpr int64_t kRows = 20000, kColumns = 30000;
  // None of its weights lives, so here it is small.
  network.params.push_back(
      Param::weight("large.weight", {kRows, kColumns},
                    Pattern::of_canonical(kRows, kColumns, {}, std::vector<int32_t>(kRows + 1, 0), {})));
  const auto out = export_onnx(network);
  ASSERT_FALSE(out.ok());
  EXPECT_EQ(out.status().message(),
            "cannot be exported: its weights are 2.2 GiB with their zeros, and an ONNX file is at most 2.0 "
            "GiB; a .safetensors file takes them");
}

}  // namespace
}  // namespace coppice
