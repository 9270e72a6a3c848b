// SPDX-License-Identifier: Apache-2.0
// Pruning as a person meets it.
#include <gtest/gtest.h>

#include "io/safetensors.h"
#include "models/json.h"
#include "support/program.h"
#include "train/checkpoint.h"

namespace coppice {
namespace {

using testing::Outcome;

class PruneCli : public ::testing::Test {
 protected:
  void SetUp() override {
    const Outcome trained = program_.run(
        "train --data glyphs --train-samples 600 --test-samples 100 --model mlp:784-32-10 --epochs 2 "
        "--threads 1 "
        "--out dense");
    ASSERT_EQ(trained.code, 0) << trained.err;
  }
  void expect_refusal(const std::string& arguments, const std::string& sentence) {
    const Outcome outcome = program_.run(arguments);
    EXPECT_NE(outcome.code, 0);
    EXPECT_EQ(outcome.err, "coppice prune: " + sentence + "\n");
  }
  testing::Program program_;
};

TEST_F(PruneCli, TellsWhatTheNetworkWasAndWhatItIs) {
  const Outcome outcome =
      program_.run("prune dense --density 0.1 --epochs 2 --update-every 2 --threads 1 --out pruned");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  for (const char* word : {"method   magnitude", "live", "edits", "before", "after", "test accuracy",
                           "2,541  10.0x", "work of a sample", "time of a sample"})
    EXPECT_NE(outcome.out.find(word), std::string::npos) << word << "\n" << outcome.out;
  EXPECT_EQ(program_.run("eval pruned").code, 0);
  EXPECT_EQ(program_.run("report pruned").code, 0);
}

TEST_F(PruneCli, SaysTheSameToMachines) {
  const Outcome outcome =
      program_.run("prune dense --density 0.1 --no-finetune --threads 1 --json --out pruned");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const auto json = parse_json("out", outcome.out);
  ASSERT_TRUE(json.ok()) << outcome.out;
  EXPECT_EQ((*json)["before"]["live_weights"], 25408);
  EXPECT_EQ((*json)["after"]["live_weights"], 2541);
  EXPECT_EQ((*json)["after"]["total_weights"], 25408);
  EXPECT_EQ((*json)["dead"]["removed"], 0);
  EXPECT_EQ((*json)["after"]["flop_per_sample"], 2 * 2541);
  EXPECT_LT((*json)["after"]["file_bytes"], (*json)["before"]["file_bytes"]);
  EXPECT_EQ((*json)["account"]["live_weights"], 2541);
  EXPECT_GT((*json)["after"]["seconds_per_sample"], 0);
}

constexpr char kQuick[] = " --epochs 2 --update-every 2 --tries 2 --threads 1 ";

TEST_F(PruneCli, FindsTheSmallestWithinATolerance) {
  const Outcome outcome = program_.run("prune dense --tolerance 60" + std::string(kQuick) + "--out found");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  for (const char* word :
       {"wanted   accuracy", "density 0.1 ", "density 0.032 ", "smallest found/density-", "before", "after"})
    EXPECT_NE(outcome.out.find(word), std::string::npos) << word << "\n" << outcome.out;
  // Asked again it knows what was tried.
  const Outcome again =
      program_.run("prune dense --tolerance 60" + std::string(kQuick) + "--out found --json");
  const auto json = parse_json("out", again.out);
  ASSERT_TRUE(json.ok()) << again.out << again.err;
  EXPECT_EQ((*json)["tolerance"]["trials"].size(), 2u);
  EXPECT_EQ((*json)["tolerance"]["metric"], "accuracy");
  const Outcome none = program_.run("prune dense --tolerance 0 --density 0.0005 --learning-rate 1e-9" +
                                    std::string(kQuick) + "--out none");
  EXPECT_EQ(none.code, 1);
  EXPECT_NE(none.err.find("none of the densities that were tried is within 0 points of "), std::string::npos)
      << none.err;
}

// Nobody knows which samples they were learnt from.
TEST_F(PruneCli, ComparesWeightsWithoutARunWithWhatTheyAreAfterTheSameTraining) {
  const Checkpoint dense =
      read_checkpoint(Env::system(), program_.folder.file("dense/best.safetensors")).take();
  std::vector<std::vector<float>> values;
  std::vector<TensorView> tensors;
  for (const Param& param : dense.network.params) values.push_back(param.canonical(param.value));
  for (size_t p = 0; p < values.size(); ++p) {
    const Param& param = dense.network.params[p];
    tensors.push_back({param.name(), Dtype::kF32, param.dims(), values[p].data()});
  }
  ASSERT_TRUE(
      write_safetensors(Env::system(), program_.folder.file("w.safetensors"), std::move(tensors), {}).ok());
  const std::string imported =
      "prune w.safetensors --data glyphs --train-samples 600 --model mlp:784-32-10 --tolerance 60 ";
  const Outcome outcome = program_.run(imported + kQuick + "--out found --json");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const auto json = parse_json("out", outcome.out);
  ASSERT_TRUE(json.ok()) << outcome.out;
  EXPECT_EQ((*json)["tolerance"]["trials"][0]["outcome"], "the original");
  EXPECT_EQ((*json)["tolerance"]["trials"][0]["density"], 1);
  EXPECT_EQ((*json)["tolerance"]["trials"][0]["epochs"], 2);
  EXPECT_EQ((*json)["before"]["live_weights"], 25408);
  expect_refusal(
      imported + kQuick + "--validation 0",
      "--tolerance: chooses by validation samples; give --validation a share above 0, or name other "
      "samples with --val-data");
}

TEST_F(PruneCli, CutsChannelsIntoASmallerDenseRun) {
  const Outcome outcome =
      program_.run("prune dense --density 0.3 --structure channels --epochs 1 --threads 1 --out cut");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  for (const char* word : {"cut      23 of 32 channels and neurons", "7,146 of 7,146 weights live",
                           "init     4 of 4", "before", "7,146  3.6x"})
    EXPECT_NE(outcome.out.find(word), std::string::npos) << word << "\n" << outcome.out;
  EXPECT_EQ(program_.run("eval cut").code, 0);
  EXPECT_EQ(program_.run("train --resume cut --epochs 2").code, 0);
  EXPECT_EQ(program_.run("prune cut --density 0.5 --epochs 1 --threads 1 --out again").code, 0);
}

TEST_F(PruneCli, PermutesForBlocks) {
  const Outcome outcome = program_.run(
      "prune dense --density 0.2 --block 16x1 --permute --epochs 2 --update-every 2 --threads 1 --out "
      "permuted");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_NE(outcome.out.find("permute  the best blocks keep "), std::string::npos) << outcome.out;
  EXPECT_EQ(program_.run("train --resume permuted --epochs 3").code, 0);
}

TEST_F(PruneCli, RemovesWhatIsDeadFromTheBestStateAlone) {
  const Outcome outcome =
      program_.run("prune dense --density 0.01 --epochs 2 --update-every 2 --threads 1 --out pruned");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_NE(outcome.out.find("neurons or channels removed"), std::string::npos) << outcome.out;
  EXPECT_EQ(program_.run("eval pruned").code, 0);
  EXPECT_EQ(program_.run("train --resume pruned --epochs 3").code, 0);
  EXPECT_EQ(program_.run("prune pruned --density 0.005 --no-finetune --threads 1 --out again").code, 0);
}

TEST_F(PruneCli, ExplainsWhatItCannotDo) {
  expect_refusal("prune dense", "density: say how many weights shall stay, such as --density 0.1");
  expect_refusal("prune dense --density 0", "--density: '0' should be a number above 0, up to 1");
  expect_refusal("prune nothing --density 0.1",
                 "nothing: there is no such run or file; `coppice train` makes runs under runs/");
  expect_refusal("prune dense --density 0.1 --method rigll",
                 "--method: 'rigll' is not a pruning method; did you mean 'rigl'?");
  expect_refusal("prune dense --density 0.1 --method rigl --ranking network",
                 "--ranking: belongs to the methods that prune (`coppice train --methods`); leave it out");
  expect_refusal("prune dense --density 0.1 --layer fc9=1",
                 "layer 'fc9': there is no such layer; this network has fc1, fc2");
  expect_refusal(
      "prune dense --tolerance 1 --validation 0.3",
      "--tolerance: compares on samples that the original did not learn from, and validation is not "
      "the one that it was trained with; leave it, or name other samples with --val-data");
  expect_refusal("prune dense --tolerance 1 --metric loss",
                 "--tolerance: counts points of a hundred, and loss is no share; choose another by --metric");
  expect_refusal("prune dense --density 0.1 --distill --no-finetune",
                 "--distill: helps to learn, and --no-finetune learns nothing; leave one of them out");
  expect_refusal("prune dense --density 0.1 --temperature 2",
                 "--temperature: belongs to a run with a teacher; leave it out");
  expect_refusal(
      "prune dense --density 0.3 --structure channels --block 4x1",
      "--block: belongs to `--structure weights`; channels leave a smaller dense network and go all at "
      "once; leave it out");
  expect_refusal(
      "prune dense --density 0.3 --structure channels --permute",
      "--permute: puts units in order for blocks, which `--structure channels` has not; leave it out");
  expect_refusal("prune dense --density 0.3 --permute",
                 "permute: puts units in order for blocks; choose them, such as --block 16x1");
  expect_refusal("prune dense --tolerance 1 --structure channels",
                 "--tolerance: looks for a density of weights in the order that there is; leave out "
                 "--structure channels");
  expect_refusal("prune dense --density 1",
                 "method: magnitude has nothing to do at density 1; lower --density");
}

}  // namespace
}  // namespace coppice
