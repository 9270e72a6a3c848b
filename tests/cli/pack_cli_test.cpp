// SPDX-License-Identifier: Apache-2.0
// Packing a network, and asking it, as a person meets it.
#include <gtest/gtest.h>

#include <filesystem>

#include "io/npy.h"
#include "models/json.h"
#include "support/pictures.h"
#include "support/program.h"

namespace coppice {
namespace {

using testing::content;
using testing::Outcome;
using testing::Program;

constexpr char kTrain[] =
    "train --data glyphs --train-samples 600 --test-samples 100 --model mlp:784-64-10 --density 0.1 "
    "--block 16x1 --batch 20 --epochs 8 --threads 1 --out run";

class PackCli : public ::testing::Test {
 protected:
  void SetUp() override {
    const Outcome outcome = program_.run(kTrain);
    ASSERT_EQ(outcome.code, 0) << outcome.err;
  }
  std::string expect_said(const std::string& arguments, std::initializer_list<const char*> words) {
    const Outcome outcome = program_.run(arguments);
    EXPECT_EQ(outcome.code, 0) << arguments << "\n" << outcome.err;
    for (const char* word : words)
      EXPECT_NE(outcome.out.find(word), std::string::npos) << arguments << ": " << word << "\n"
                                                           << outcome.out;
    return outcome.out;
  }
  Json json_of(const std::string& arguments) {
    const Outcome outcome = program_.run(arguments);
    EXPECT_EQ(outcome.code, 0) << arguments << "\n" << outcome.err;
    return Json::parse(outcome.out, nullptr, false);
  }
  uint64_t size_of(const char* name) const { return std::filesystem::file_size(program_.folder.file(name)); }
  Program program_;
};

TEST_F(PackCli, SaysWhatItMadeAndHowAccurateItIs) {
  expect_said("pack run -o net.cpk --arithmetic int8 --store",
              {"network  run/best.safetensors", "fc1", "16x1", "blocks 16x1", "predicted ", "accuracy ",
               " before, ", " packed", "saved    net.cpk, ", "stored   net.cpk.zst, "});
  EXPECT_LT(size_of("net.cpk.zst"), size_of("net.cpk"));
  const Json json = json_of("pack run -o again.cpk --arithmetic int8 --store --json");
  EXPECT_EQ(content(program_.folder.file("again.cpk")), content(program_.folder.file("net.cpk")));
  EXPECT_EQ(json["bytes"], size_of("again.cpk"));
  EXPECT_EQ(json["stored_bytes"], size_of("again.cpk.zst"));
  EXPECT_EQ(json["live_weights"], 5080);
  EXPECT_GT(json["before"]["accuracy"]["value"].get<double>(), 0.3);
  EXPECT_NEAR(json["after"]["accuracy"]["value"].get<double>(),
              json["before"]["accuracy"]["value"].get<double>(), 0.05);
  expect_said("pack run -o unjudged.cpk --no-judge", {"accuracy unknown: not judged"});
  EXPECT_FALSE(std::filesystem::exists(program_.folder.file("unjudged.cpk.zst")));
}

TEST_F(PackCli, APackedNetworkAndItsStoredCopyAnswerAlike) {
  ASSERT_EQ(program_.run("pack run -o net.cpk --arithmetic int8 --store").code, 0);
  ASSERT_TRUE(program_.folder.write("seven.png", testing::png_of(testing::pattern(28, 28, 1))).size());
  const std::string said = expect_said("run net.cpk --input seven.png --top 3 --output out.npy",
                                       {"sample", "says", "probability"});
  EXPECT_EQ(expect_said("run net.cpk.zst --input seven.png --top 3", {}), said);
  const Json json = json_of("run net.cpk --input seven.png --json");
  ASSERT_EQ(json["samples"].size(), 1U);
  EXPECT_EQ(json["samples"][0].size(), 5U);
  const auto written = read_npy(Env::system(), program_.folder.file("out.npy"));
  ASSERT_TRUE(written.ok()) << written.status().message();
  EXPECT_EQ(written->shape, (std::vector<int64_t>{1, 10}));

  for (const std::string file : {"net.cpk", "net.cpk.zst"}) {
    expect_said("explain " + file, {"blocks 16x1", "Why a layer has its format", "predicted "});
    expect_said("inspect " + file, {"section ", "checksum", "input as integers"});
    expect_said("bench run " + file + " --runs 100 --seconds 0.1",
                {"us a sample", "99.9 % within", "a run allocates nothing"});
  }
  EXPECT_EQ(json_of("bench run net.cpk --runs 100 --seconds 0.1 --json")["runs"], 100);
}

TEST_F(PackCli, RunsSeveralSamplesAtOnce) {
  ASSERT_EQ(program_.run("pack run -o net.cpk --arithmetic int8 --no-judge --batch 16,4,16").code, 0);
  expect_said("explain net.cpk", {"One sample, ", "4 samples at once, ", "16 samples at once, ",
                                  "input side by side", "to run 16 samples, of these "});
  expect_said("inspect net.cpk", {"16 samples at once", "fc2 side by side"});
  expect_said("bench run net.cpk --batch 16 --runs 100 --seconds 0.1", {"us for 16 samples, "});
  EXPECT_EQ(json_of("bench run net.cpk --batch 4 --runs 100 --seconds 0.1 --json")["batch"], 4);
  program_.expect_refusal("bench run net.cpk --batch 8", 2,
                          "--batch: it runs 1, 4, 16 at once, not 8; pack it with --batch 8");
  program_.expect_refusal("pack run -o one.cpk --batch 1", 2, "--batch");
}

TEST_F(PackCli, ChoosesFormatsForTheMachineThatTheFileIsFor) {
  expect_said("pack run -o phone.cpk --no-judge --isa neon",
              {"rates    estimated, neon (shipped with coppice)"});
  // Rates at which the full pattern is fastest, and a table of training alone.
  std::string table = R"({"coppice.cost_table":1,"cpu":"theirs","isa":"c","rows":[)";
  for (const char* layer : {"linear", "conv"})
    for (const char* format : {"deltas", "blocks16x1", "blocks16x4", "dense"})
      for (const char* arithmetic : {"float", "weights8", "int8"})
        table += std::string(table.back() == '[' ? "" : ",") + R"({"format":"packed_)" + layer + "_" +
                 format + "_" + arithmetic + R"(","density":1,"gflops":)" +
                 (format[1] == 'e' && format[2] == 'n' ? "99" : "1") + "}";
  program_.folder.write("theirs.json", table + "]}");
  expect_said("pack run -o theirs.cpk --no-judge --cost-table theirs.json",
              {"dense ", "rates    theirs, c (theirs.json)"});
  program_.folder.write(
      "old.json",
      R"({"coppice.cost_table":1,"cpu":"a","isa":"c","rows":[{"format":"dense","density":1,"gflops":1}]})");
  program_.expect_refusal(
      "pack run -o old.cpk --no-judge --cost-table old.json", 2,
      "old.json: has no rates of packed networks; make it anew with `coppice tune --out FILE`");
  program_.expect_refusal("pack run -o none.cpk --isa sse", 2,
                          "--isa: 'sse' is none of c, avx2, avx512 and neon");
}

