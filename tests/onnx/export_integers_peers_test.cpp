// SPDX-License-Identifier: Apache-2.0
// Networks exported in 8-bit integers before ONNX Runtime and ONNX's checker.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "onnx/export.h"
#include "ops/build.h"
#include "ops/ops.h"
#include "support/answers.h"
#include "support/lively.h"
#include "support/onnx_peers.h"
#include "support/rounded.h"

namespace coppice {
namespace {

using namespace testing;

constexpr int kSamples = 5;

// Without VNNI ONNX Runtime adds products of unsigned bytes in 16 bits, where large ones do not fit.
bool sums_are_exact() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx512vnni") != 0;
#else
  return true;
#endif
}

// Layers of every kind that has an integer form, a shortcut that is padded and one that is a convolution.
Graph residual_net() {
  NetworkBuilder b;
  ValueId x = b.input({"chw", {3, 8, 8}});
  b.class_target();
  x = b.relu("relu1", b.batch_norm("bn1", b.conv("conv1", x, 16, {})));
  ConvOptions strided, pointwise, depthwise;
  strided.stride = 2;
  pointwise.kernel = 1;
  pointwise.padding = 0;
  depthwise.groups = 16;
  const ValueId deep = b.batch_norm("bn2", b.conv("conv2", x, 16, depthwise));
  x = b.relu("relu2", b.apply("add", "sum1", {deep, b.conv("conv3", x, 16, pointwise)}));
  const Attributes half = {{"size", std::vector<int64_t>{16, 4, 4}}, {"step", std::vector<int64_t>{1, 2, 2}}};
  Attributes wide = {{"before", std::vector<int64_t>{8, 0, 0}}, {"after", std::vector<int64_t>{8, 0, 0}}};
  const ValueId shortcut = b.apply("pad", "pad", {b.apply("slice", "slice", {x}, half)}, wide);
  x = b.relu("relu3",
             b.apply("add", "sum2", {b.batch_norm("bn3", b.conv("conv4", x, 32, strided)), shortcut}));
  x = b.relu("relu4", b.linear("fc1", b.apply("global_pool", "pool", {x}), 24));
  b.softmax_cross_entropy(b.linear("fc2", x, 7));
  return b.finish().take();
}

struct Question {
  std::string name;
  std::vector<float> simulated, packed, floats;
};

class ExportIntegersPeers : public ::testing::TestWithParam<ByteKind> {
 protected:
  void ask(const std::string& name, Network network) {
    simplify(network);
    const std::vector<float> input = random_input(network.graph, kSamples);
    Question question{name, {}, {}, answers(network, input, kSamples)};
    question.packed = said(image_of(testing::packed(network, int8_options(network, input))), input);
    round_activations(network, input);
    const auto file = export_onnx(network, {.integers = GetParam()});
    ASSERT_TRUE(file.ok()) << name << ": " << file.status().message();
    round_weights(network);
    question.simulated = answers(network, input, kSamples);
    peers_.add(file->bytes, file->input_sizes, input, kSamples);
    questions_.push_back(question);
  }
  void ask_all() {
    for (const OpDef* op : all_ops())
      if (op->samples && std::string(op->name) != "fake_quantise")  // which images do not have
        for (const Sample& sample : op->samples())
          ask(std::string(op->name) + ": " + sample.name, lively(sample.graph));
    ask("mlp", lively(mlp({784, 64, 10})));
    ask("a network with batch norm", lively(conv_net(true)));
    ask("a residual network", lively(residual_net()));
  }
  OnnxPeers peers_;
  std::vector<Question> questions_;
};

// Most answers are those of the packed network to five digits; where a number lies between two steps,
// programs may take either, and what a packed network keeps in floats is rounded here.
TEST_P(ExportIntegersPeers, OnnxRuntimeSaysNearlyTheSame) {
  ask_all();
  NEEDS_PEER(peers_.run(), "onnxruntime-node");
  if (!sums_are_exact()) GTEST_SKIP() << "ONNX Runtime's sums of bytes overflow on this machine";
  for (size_t i = 0; i < questions_.size(); ++i) {
    SCOPED_TRACE(questions_[i].name);
    const std::vector<float> said = peers_.answer(i);
    expect_close(questions_[i].packed, said, 0.03);
    expect_close(questions_[i].simulated, said, 0.03);
    expect_close(questions_[i].floats, said, 0.05);
  }
}

TEST_P(ExportIntegersPeers, TheCheckerTakesThem) {
  ask_all();
  NEEDS_PEER(peers_.check(), "python3-onnx");
}

INSTANTIATE_TEST_SUITE_P(Kinds, ExportIntegersPeers,
                         ::testing::Values(ByteKind::kUnsigned, ByteKind::kSigned), [](const auto& kind) {
                           return kind.param == ByteKind::kSigned ? "with_sign" : "without_sign";
                         });

}  // namespace
}  // namespace coppice
