// SPDX-License-Identifier: Apache-2.0
// `coppice bench edit`: what it counts and what it refuses. What it measures is another matter.
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <sstream>

#include "models/json.h"
#include "support/program.h"

namespace coppice {
namespace {

using testing::Outcome;

constexpr char kSmall[] =
    "bench edit --model mlp:64-32-32-10 --batch 16 --seconds 0.02 --cost-table default ";
constexpr int64_t kTotal = 64 * 32 + 32 * 32 + 32 * 10;

class BenchEdit : public ::testing::Test {
 protected:
  Outcome coppice(const std::string& arguments) { return program_.run(arguments); }
  std::map<std::string, Json> rows(const std::string& arguments) {
    const Outcome outcome = coppice(kSmall + arguments + " --json");
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    std::map<std::string, Json> rows;
    std::istringstream lines(outcome.out);
    for (std::string line; std::getline(lines, line);) {
      const auto json = parse_json("row", line);
      EXPECT_TRUE(json.ok()) << line;
      if (json.ok()) rows[(*json)["method"]] = *json;
    }
    return rows;
  }
  void expect_refusal(const std::string& arguments, int code, const std::string& sentence) {
    const Outcome outcome = coppice("bench edit --seconds 0.02 " + arguments);
    EXPECT_EQ(outcome.code, code) << arguments;
    EXPECT_NE(outcome.err.find(sentence), std::string::npos) << outcome.err;
    EXPECT_EQ(outcome.out, "") << arguments;
  }

  testing::Program program_;
};

TEST_F(BenchEdit, HasARowForEachMethodThatMovesWeights) {
  const std::map<std::string, Json> all = rows("--density 0.25 --threads 2");
  ASSERT_EQ(all.size(), 5u);
  for (const char* name : {"chts", "chtss", "granet", "rigl", "set"}) {
    SCOPED_TRACE(name);
    ASSERT_TRUE(all.contains(name));
    const Json& row = all.at(name);
    EXPECT_EQ(row["what"], "edit mlp:64-32-32-10, batch 16, density 0.25, block 1x1");
    EXPECT_EQ(row["threads"], 2);
    EXPECT_EQ(row["total_weights"], kTotal);
    EXPECT_EQ(row["live_weights"], kTotal / 4) << "the density stays, however many edits there were";
    EXPECT_EQ(row["density"], 0.25);
    EXPECT_GT(row["grown_weights"].get<int64_t>(), 0);
    EXPECT_EQ(row["grown_weights"], row["dropped_weights"]);
    // One product of 16 samples for each layer.
    EXPECT_EQ(row["dense_dw_flops"], 2 * 16 * kTotal);
    for (const char* key : {"edit_ms", "dense_dw_ms", "dense_dw_products", "step_ms", "training_share"})
      EXPECT_GT(row[key].get<double>(), 0) << key;
    const double edit = row["edit_ms"], dense = row["dense_dw_ms"], step = row["step_ms"];
    EXPECT_DOUBLE_EQ(row["dense_dw_products"].get<double>(), edit / dense);
    const bool replaces = row["replaces_update"];
    EXPECT_EQ(replaces, std::string(name) == "rigl" || std::string(name) == "granet");
    EXPECT_EQ(row["gradient_ms"].get<double>() > 0, replaces);
    const double steps = row["update_every"].get<double>() - (replaces ? 1 : 0);
    EXPECT_DOUBLE_EQ(row["training_share"].get<double>(), edit / (edit + steps * step));
  }
  // As the papers have it; an epoch is of 60,000 samples.
  EXPECT_EQ(all.at("rigl")["update_every"], 100);
  EXPECT_EQ(all.at("granet")["update_every"], 1000);
  for (const char* name : {"set", "chts", "chtss"})
    EXPECT_EQ(all.at(name)["update_every"], 60000 / 16) << name;
}

// SET moves 30 % of each layer, a whole number of weights, and nothing of a dense one.
TEST_F(BenchEdit, MovesWhatTheMethodMoves) {
  const Json set = rows(
                       "--method set --density 0.25 --layer fc1=0.125 --layer fc2=0.265625 --layer fc3=1 "
                       "--update-every 7")
                       .at("set");
  EXPECT_EQ(set["live_weights"], 256 + 272 + 320);
  EXPECT_EQ(set["update_every"], 7);
  EXPECT_LE(set["grown_weights"].get<int64_t>(), 76 + 81);
  // What is dropped and grown at once counts as neither: of these places hardly any is drawn again.
  EXPECT_GE(set["grown_weights"].get<int64_t>(), 110);
  EXPECT_EQ(set["dense_dw_flops"], 2 * 16 * (64 * 32 + 32 * 32));
}

TEST_F(BenchEdit, TakesBlocksConvolutionsAndAnEpochOfItsOwn) {
  const Json blocked = rows("--method rigl --density 0.25 --block 16x1").at("rigl");
  EXPECT_EQ(blocked["formats"]["fc1.weight"], "blocks");
  const Outcome conv = coppice(
      "bench edit --model resnet8 --density 0.2 --batch 16 --method rigl,set --seconds 0.02 "
      "--epoch-samples 160");
  ASSERT_EQ(conv.code, 0) << conv.err;
  for (const char* word :
       {"what     edit resnet8, batch 16, density 0.2, block 1x1, 1 thread", "machine  ", "program  coppice ",
        "method", "of it gradient", "edit in dense dW", "share of training", "\nrigl ", "\nset "})
    EXPECT_NE(conv.out.find(word), std::string::npos) << word << "\n" << conv.out;
}

TEST_F(BenchEdit, SaysWhyItCannot) {
  expect_refusal("--method rigll", 2,
                 "coppice bench edit: --method: 'rigll' is not a pruning method; did you mean 'rigl'?; those "
                 "that move weights are chts, chtss, granet, rigl, set");
  expect_refusal("--method set,magnitude", 2,
                 "--method: magnitude moves no weights, so it has no edit to time; choose of chts, chtss, "
                 "granet, rigl, set");
  expect_refusal("--density 1", 2, "has nothing to do at density 1; lower --density");
  expect_refusal("--density 2", 2, "--density: '2' should be a number above 0, up to 1");
  expect_refusal("--block 3x3", 2, "--block: block '3x3': must be 1x1, 4x1, 16x1 or 16x4");
  expect_refusal("--layer nope=0.5", 1, "layer 'nope': there is no such layer");
  expect_refusal("--model x", 1, "model 'x' is not known; there are ");
  expect_refusal("--update-every 0", 2, "--update-every");
}

}  // namespace
}  // namespace coppice