TEST_F(PackCli, SaysWhatAChipNeeds) {
  expect_said("pack run -o chip.cpk --for mcu",
              {"fewest bytes; ", "chip     ", " of flash, ", " in plain C"});
  const Json json = json_of("pack run -o same.cpk --for mcu --no-judge --json");
  EXPECT_EQ(json["arithmetic"], "int8");
  EXPECT_GT(json["memory_bytes"], json["arena_bytes"]);
  const Json size = json_of("pack run -o size.cpk --for size --arithmetic int8 --no-judge --json");
  EXPECT_EQ(json["bytes"], size["bytes"]);
  EXPECT_LE(size["bytes"], json_of("pack run -o fast.cpk --arithmetic int8 --no-judge --json")["bytes"]);
  program_.expect_refusal("pack run -o two.cpk --for mcu --batch 2", 2,
                          "--batch: a chip runs one sample at a time");
}

// What a quantised run says of itself is what its packed file says.
TEST_F(PackCli, QuantisedNetworksArePackedAsTheyAre) {
  const Json json = json_of("quantise run --epochs 1 --distill --samples 100 --out rounded --json");
  EXPECT_EQ(json["rounded"], 2) << "the input, and what the relu gives";
  for (const char* side : {"float", "int8_before", "int8_after"})
    EXPECT_GT(json[side]["accuracy"]["value"].get<double>(), 0.3) << side;
  const Json packed = json_of("pack rounded -o rounded.cpk --arithmetic int8 --json");
  EXPECT_EQ(packed["after"], json["int8_after"]);
  EXPECT_EQ(packed["before"]["accuracy"], packed["after"]["accuracy"]);
  EXPECT_EQ(json_of("eval rounded --json")["accuracy"], packed["after"]["accuracy"]["value"]);
  expect_said("quantise run --epochs 1 --out again",
              {"rounded  2 activations", "int8, fine-tuned", "pack it"});
  program_.expect_refusal("quantise run --density 0.1", 2, "--density: the network stays what it is here");
  program_.expect_refusal("quantise run --method rigl", 2, "`coppice prune` changes that");
}

TEST_F(PackCli, RefusesInASentence) {
  program_.expect_refusal("pack run -o net.onnx", 2, "--output: 'net.onnx' should end in .cpk");
  program_.expect_refusal("pack nowhere -o net.cpk", 1, "nowhere");
  ASSERT_EQ(program_.run("pack run -o net.cpk --no-judge --store").code, 0);
  program_.expect_refusal("pack run -o net.cpk", 2, "net.cpk: exists already; --force writes over it");
  std::filesystem::remove(program_.folder.file("net.cpk"));
  program_.expect_refusal("pack run -o net.cpk --store", 2, "net.cpk.zst: exists already; --force");
  EXPECT_EQ(program_.run("pack run -o net.cpk --store --no-judge --force").code, 0);

  program_.expect_refusal("run run --input x.png", 2, "run: should end in .cpk");
  program_.expect_refusal("run net.cpk --input nowhere.png", 1, "nowhere.png");
  program_.folder.write("short.cpk.zst", content(program_.folder.file("net.cpk.zst")).substr(0, 200));
  program_.expect_refusal("explain short.cpk.zst", 1,
                          "short.cpk.zst: the zstd data is damaged or ends early");
  program_.folder.write("short.cpk", content(program_.folder.file("net.cpk")).substr(0, 200));
  program_.expect_refusal("run short.cpk --input x.png", 1, "short.cpk: ");
  // The second file fails: the first one is whole.
  std::filesystem::create_directory(program_.folder.file("taken.cpk.zst"));
  EXPECT_NE(program_.run("pack run -o taken.cpk --store --no-judge --force").code, 0);
  EXPECT_EQ(program_.run("inspect taken.cpk").code, 0);
}

}  // namespace
}  // namespace coppice
