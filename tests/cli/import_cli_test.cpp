// SPDX-License-Identifier: Apache-2.0
// Importing a network as a person meets it.
#include <gtest/gtest.h>

#include <fstream>

#include "models/json.h"
#include "support/onnx_bytes.h"
#include "support/program.h"

namespace coppice {
namespace {

using namespace testing;  // the functions that make ONNX files

// For 28 x 28 pictures of 10 classes.
OnnxFile classifier() {
  OnnxFile file;
  file.input("image", {-1, 1, 28, 28}).output("probabilities");
  file.initializer(onnx_floats("fc1.weight", {16, 784}, onnx_numbers(16 * 784)));
  file.initializer(onnx_floats("fc2.weight", {10, 16}, onnx_numbers(160)));
  file.initializer(onnx_floats("fc2.bias", {10}, onnx_numbers(10)));
  file.node("Flatten", "/Flatten", {"image"}, {"flat"});
  file.node("Gemm", "/fc1/Gemm", {"flat", "fc1.weight"}, {"h"}, {onnx_integer("transB", 1)});
  file.node("Tanh", "/Tanh", {"h"}, {"a"});
  file.node("Gemm", "/fc2/Gemm", {"a", "fc2.weight", "fc2.bias"}, {"l"}, {onnx_integer("transB", 1)});
  file.node("Softmax", "/Softmax", {"l"}, {"probabilities"});
  return file;
}

class ImportCli : public ::testing::Test {
 protected:
  void SetUp() override { write("net.onnx", classifier().bytes()); }
  void write(const std::string& name, const std::string& bytes) {
    std::ofstream(program_.folder.file(name), std::ios::binary) << bytes;
  }
  void expect_refusal(const std::string& arguments, const std::string& sentence) {
    const Outcome outcome = program_.run(arguments);
    EXPECT_NE(outcome.code, 0);
    EXPECT_NE(outcome.err.find(sentence), std::string::npos) << outcome.err;
  }
  Program program_;
};

constexpr char kGlyphs[] = " --data glyphs --mean 0.1 --stddev 0.5";

TEST_F(ImportCli, MakesARunThatEveryCommandTakes) {
  const Outcome outcome = program_.run(std::string("import net.onnx --out net") + kGlyphs);
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  for (const char* word : {"opset 17", "by by hand", "image, 1 x 28 x 28", "fc1.weight", "12,704",
                           "the softmax at the end is part of the loss", "Softmax /Softmax"})
    EXPECT_NE(outcome.out.find(word), std::string::npos) << word << "\n" << outcome.out;
  EXPECT_EQ(program_.run("eval net --threads 1").code, 0);
  EXPECT_EQ(program_.run("explain net").code, 0);
  EXPECT_EQ(program_.run("inspect net").code, 0);
  const Outcome pruned = program_.run(
      "prune net --density 0.1 --train-samples 300 --test-samples 100 --epochs 1 --update-every 2 --threads "
      "1 "
      "--out pruned");
  EXPECT_EQ(pruned.code, 0) << pruned.err;
  const Outcome trained = program_.run(
      "train --data glyphs --train-samples 300 --test-samples 100 --model net/network.json --init "
      "net/best.safetensors --epochs 1 --threads 1 --out trained");
  EXPECT_EQ(trained.code, 0) << trained.err;
}

TEST_F(ImportCli, SaysTheSameToMachines) {
  const Outcome outcome = program_.run("import net.onnx --out net --json");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const auto json = parse_json("out", outcome.out);
  ASSERT_TRUE(json.ok()) << outcome.out;
  EXPECT_EQ((*json)["task"], "classes");
  EXPECT_EQ((*json)["ending"], "softmax");
  EXPECT_EQ((*json)["total_weights"], 784 * 16 + 160);
  EXPECT_EQ((*json)["flop_per_sample"], 2.0 * (784 * 16 + 160));
  EXPECT_EQ((*json)["removed"][0]["op"], "Flatten");
}

TEST_F(ImportCli, LearntFromWhatItIsTold) {
  ASSERT_EQ(program_.run("import net.onnx --out net").code, 0);
  expect_refusal("eval net", "an imported network does not say what it learnt from; name it with --data");
  EXPECT_EQ(program_.run("eval net --data glyphs --threads 1").code, 0);
  expect_refusal("import net.onnx --out net", "net: holds a run already");
  expect_refusal("import net.onnx --out other --data life", "choose data of classes");
  expect_refusal("import net.onnx --out other --mean 1,2 --stddev 1,1", "takes 1 channels");
}

TEST_F(ImportCli, ReadsFilesBesideTheModelWhenItIsAskedTo) {
  OnnxFile file = onnx_linear();
  file.initializer(onnx_floats("b", {2}, onnx_numbers(2)));
  file.initializer(ProtoWriter()
                       .integers(1, std::vector<int64_t>{3, 2})
                       .integer(2, kOnnxFloat)
                       .bytes(8, "w")
                       .message(13, ProtoWriter().bytes(1, "location").bytes(2, "w.bin"))
                       .integer(14, 1));
  write("outside.onnx", file.bytes());
  write("w.bin", std::string(24, '\0'));
  expect_refusal("import outside.onnx --out net", "--external-data reads such files");
  EXPECT_EQ(program_.run("import outside.onnx --external-data --out net").code, 0);
}

TEST_F(ImportCli, TellsWhatToDoWithOtherFiles) {
  expect_refusal("import model.pt --out net", "torch.onnx.export");
  expect_refusal("eval net.onnx", "coppice import net.onnx --out runs/NAME");
  write("empty.onnx", "");
  expect_refusal("import empty.onnx --out net", "empty.onnx: is no ONNX model");
}

}  // namespace
}  // namespace coppice
