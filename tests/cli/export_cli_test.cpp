// SPDX-License-Identifier: Apache-2.0
// Exporting a network as a person meets it.
#include <gtest/gtest.h>

#include <algorithm>

#include "io/safetensors.h"
#include "models/json.h"
#include "onnx/model.h"
#include "support/program.h"

namespace coppice {
namespace {

using testing::content;
using testing::Outcome;
using testing::Program;

constexpr char kTrain[] =
    "train --data glyphs --train-samples 300 --test-samples 100 --model mlp:784-32-10 --density 0.1 "
    "--block 1x1 --epochs 1 --threads 1 --out run";

class ExportCli : public ::testing::Test {
 protected:
  void SetUp() override {
    const Outcome outcome = program_.run(kTrain);
    ASSERT_EQ(outcome.code, 0) << outcome.err;
  }
  void expect_said(const Outcome& outcome, std::initializer_list<const char*> words) {
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    for (const char* word : words)
      EXPECT_NE(outcome.out.find(word), std::string::npos) << word << "\n" << outcome.out;
  }
  std::string file(const char* name) const { return content(program_.folder.file(name)); }
  Program program_;
};

TEST_F(ExportCli, WritesANetworkThatComesBack) {
  expect_said(
      program_.run("export run --to net.onnx"),
      {"run/best.safetensors", "of 25,408 weights live",
       "input, N x 784: (v / 255 - mean) / stddev of "
       "a byte v, mean 0.",
       "--preprocess puts that inside", "output, N x 10: what goes into the softmax", "Gemm x 2, Relu",
       "fc1.weight  32 x 784", "zeros are written out", "net.onnx, ", "IR 8, opset 17"});
  const std::string bytes = file("net.onnx");
  const auto model = onnx::parse_model(bytes);
  ASSERT_TRUE(model.ok()) << model.status().message();
  EXPECT_EQ(model->inputs[0].dims, (std::vector<int64_t>{-1, 784}));
  EXPECT_EQ(model->initializers.size(), 4U);
  for (const char* text : {"classes", "mean", "stddev", "bytes"})
    EXPECT_NE(bytes.find(text), std::string::npos) << text;
  // There and back the weights are the same.
  ASSERT_EQ(program_.run("import net.onnx --out again --data glyphs").code, 0);
  EXPECT_EQ(program_.run("eval again --data glyphs --threads 1").code, 0);
  ASSERT_EQ(program_.run("export again --to again.onnx").code, 0);
  const std::string again_bytes = file("again.onnx");
  const auto again = onnx::parse_model(again_bytes);
  ASSERT_TRUE(again.ok()) << again.status().message();
  ASSERT_EQ(again->initializers.size(), 4U);
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(again->initializers[i].name, model->initializers[i].name);
    EXPECT_EQ(again->initializers[i].raw, model->initializers[i].raw);
  }
}

TEST_F(ExportCli, TakesTheEndsInside) {
  expect_said(program_.run("export run/last.safetensors --to all.onnx --softmax --preprocess"),
              {"run/last.safetensors", "v / 255 of a byte v; the normalisation is inside", "probabilities",
               "Div", "Softmax", "Sub"});
  EXPECT_EQ(file("all.onnx").find("\x04mean"), std::string::npos);
}

TEST_F(ExportCli, WritesIntegers) {
  expect_said(program_.run("export run --to int8.onnx --int8 --samples 100 --threads 1"),
              {"DequantizeLinear x 6, Gemm x 2, QuantizeLinear x 2", "of 25,408 weights live",
               "fc1.weight  32 x 784", "25,088", "int8.onnx, "});
  const std::string bytes = file("int8.onnx");
  const auto model = onnx::parse_model(bytes);
  ASSERT_TRUE(model.ok()) << model.status().message();
  EXPECT_EQ(model->inputs[0].type, static_cast<int64_t>(onnx::Type::kFloat));
  EXPECT_EQ(model->outputs[0].type, static_cast<int64_t>(onnx::Type::kFloat));
  EXPECT_LT(bytes.size(), 40000U);
  // The same samples and ranges give the same file, others another.
  ASSERT_EQ(program_.run("export run --to again.onnx --int8 --samples 100 --threads 2").code, 0);
  EXPECT_EQ(file("again.onnx"), bytes);
  ASSERT_EQ(program_.run("export run --to other.onnx --int8 --range min-max --data glyphs").code, 0);
  EXPECT_NE(file("other.onnx"), bytes);
  const Outcome json = program_.run("export run --to json.onnx --int8 --preprocess --softmax --json");
  ASSERT_EQ(json.code, 0) << json.err;
  EXPECT_EQ((*parse_json("out", json.out))["weights"][0]["bytes"], 784 * 32);
}

TEST_F(ExportCli, WritesWeightsForOthers) {
  expect_said(program_.run("export run --state last --to out/net.safetensors"),
              {"run/last.safetensors", "fc2.weight", "zeros are written out", "out/net.safetensors"});
  const auto written = SafetensorsFile::open(Env::system(), program_.folder.file("out/net.safetensors"));
  ASSERT_TRUE(written.ok()) << written.status().message();
  EXPECT_EQ(written->metadata(), (Metadata{{"format", "pt"}}));
  ASSERT_EQ(written->tensors().size(), 4U);
  EXPECT_EQ(written->tensors().at("fc1.weight").shape, (std::vector<int64_t>{32, 784}));
  const auto values = written->read<float>("fc1.weight");
  ASSERT_TRUE(values.ok());
  EXPECT_GT(std::count(values->begin(), values->end(), 0.0F), 20000);
  // Our own commands take it by name, too.
  EXPECT_EQ(program_
                .run("prune out/net.safetensors --model mlp:784-32-10 --data glyphs --train-samples 300 "
                     "--test-samples 100 --density 0.5 --epochs 1 --threads 1 --out pruned")
                .code,
            0);
}

TEST_F(ExportCli, SaysTheSameToMachines) {
  const Outcome outcome = program_.run("export run --to net.onnx --json");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const auto json = parse_json("out", outcome.out);
  ASSERT_TRUE(json.ok()) << outcome.out;
  EXPECT_EQ((*json)["opset"], 17);
  EXPECT_EQ((*json)["total_weights"], 784 * 32 + 320);
  EXPECT_EQ((*json)["bytes"], file("net.onnx").size());
  EXPECT_EQ((*json)["nodes"]["Gemm"], 2);
  EXPECT_EQ((*json)["metadata"]["task"], "classes");
  EXPECT_EQ((*json)["weights"][0]["bytes"], 784 * 32 * 4);
}

TEST_F(ExportCli, RefusesInASentence) {
  program_.expect_refusal("export run --to net.pt", 2, "--to: 'net.pt' should end in .onnx or .safetensors");
  program_.expect_refusal("export run --to w.safetensors --softmax", 2, "--softmax: belongs to ONNX files");
  program_.expect_refusal("export run --to w.safetensors --preprocess", 2,
                          "--preprocess: belongs to ONNX files");
  program_.expect_refusal("export run --to w.safetensors --int8", 2, "--int8: belongs to ONNX files");
  program_.expect_refusal("export run --to net.onnx --samples 5", 2, "--samples requires --int8");
  program_.expect_refusal("export run --to net.onnx --int8 --data-dir nowhere --data mnist", 1, "nowhere");
  program_.expect_refusal("export nowhere --to net.onnx", 1, "nowhere: there is no such run or file");
  program_.expect_refusal("export run/best.safetensors --state last --to net.onnx", 2,
                          "--state: belongs to a run directory");
  program_.expect_refusal("export run --to run/best.safetensors --force", 2, "is the checkpoint itself");
  program_.folder.write("there.onnx", "mine");
  program_.expect_refusal("export run --to there.onnx", 2,
                          "there.onnx: exists already; --force writes over it");
  EXPECT_EQ(file("there.onnx"), "mine");
  EXPECT_EQ(program_.run("export run --to there.onnx --force").code, 0);
  EXPECT_TRUE(onnx::parse_model(file("there.onnx")).ok());
  program_.expect_refusal("export there.onnx --to net.onnx", 2, "is an ONNX file");
}

}  // namespace
}  // namespace coppice
