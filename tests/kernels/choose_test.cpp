// SPDX-License-Identifier: Apache-2.0
#include "kernels/choose.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "formats/conv_blocks.h"
#include "formats/csr.h"
#include "formats/formats.h"
#include "formats/gather.h"

namespace coppice {
namespace {

bool says(const FormatChoice& choice, const std::string& part) {
  return choice.reason.find(part) != std::string::npos;
}

Pattern sparse(BlockShape block, double density) {
  constexpr int64_t kSide = 256;
  return random_pattern(kSide, kSide, block, static_cast<int64_t>(density * kSide * kSide / block.size()), 1,
                        "w");
}

TEST(ChooseLinear, TheShippedTableSendsEachPatternToItsKernels) {
  const CostTable& table = shipped_cost_table();
  EXPECT_EQ(choose_linear(Pattern::full(256, 256), table, nullptr).format, &kDense);
  EXPECT_EQ(choose_linear(sparse({1, 1}, 0.1), table, nullptr).format, &kSegments);
  EXPECT_EQ(choose_linear(sparse({1, 1}, 0.95), table, nullptr).format, &kSegments)
      << "not full: no index-free form";
  for (const BlockShape block : {BlockShape{4, 1}, BlockShape{16, 1}, BlockShape{16, 4}})
    EXPECT_EQ(choose_linear(sparse(block, 0.1), table, nullptr).format, &kBlocks) << block.text();
  EXPECT_EQ(choose_linear(Pattern::full(256, 256, {4, 1}), table, nullptr).format, &kDense);
}

// Ten outputs padded to sixteen: the padding is multiplied too.
TEST(ChooseLinear, CountsThePaddingOfTheDenseFormat) {
  EXPECT_EQ(choose_linear(Pattern::full(16, 100), shipped_cost_table(), nullptr).format, &kDense);
  EXPECT_EQ(choose_linear(Pattern::full(1, 100), shipped_cost_table(), nullptr).format, &kSegments);
}

TEST(ChooseLinear, IsAPureFunction) {
  for (const double density : {0.02, 0.5, 1.0}) {
    const Pattern pattern = sparse({4, 1}, density);
    const FormatChoice once = choose_linear(pattern, shipped_cost_table(), nullptr);
    const FormatChoice again = choose_linear(pattern, shipped_cost_table(), nullptr);
    EXPECT_EQ(once.format, again.format);
    EXPECT_EQ(once.reason, again.reason);
  }
}

TEST(ChooseLinear, TheReasonTellsTheCostOfTheOthersAndWhyTheyWereRefused) {
  const FormatChoice thin = choose_linear(sparse({1, 1}, 0.1), shipped_cost_table(), nullptr);
  EXPECT_EQ(thin.reason.rfind("segments: ", 0), 0u) << thin.reason;
  EXPECT_TRUE(says(thin, "ns a sample")) << thin.reason;
  EXPECT_TRUE(says(thin, "not dense: 6553 of 65536 weights are live")) << thin.reason;
  EXPECT_TRUE(says(thin, "not blocks: block 1x1 has a single row")) << thin.reason;
  const FormatChoice full = choose_linear(Pattern::full(256, 256), shipped_cost_table(), nullptr);
  EXPECT_TRUE(says(full, "; segments would take ")) << full.reason;
}

TEST(ChooseLinear, KeepsTheCurrentFormatUnlessAnotherIsATenthFaster) {
  const Pattern pattern = Pattern::full(256, 256, {16, 1});
  const auto choice = [&pattern](double dense, double blocks, const FormatDef* current) {
    const CostTable table = {"test", {{"dense", 1.0, dense}, {"blocks16", 1.0, blocks}}};
    return choose_linear(pattern, table, current).format;
  };
  EXPECT_EQ(choice(105, 100, nullptr), &kDense);
  EXPECT_EQ(choice(105, 100, &kDense), &kDense);
  EXPECT_EQ(choice(105, 100, &kBlocks), &kBlocks);
  EXPECT_EQ(choice(100, 105, &kDense), &kDense);
  EXPECT_EQ(choice(112, 100, &kBlocks), &kDense);
  EXPECT_EQ(choice(100, 112, &kDense), &kBlocks);
}

// A network that starts dense and ends at a tenth must end on sparse kernels, whatever it ran on before.
TEST(ChooseLinear, LeavesACurrentFormatThatNoLongerTakesThePattern) {
  EXPECT_EQ(choose_linear(sparse({1, 1}, 0.9), shipped_cost_table(), &kDense).format, &kSegments);
  EXPECT_EQ(choose_linear(sparse({16, 1}, 0.9), shipped_cost_table(), &kDense).format, &kBlocks);
}

// The choice follows the table, not the code: rates that turn the shipped ones round turn the choice round.
TEST(ChooseLinear, FollowsTheTable) {
  const CostTable turned = {"test", {{"dense", 1.0, 10}, {"segments", 1.0, 100}, {"blocks16", 1.0, 100}}};
  EXPECT_EQ(choose_linear(Pattern::full(256, 256), turned, nullptr).format, &kSegments);
  EXPECT_EQ(choose_linear(Pattern::full(256, 256, {16, 1}), turned, nullptr).format, &kBlocks);
  EXPECT_EQ(choose_linear(Pattern::full(256, 256, {4, 1}), turned, nullptr).format, &kDense)
      << "blocks of 4 have no row";
}

TEST(ChooseLinear, FindsAFormatAlsoInATableThatLacksIt) {
  const CostTable empty = {"empty", {}};
  for (const BlockShape block : {BlockShape{1, 1}, BlockShape{4, 1}, BlockShape{16, 1}, BlockShape{16, 4}})
    for (const double density : {0.1, 1.0}) {
      const Pattern pattern = sparse(block, density);
      const FormatChoice choice = choose_linear(pattern, empty, nullptr);
      EXPECT_EQ(choice.format->refuses(pattern), "") << block.text();
      EXPECT_TRUE(says(choice, "the cost table lacks it")) << choice.reason;
    }
}

TEST(CostTable, TakesTheRowOfTheNearestDensity) {
  const CostTable table = {
      "test", {{"segments", 0.05, 1}, {"segments", 0.2, 2}, {"segments", 1.0, 3}, {"dense", 1.0, 9}}};
  EXPECT_EQ(table.rate("segments", 0.001), 1);
  EXPECT_EQ(table.rate("segments", 0.09), 1) << "nearest by ratio";
  EXPECT_EQ(table.rate("segments", 0.11), 2);
  EXPECT_EQ(table.rate("segments", 0.99), 3);
  EXPECT_EQ(table.rate("dense", 0.1), 9);
  EXPECT_EQ(table.rate("blocks4", 0.1), 0);
}

TEST(CostTable, ListsWhatItLacks) {
  EXPECT_EQ(missing_rates(shipped_cost_table()), std::vector<std::string>{});
  CostTable table = shipped_cost_table();
  std::erase_if(table.rows,
                [](const CostTable::Row& row) { return row.format == "dense" || row.format == "blocks4"; });
  EXPECT_EQ(missing_rates(table), (std::vector<std::string>{"dense", "blocks4"}));
  EXPECT_FALSE(table.same_rates(shipped_cost_table()));
}

TEST(FormatCandidates, HaveRatesOfDifferentNames) {
  std::set<std::string> names;
  for (const FormatCandidate& candidate : format_candidates()) {
    EXPECT_FALSE(candidate.rates.empty()) << candidate.format->name;
    for (const RateDef& rate : candidate.rates) EXPECT_TRUE(names.insert(rate.name).second) << rate.name;
  }
  // Tables that people keep name these.
  for (const char* name :
       {"dense", "blocks4", "blocks16", "segments", "gather", "conv_dense", "conv_blocks4", "conv_blocks16"})
    EXPECT_TRUE(names.contains(name)) << name;
}

TEST(Crossover, IsWhereBothTakeAsLong) {
  // A full layer takes 1 of time when dense; sparse 0.5 at half density, and 2 when full.
  CostTable table = {"test", {{"dense", 1.0, 1}, {"segments", 0.5, 1}, {"segments", 1.0, 0.5}}};
  EXPECT_NEAR(crossover(table, "segments", "dense"), 0.5 + 0.5 / 3, 1e-12);
  // One row: its rate holds at every density.
  table.rows = {{"dense", 1.0, 145}, {"segments", 0.1, 58}};
  EXPECT_NEAR(crossover(table, "segments", "dense"), 0.4, 1e-12);
  table.rows = {{"segments", 0.2, 10}, {"dense", 1.0, 100}};
  EXPECT_EQ(crossover(table, "segments", "dense"), 0) << "slower at the thinnest that was measured";
  table.rows = {{"segments", 0.2, 101}, {"dense", 1.0, 100}};
  EXPECT_EQ(crossover(table, "segments", "dense"), 1);
}

struct ConvCase {
  ConvGeometry g;
  explicit ConvCase(int channels, int outputs, int groups = 1) {
    g.channels = channels;
    g.height = g.width = 8;
    g.outputs = outputs;
    g.out_height = g.out_width = 8;
    g.kernel_h = g.kernel_w = 3;
    g.padding = 1;
    g.groups = groups;
    g.x_halo = gather_x_halo(g);
    g.dy_halo = gather_dy_halo(g);
  }
  Pattern full() const { return Pattern::full(g.outputs, g.channels / g.groups * 9); }
};

FormatChoice shipped_choice(const Pattern& pattern, const ConvGeometry& geometry) {
  return choose_conv(pattern, geometry, shipped_cost_table(), nullptr);
}

TEST(ChooseConv, GathersUnlessTheGeometryForbidsIt) {
  ConvCase c(4, 8);
  const Pattern pattern = random_pattern(8, 36, {}, 60, 1, "w");
  const FormatChoice gather = shipped_choice(pattern, c.g);
  EXPECT_EQ(gather.format, &kGather);
  EXPECT_TRUE(says(gather, "not conv_blocks: block 1x1 has a single row")) << gather.reason;
  c.g.x_halo = 0;  // too little for its padding
  const FormatChoice refused = shipped_choice(pattern, c.g);
  EXPECT_EQ(refused.format, &kCsr);
  EXPECT_TRUE(says(refused, "not gather: ")) << refused.reason;
}

TEST(ChooseConv, TakesTheCostFromTheTable) {
  const Pattern pattern = random_pattern(8, 36, {}, 60, 1, "w");
  const CostTable table = {"test", {{"gather", 0.2, 48}}};
  // 60 weights, 64 positions, 6 FLOPs, 48 a nanosecond.
  const FormatChoice choice = choose_conv(pattern, ConvCase(4, 8).g, table, nullptr);
  EXPECT_TRUE(says(choice, "gather: 480 ns a sample")) << choice.reason;
  const FormatChoice lacking = choose_conv(pattern, ConvCase(4, 8).g, {"empty", {}}, nullptr);
  EXPECT_EQ(lacking.format, &kGather);
  EXPECT_TRUE(says(lacking, "the cost table lacks it")) << lacking.reason;
}

TEST(ChooseConv, TakesFullPatternsInBlocksOfOutputs) {
  const ConvCase c(4, 64);
  const FormatChoice full = shipped_choice(c.full(), c.g);
  EXPECT_EQ(full.format, &kConvBlocks);
  EXPECT_TRUE(says(full, "gather would take ")) << full.reason;
}

TEST(ChooseConv, TakesBlocksByTheirSize) {
  const ConvCase c(64, 64);
  const auto choice = [&](BlockShape block) {
    return shipped_choice(random_pattern(64, 576, block, 3686 / block.size(), 1, "w"), c.g).format;
  };
  EXPECT_EQ(choice({16, 1}), &kConvBlocks);
  EXPECT_EQ(choice({16, 4}), &kConvBlocks);
  EXPECT_EQ(choice({4, 1}), &kForwardBlocks);
  EXPECT_EQ(choice({1, 1}), &kGather);
}

// A single output would use an eighth of the registers.
TEST(ChooseConv, GathersAFullPatternOfFewOutputs) {
  const ConvCase c(4, 1);
  const FormatChoice few = shipped_choice(c.full(), c.g);
  EXPECT_EQ(few.format, &kGather);
  EXPECT_TRUE(says(few, "conv_blocks would take ")) << few.reason;
}

TEST(ChooseConv, GathersWhereThereAreGroups) {
  const ConvCase c(64, 64, 4);
  const FormatChoice grouped = shipped_choice(c.full(), c.g);
  EXPECT_EQ(grouped.format, &kGather);
  EXPECT_TRUE(says(grouped, "not those of 4 groups")) << grouped.reason;
}

}  // namespace
}  // namespace coppice
