// SPDX-License-Identifier: Apache-2.0
// Imported networks in 8-bit integers before ONNX Runtime, which computes their files node by node in floats.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "onnx/export.h"
#include "onnx/import.h"
#include "ops/build.h"
#include "ops/ops.h"
#include "support/answers.h"
#include "support/ending.h"
#include "support/lively.h"
#include "support/onnx_bytes.h"
#include "support/onnx_peers.h"
#include "support/rounded.h"

namespace coppice {
namespace {

using namespace testing;

constexpr int kSamples = 20;

class ImportIntegersPeers : public ::testing::Test {
 protected:
  void ask(const std::string& name, const std::string& file) {
    auto made = import_onnx(file);
    ASSERT_TRUE(made.ok()) << name << ": " << made.status().message();
    const std::vector<float> input = random_input(made->network.graph, kSamples);
    names_.push_back(name);
    ours_.push_back(answers(made->network, input, kSamples));
    finish(made->ending, ours_.back(), ours_.back().size() / kSamples);
    peers_.add(file, made->input_sizes, input, kSamples);
  }
  void ask(const std::string& name, Network network, ByteKind kind) {
    simplify(network);
    round_activations(network, random_input(network.graph, kSamples));
    const auto file = export_onnx(network, {.integers = kind});
    ASSERT_TRUE(file.ok()) << name << ": " << file.status().message();
    ask(name, file->bytes);
  }
  OnnxPeers peers_;
  std::vector<std::string> names_;
  std::vector<std::vector<float>> ours_;
};

// What other tools write and coppice does not: one scale for all weights, weights without a sign, weights
// that the file rounds itself, a rounding for each reader, bytes pooled and joined.
OnnxFile of_other_tools() {
  OnnxFile file;
  file.input("x", {-1, 2, 6, 6}).output("y");
  const auto number = [&file](const std::string& name, float value) {
    file.initializer(onnx_floats(name, {}, {value}));
  };
  const auto byte = [&file](const std::string& name, uint8_t value) {
    file.initializer(onnx_tensor_of(name, {}, kOnnxUint8, std::vector<uint8_t>{value}));
  };
  number("s", 0.03F), byte("z", 120), number("fine", 0.01F), byte("none", 0), number("ws", 0.02F);
  std::vector<uint8_t> weight;
  for (int i = 0; i < 3 * 2 * 3 * 3; ++i) weight.push_back(static_cast<uint8_t>(i * 37 % 256));
  file.initializer(onnx_tensor_of("conv.w_quantized", {3, 2, 3, 3}, kOnnxUint8, weight));
  file.initializer(onnx_floats("fc.w", {2, 28}, onnx_numbers(56)));
  file.initializer(onnx_floats("fs", {2}, {0.02F, 0.015F}));
  file.initializer(onnx_tensor_of("fz", {2}, kOnnxInt8, std::vector<int8_t>{0, 0}));
  const std::vector<ProtoWriter> rows = {onnx_integer("axis", 0)};
  file.node("QuantizeLinear", "q1", {"x", "s", "z"}, {"xq"})
      .node("DequantizeLinear", "d1", {"xq", "s", "z"}, {"xd"});
  file.node("DequantizeLinear", "dw", {"conv.w_quantized", "ws", "z"}, {"w"});
  file.node("Conv", "conv", {"xd", "w"}, {"c"}, {onnx_list("kernel_shape", {3, 3})});
  file.node("Relu", "relu", {"c"}, {"r"});
  file.node("QuantizeLinear", "q2", {"r", "fine", "none"}, {"rq"});
  file.node("QuantizeLinear", "q3", {"r", "s", "z"}, {"other"});
  file.node("Transpose", "none", {"rq"}, {"rt"}, {onnx_list("perm", {0, 1, 2, 3})});
  file.node("MaxPool", "pool", {"rt"}, {"p"},
            {onnx_list("kernel_shape", {2, 2}), onnx_list("strides", {2, 2})});
  file.node("Slice", "part", {"p", "from", "to", "axes"}, {"p1"});
  for (const auto& [name, value] : {std::pair("from", 1), std::pair("to", 2), std::pair("axes", 1)})
    file.initializer(onnx_integers(name, {value}));
  file.node("Concat", "join", {"p", "p1"}, {"j"}, {onnx_integer("axis", 1)});
  file.node("DequantizeLinear", "d2", {"j", "fine", "none"}, {"jd"});
  file.node("DequantizeLinear", "d3", {"other", "s", "z"}, {"od"});
  file.node("AveragePool", "mean", {"od"}, {"m"},
            {onnx_list("kernel_shape", {2, 2}), onnx_list("strides", {2, 2})});
  file.node("Concat", "all", {"jd", "m"}, {"a"}, {onnx_integer("axis", 1)});
  file.node("Flatten", "flat", {"a"}, {"f"});
  file.node("QuantizeLinear", "qw", {"fc.w", "fs", "fz"}, {"fq"}, rows);
  file.node("DequantizeLinear", "dfw", {"fq", "fs", "fz"}, {"fw"}, rows);
  file.node("Gemm", "fc", {"f", "fw"}, {"l"}, {onnx_integer("transB", 1)});
  file.node("QuantizeLinear", "q4", {"l", "s", "z"}, {"lq"})
      .node("DequantizeLinear", "d4", {"lq", "s", "z"}, {"y"});
  return file;
}

// To 1e-5 of the largest answer; where a sum in another order fell on the other side of an edge, a step more.
TEST_F(ImportIntegersPeers, AnswerAsTheirFilesSay) {
  for (const ByteKind kind : {ByteKind::kUnsigned, ByteKind::kSigned}) {
    for (const OpDef* op : all_ops())
      if (op->samples && std::string(op->name) != "fake_quantise")
        for (const Sample& sample : op->samples()) {
          const std::string name = std::string(op->name) + ": " + sample.name;
          // What a file in floats is not read again for either.
          if (name == "conv2d: wraps" || name == "gelu: by tanh before the loss") continue;
          ask(name, lively(sample.graph), kind);
        }
    ask("mlp", lively(mlp({784, 64, 10})), kind);
    ask("a network with batch norm", lively(conv_net(true)), kind);
  }
  ask("of other tools", of_other_tools().bytes());
  NEEDS_PEER(peers_.run(true), "onnxruntime-node");
  int64_t numbers = 0, beside = 0;
  for (size_t i = 0; i < ours_.size(); ++i) {
    SCOPED_TRACE(names_[i]);
    const std::vector<float> said = peers_.answer(i);
    expect_close(said, ours_[i], 0.02);
    double most = 1;
    for (const float value : said) most = std::max(most, std::fabs(static_cast<double>(value)));
    for (size_t n = 0; n < said.size(); ++n)
      beside += std::fabs(static_cast<double>(said[n]) - static_cast<double>(ours_[i][n])) > 1e-5 * most;
    numbers += static_cast<int64_t>(said.size());
  }
  RecordProperty("beside", std::to_string(beside) + " of " + std::to_string(numbers));
  EXPECT_LE(beside, numbers / 200);
}

}  // namespace
}  // namespace coppice
