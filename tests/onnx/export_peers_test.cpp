// SPDX-License-Identifier: Apache-2.0
// Exported files before ONNX Runtime and ONNX's checker, which are the ones that matter.
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "onnx/export.h"
#include "ops/build.h"
#include "ops/ops.h"
#include "support/answers.h"
#include "support/lively.h"
#include "support/onnx_peers.h"

namespace coppice {
namespace {

using namespace testing;  // networks, and what they say

struct Question {
  std::string name;
  std::vector<float> wanted;
};

// Lists over pictures where no broadcast does it: two that are added to each other, and one that is joined.
Graph spread_lists() {
  NetworkBuilder b;
  ValueId x = b.input({"f", {3}});
  b.class_target();
  const Attributes sizes = {{"height", int64_t{4}}, {"width", int64_t{5}}};
  const ValueId first = b.apply("spread", "first", {x}, sizes),
                second = b.apply("spread", "second", {b.relu("relu", x)}, sizes);
  x = b.conv("conv", b.apply("add", "sum", {first, second}), 4, {});
  x = b.apply("concat", "both",
              {x, b.apply("spread", "third", {b.linear("list", b.flatten("flat", x), 2)}, sizes)});
  b.softmax_cross_entropy(b.linear("fc", b.apply("global_pool", "pool", {x}), 3));
  return b.finish().take();
}

// The sample problems of all ops, two multilayer perceptrons and what options add.
class ExportPeers : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const OpDef* op : all_ops())
      if (op->samples)
        for (const Sample& sample : op->samples())
          ask(std::string(op->name) + ": " + sample.name, lively(sample.graph), {});
    ask("mlp", lively(mlp({784, 64, 10})), {});
    ask("a network with batch norm", lively(conv_net(true)), {});
    ask("lists over pictures", lively(spread_lists()), {});
  }
  void ask(const std::string& name, Network network, const ExportOptions& options) {
    constexpr int kSamples = 5;
    const auto file = export_onnx(network, options);
    ASSERT_TRUE(file.ok()) << name << ": " << file.status().message();
    const std::vector<float> input = random_input(network.graph, kSamples);
    peers_.add(file->bytes, file->input_sizes, input, kSamples);
    questions_.push_back({name, answers(network, input, kSamples)});
  }
  OnnxPeers peers_;
  std::vector<Question> questions_;
};

TEST_F(ExportPeers, OnnxRuntimeSaysTheSame) {
  NEEDS_PEER(peers_.run(), "onnxruntime-node");
  for (size_t i = 0; i < questions_.size(); ++i) {
    SCOPED_TRACE(questions_[i].name);
    expect_close(questions_[i].wanted, peers_.answer(i), 1e-4);
  }
}

TEST_F(ExportPeers, TheCheckerTakesThem) { NEEDS_PEER(peers_.check(), "python3-onnx"); }

// What `out` says [samples][classes], as probabilities.
std::vector<float> softmax(std::vector<float> out, size_t samples) {
  const size_t classes = out.size() / samples;
  for (size_t n = 0; n < samples; ++n) {
    double sum = 0;
    for (size_t c = 0; c < classes; ++c) sum += std::exp(static_cast<double>(out[n * classes + c]));
    for (size_t c = 0; c < classes; ++c)
      out[n * classes + c] = static_cast<float>(std::exp(static_cast<double>(out[n * classes + c])) / sum);
  }
  return out;
}

// (v - mean) / stddev before a network: of the channels of a picture, of channels one after the other in a
// list, of every number of a sample, of all alike.
TEST(ExportPeersOptions, NormalisationAndProbabilities) {
  OnnxPeers peers;
  std::vector<std::vector<float>> wanted;
  for (const bool pictures : {true, false})
    for (const size_t channels : {size_t{1}, size_t{2}, pictures ? size_t{128} : size_t{12}}) {
      Normalisation scale;
      for (size_t c = 0; c < channels; ++c) {
        scale.mean.push_back(0.5F - 0.25F * static_cast<float>(c % 3));
        scale.stddev.push_back(0.5F + static_cast<float>(c % 2));
      }
      Network network = lively(pictures ? conv_net(true) : mlp({12, 8, 3}));
      const auto file = export_onnx(network, {.probabilities = true, .normalisation = scale});
      ASSERT_TRUE(file.ok()) << file.status().message();
      std::vector<float> input = random_input(network.graph, 3);
      peers.add(file->bytes, file->input_sizes, input, 3);
      const size_t elements = input.size() / 3;
      for (size_t i = 0; i < input.size(); ++i) {
        const size_t channel = i % elements / (elements / channels);
        input[i] = (input[i] - scale.mean[channel]) / scale.stddev[channel];
      }
      wanted.push_back(softmax(answers(network, input, 3), 3));
    }
  NEEDS_PEER(peers.run(), "onnxruntime-node");
  for (size_t i = 0; i < wanted.size(); ++i) expect_close(wanted[i], peers.answer(i), 1e-5);
}

}  // namespace
}  // namespace coppice
