// SPDX-License-Identifier: Apache-2.0
// Which format of an image a layer gets, and what it then holds.
#include "pack/choose_packed.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "base/rng.h"
#include "support/answers.h"
#include "support/lively.h"
#include "support/packed.h"

namespace coppice {
namespace {

using namespace testing;

constexpr PackedFormat kFormats[] = {PackedFormat::kDeltas, PackedFormat::kBlocks16x1,
                                     PackedFormat::kBlocks16x4, PackedFormat::kDense};

Pattern some_pattern(BlockShape block, double density) {
  const int64_t blocks = int64_t{48} * 24 / block.size();
  return random_pattern(48, 24, block, static_cast<int64_t>(static_cast<double>(blocks) * density), 3,
                        "some");
}

std::vector<float> numbers(int64_t count) {
  std::vector<float> out(static_cast<size_t>(count));
  Rng rng(1, stream_id("test", "weights"));
  for (float& value : out) value = rng.normal();
  return out;
}

std::vector<float> dense(const Pattern& pattern, const std::vector<float>& values) {
  std::vector<float> out(static_cast<size_t>(pattern.total()), 0.0F);
  const std::vector<size_t> places = live_places(pattern);
  for (size_t k = 0; k < places.size(); ++k) out[places[k]] = values[k];
  return out;
}

// Rates at which each weight that is held takes as long, but for those that are named.
CostTable even_rates(const std::map<PackedFormat, double>& others = {}) {
  CostTable table;
  for (const PackedRate& rate : packed_rates()) {
    const auto other = others.find(rate.format);
    table.rows.push_back({rate.name(), 0.5, other == others.end() ? 2.0 : other->second});
  }
  return table;
}

TEST(PackedRates, HaveNamesOfTheirOwnAndAreShippedForAllKernels) {
  std::set<std::string> names;
  for (const PackedRate& rate : packed_rates()) names.insert(rate.name());
  EXPECT_EQ(names.size(), 24U);
  EXPECT_EQ(names.count("packed_conv_blocks16x1_int8"), 1U);
  for (const char* isa : {"c", "avx2", "avx512", "neon"})
    EXPECT_TRUE(has_packed_rates(shipped_packed_rates(isa)));
  EXPECT_FALSE(has_packed_rates(shipped_cost_table()));
}

TEST(FilledWeights, AreTheSameMatrix) {
  for (const BlockShape block : {BlockShape{1, 1}, {4, 1}, {16, 1}, {16, 4}})
    for (const double density : {0.0, 0.1, 0.7, 1.0}) {
      const Pattern pattern = some_pattern(block, density);
      const std::vector<float> values = numbers(pattern.live());
      for (const PackedFormat format : packed_formats_for({.pattern = pattern})) {
        SCOPED_TRACE(block.text() + " as " + packed_format_name(format));
        const FilledWeights as = filled(pattern, values, format);
        EXPECT_TRUE(Pattern::from_indices(as.pattern.rows(), as.pattern.cols(), as.pattern.block(),
                                          {as.pattern.indptr().begin(), as.pattern.indptr().end()},
                                          {as.pattern.indices().begin(), as.pattern.indices().end()})
                        .ok());
        EXPECT_EQ(dense(as.pattern, as.values), dense(pattern, values));
      }
    }
}

TEST(ChoosePacked, TakesTheFastest) {
  const Pattern pattern = some_pattern({16, 1}, 0.25);
  PackedLayer layer{.pattern = pattern, .arithmetic = "float", .pixels = 1000};
  // 288 weights of 1,152, which 16x4 blocks and the full pattern would hold more of: 2 FLOP each at 2
  // GFLOP/s.
  const PackedChoice fewest = choose_packed(layer, even_rates());
  EXPECT_EQ(fewest.format, PackedFormat::kDeltas);
  EXPECT_EQ(fewest.reason.substr(0, 38), "predicted 288 us; blocks16x1 288, bloc") << fewest.reason;
  EXPECT_EQ(choose_packed(layer, even_rates({{PackedFormat::kBlocks16x1, 2.1}})).format,
            PackedFormat::kBlocks16x1);
  // The full pattern holds zeros: it has to be a tenth faster.
  EXPECT_EQ(choose_packed(layer, even_rates({{PackedFormat::kDense, 8.7}})).format, PackedFormat::kDeltas);
  EXPECT_EQ(choose_packed(layer, even_rates({{PackedFormat::kDense, 8.9}})).format, PackedFormat::kDense);
  layer.no_blocks = "groups of 1 outputs are not of 16";
  const PackedChoice only = choose_packed(layer, even_rates({{PackedFormat::kDense, 100}}));
  EXPECT_EQ(only.format, PackedFormat::kDeltas);
  EXPECT_EQ(only.reason, layer.no_blocks);
}

TEST(ChoosePacked, WantsRates) {
  const Pattern pattern = some_pattern({1, 1}, 0.5);
  const PackedLayer layer{.pattern = pattern, .conv = true, .arithmetic = "int8"};
  EXPECT_EQ(choose_packed(layer, {}).reason, "the cost table has no rate for its formats");
  const CostTable one{"", {{"packed_conv_dense_int8", 1, 0.001}}};
  EXPECT_EQ(choose_packed(layer, one).format, PackedFormat::kDense) << "the others have none";
}

// Whatever format is chosen, for layers of every block.
class PackedFormats : public ::testing::TestWithParam<PackedFormat> {};

TEST_P(PackedFormats, SayTheSame) {
  CostTable table;
  for (const PackedRate& rate : packed_rates())
    if (rate.format == GetParam()) table.rows.push_back({rate.name(), 0.5, 1});
  int used = 0;
  for (const char* block : {"1x1", "4x1", "16x1", "16x4"}) {
    Network network = lively(wide_net(), block);
    const std::vector<float> input = random_input(network.graph, 2);
    const auto expected = answers(network, input, 2);
    for (const Arithmetic arithmetic : {Arithmetic::kFloat, Arithmetic::kWeights8, Arithmetic::kInt8}) {
      SCOPED_TRACE(std::string(block) + " " + arithmetic_name(arithmetic));
      PackOptions options = int8_options(network, input);
      options.arithmetic = arithmetic;
      const PackedImage usual = image_of(packed(network, options));
      options.rates = &table;
      const PackedNetwork made = packed(network, options);
      for (const PackedStep& step : made.steps) {
        std::string format = step.format;
        std::erase(format, ' ');
        if (format == packed_format_name(GetParam())) ++used;
      }
      const PackedImage image = image_of(made);
      const std::vector<float> plain = said(image, input, 1, "c");
      expect_close(expected, plain, arithmetic == Arithmetic::kFloat ? 1e-4 : 0.1);
      // Zeros add nothing to sums of integers.
      if (arithmetic == Arithmetic::kInt8) {
        EXPECT_EQ(plain, said(usual, input, 1, "c"));
      }
      for (const std::string& isa : instruction_sets()) {
        const std::vector<float> here = said(image, input, 3, isa);
        if (arithmetic == Arithmetic::kInt8)
          EXPECT_EQ(plain, here) << isa;
        else
          expect_close(plain, here, 1e-4);
      }
    }
  }
  EXPECT_GE(used, 2 * 3 * 3) << "layers of two kinds of blocks at least, in each arithmetic";
}

INSTANTIATE_TEST_SUITE_P(Each, PackedFormats, ::testing::ValuesIn(kFormats),
                         [](const auto& format) { return std::string(packed_format_name(format.param)); });

}  // namespace
}  // namespace coppice
