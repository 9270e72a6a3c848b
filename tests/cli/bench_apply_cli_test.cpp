// SPDX-License-Identifier: Apache-2.0
// `coppice bench apply`: what it counts and what it refuses. What it measures is another matter.
#include <gtest/gtest.h>

#include "models/json.h"
#include "support/program.h"

namespace coppice {
namespace {

using testing::Outcome;

const std::string kShape = "--rows 64 --cols 128 ";

class BenchApply : public ::testing::Test {
 protected:
  Outcome coppice(const std::string& arguments) {
    return program_.run("bench apply --seconds 0.02 " + (arguments.starts_with("--rows") ? "" : kShape) +
                        arguments);
  }
  void expect_refusal(const std::string& arguments, int code, const std::string& sentence) {
    const Outcome outcome = coppice(arguments);
    EXPECT_EQ(outcome.code, code) << arguments;
    EXPECT_NE(outcome.err.find(sentence), std::string::npos) << outcome.err;
    EXPECT_EQ(outcome.out, "") << arguments;
  }

  testing::Program program_;
};

TEST_F(BenchApply, CountsWeightsAndBytes) {
  struct Row {
    const char* arguments;
    int64_t live,
        bytes;  // four block rows: 20 bytes of starts, two for each column; integers: 512 of sums and biases
  };
  const Row rows[] = {{"--density 0.25 --block 16x1", 2048, 20 + 128 * (2 + 64)},
                      {"--density 0.25 --block 16x4 --threads 2", 2048, 20 + 32 * (2 + 256)},
                      {"--density 0.25 --block 16x4 --arithmetic int8", 2048, 20 + 512 + 32 * (2 + 64)},
                      {"--density 1", 8192, 20 + 8192 * 4},
                      {"--density 1 --arithmetic int8", 8192, 20 + 512 + 8192}};
  for (const Row& row : rows) {
    SCOPED_TRACE(row.arguments);
    const Outcome outcome = coppice(std::string(row.arguments) + " --json");
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    const Json json = parse_json("row", outcome.out).take();
    EXPECT_EQ(json["live_weights"], row.live);
    EXPECT_EQ(json["total_weights"], 8192);
    EXPECT_EQ(json["bytes"], row.bytes);
    EXPECT_GT(json["ms"].get<double>(), 0);
  }
  const Outcome told = coppice("--arithmetic int8");
  ASSERT_EQ(told.code, 0) << told.err;
  for (const char* word : {"what     apply 64x128, int8, density 0.1, block 16x1, 1 thread", "machine  ",
                           "time     ", "work     816 of 8,192 weights in "})
    EXPECT_NE(told.out.find(word), std::string::npos) << word << "\n" << told.out;
}

TEST_F(BenchApply, SaysWhyItCannot) {
  expect_refusal("--block 4x1", 1, "coppice bench apply: --block: block 4x1 has fewer than 16 rows");
  expect_refusal("--block 3x3", 2, "block '3x3': must be 1x1, 4x1, 16x1 or 16x4");
  expect_refusal("--density 2", 2, "--density: must be above 0 and at most 1");
  expect_refusal("--rows 63 --cols 128 --density 0.5", 2, "--block: 16x1 does not divide 63 x 128");
  expect_refusal("--arithmetic int4", 2, "--arithmetic");
}

}  // namespace
}  // namespace coppice
