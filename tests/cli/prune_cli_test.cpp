// SPDX-License-Identifier: Apache-2.0
// Pruning as a person meets it.
#include <gtest/gtest.h>

#include "models/json.h"
#include "support/program.h"

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
      "prune dense --density 0.3 --structure channels --block 4x1",
      "--block: belongs to `--structure weights`; channels leave a smaller dense network and go all at "
      "once; leave it out");
  expect_refusal(
      "prune dense --density 0.3 --structure channels --permute",
      "--permute: puts units in order for blocks, which `--structure channels` has not; leave it out");
  expect_refusal("prune dense --density 0.3 --permute",
                 "permute: puts units in order for blocks; choose them, such as --block 16x1");
  expect_refusal("prune dense --density 1",
                 "method: magnitude has nothing to do at density 1; lower --density");
}

}  // namespace
}  // namespace coppice
