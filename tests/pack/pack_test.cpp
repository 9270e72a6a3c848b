// SPDX-License-Identifier: Apache-2.0
// A packed network says what the network says: every op of the table by its own sample problems, in every
// block, on every instruction set and number of threads.
#include "pack/pack.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "ops/build.h"
#include "ops/ops.h"
#include "pack/packer.h"
#include "structure/fold_batch_norm.h"
#include "support/answers.h"
#include "support/lively.h"
#include "support/packed.h"

namespace coppice {
namespace {

using namespace testing;

constexpr int kSamples = 5;

class PackOp : public ::testing::TestWithParam<const char*> {};

TEST_P(PackOp, SaysTheSame) {
  for (const Sample& sample : find_op(GetParam())->samples()) {
    SCOPED_TRACE(std::string(GetParam()) + ": " + sample.name);
    for (const char* block : {"1x1", "4x1"}) {
      Network network = lively(sample.graph, block);
      const std::vector<float> input = random_input(sample.graph, kSamples);
      const auto expected = answers(network, input, kSamples);
      const PackedImage image = image_of(packed(network));
      const std::vector<float> plain = said(image, input, 1, "c");
      expect_close(expected, plain, 1e-4);
      for (const std::string& isa : instruction_sets()) {
        const std::vector<float> alone = said(image, input, 1, isa);
        expect_close(plain, alone, 1e-4);
        EXPECT_EQ(alone, said(image, input, 3, isa)) << isa;
      }
    }
  }
}

// 8 bits are close, and the same bits wherever they are computed: sums of integers have no order.
TEST_P(PackOp, SaysNearlyTheSameInIntegers) {
  for (const Sample& sample : find_op(GetParam())->samples()) {
    SCOPED_TRACE(std::string(GetParam()) + ": " + sample.name);
    Network network = lively(sample.graph);
    const std::vector<float> input = random_input(sample.graph, kSamples);
    const auto expected = answers(network, input, kSamples);
    const PackedImage image = image_of(packed(network, int8_options(network, input)));
    const std::vector<float> plain = said(image, input, 1, "c");
    expect_close(expected, plain, 0.25);
    if (packed(network, int8_options(network, input)).float_steps.empty()) {
      for (const std::string& isa : instruction_sets())
        for (const int threads : {1, 3}) EXPECT_EQ(plain, said(image, input, threads, isa)) << isa;
    }
  }
}

TEST_P(PackOp, SaysNearlyTheSameWithSmallWeights) {
  for (const Sample& sample : find_op(GetParam())->samples()) {
    SCOPED_TRACE(std::string(GetParam()) + ": " + sample.name);
    Network network = lively(sample.graph);
    const std::vector<float> input = random_input(sample.graph, kSamples);
    const auto expected = answers(network, input, kSamples);
    PackOptions options;
    options.arithmetic = Arithmetic::kWeights8;
    options.goal = PackGoal::kSize;
    const PackedImage image = image_of(packed(network, options));
    for (const std::string& isa : instruction_sets())
      expect_close(expected, said(image, input, 1, isa), 0.05);
  }
}

std::vector<const char*> ops_with_samples() {
  std::vector<const char*> out;
  for (const OpDef* op : all_ops())
    if (op->samples) out.push_back(op->name);
  return out;
}
INSTANTIATE_TEST_SUITE_P(All, PackOp, ::testing::ValuesIn(ops_with_samples()),
                         [](const auto& op) { return std::string(op.param); });

class PackFormat : public ::testing::TestWithParam<const char*> {};

TEST_P(PackFormat, SaysTheSameInEveryArithmetic) {
  constexpr int kFew = 2;
  Network network = lively(wide_net(), GetParam());
  const std::vector<float> input = random_input(network.graph, kFew);
  const auto expected = answers(network, input, kFew);
  ASSERT_TRUE(fold_batch_norm(network).ok());
  for (const PackGoal goal : {PackGoal::kLatency, PackGoal::kSize})
    for (const Arithmetic arithmetic : {Arithmetic::kFloat, Arithmetic::kWeights8, Arithmetic::kInt8}) {
      SCOPED_TRACE(arithmetic_name(arithmetic));
      PackOptions options = int8_options(network, input);
      options.arithmetic = arithmetic;
      options.goal = goal;
      const PackedNetwork made = packed(network, options);
      EXPECT_TRUE(made.float_steps.empty());
      const PackedImage image = image_of(made);
      const std::vector<float> plain = said(image, input, 1, "c");
      expect_close(expected, plain, arithmetic == Arithmetic::kFloat ? 1e-4 : 0.1);
      for (const std::string& isa : instruction_sets())
        for (const int threads : {1, 2, 7}) {
          const std::vector<float> here = said(image, input, threads, isa);
          if (arithmetic == Arithmetic::kInt8)
            EXPECT_EQ(plain, here) << isa;
          else
            expect_close(plain, here, 1e-4);
          EXPECT_EQ(here, said(image, input, 1, isa)) << isa << ", " << threads << " threads";
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Blocks, PackFormat, ::testing::Values("1x1", "4x1", "16x1", "16x4"),
                         [](const auto& block) { return std::string("Of") + block.param; });

// What this machine has under one name; COPPICE_ISA knows the best of them only.
std::vector<const coppice_kernel_table*> tables() {
  std::vector<const coppice_kernel_table*> out{&coppice_kernels_c};
  for (const std::string& isa : instruction_sets()) out.push_back(coppice_host_kernels(isa.c_str()));
#if defined(COPPICE_HAVE_SIMD) && defined(__x86_64__)
  if (coppice_host_kernels("avx512") != nullptr)
    out.insert(out.end(), {&coppice_kernels_avx512_no_vbmi, &coppice_kernels_avx512_no_vnni});
#endif
  return out;
}

std::vector<float> said_by(const coppice_kernel_table* table, const PackedImage& image,
                           const std::vector<float>& input) {
  coppice_options options{};
  options.kernels = table;
  options.threads = 1;
  Bytes memory(coppice_session_bytes(&image.view(), &options));
  coppice_session* session = coppice_session_create(&image.view(), &options, memory.data(), memory.size());
  const auto in = static_cast<size_t>(elements_of(image.input())),
             out = static_cast<size_t>(elements_of(image.output()));
  std::vector<float> all(input.size() / in * out);
  for (size_t s = 0; s < input.size() / in; ++s) {
    const void* inputs[] = {&input[s * in]};
    void* outputs[] = {&all[s * out]};
    coppice_run(session, inputs, outputs);
  }
  return all;
}

// Rows of several lengths, weights 0, gaps that one byte does not span, more rows than are sorted.
TEST(Pack, SingleWeightsOfLinearLayersSayTheSameEverywhere) {
  for (const auto& [cols, rows, density] : {std::tuple{1030, 37, 0.1},
                                            {700, 64, 0.003},
                                            {256, 16, 0.5},
                                            {33, 5, 0.9},
                                            {257, 100, 0.03},
                                            {9, 8201, 0.3}}) {
    Network network = network_of(mlp({cols, rows, 3}), density);
    Param& weight = *network.find("fc1.weight");
    std::vector<float> values = weight.canonical(weight.value);
    for (size_t i = 0; i < values.size(); i += 5) values[i] = 0;
    weight.set_canonical(weight.value, values);
    const std::vector<float> input = random_input(network.graph, 4);
    for (const Arithmetic arithmetic : {Arithmetic::kFloat, Arithmetic::kWeights8, Arithmetic::kInt8}) {
      PackOptions options = int8_options(network, input);
      options.arithmetic = arithmetic;
      const PackedImage image = image_of(packed(network, options));
      const std::vector<float> plain = said(image, input, 1, "c");
      for (const coppice_kernel_table* table : tables()) {
        SCOPED_TRACE(std::string(table->isa) + ", " + arithmetic_name(arithmetic) + ", " +
                     std::to_string(rows) + " x " + std::to_string(cols));
        if (arithmetic == Arithmetic::kInt8)
          EXPECT_EQ(plain, said_by(table, image, input));
        else
          expect_close(plain, said_by(table, image, input), 1e-4);
      }
      for (const std::string& isa : instruction_sets())
        for (const int threads : {2, 7})
          EXPECT_EQ(said(image, input, 1, isa), said(image, input, threads, isa)) << isa;
    }
  }
}

// Samples at once: 16 and 3 after each other are 48 of each kind.
void expect_tiles_say_the_same(const Network& network, PackOptions options, const std::vector<float>& input) {
  options.batches = {3, 16};
  const PackedImage image = image_of(packed(network, options));
  ASSERT_EQ(image.batches(), (std::vector<int32_t>{1, 3, 16}));
  for (const std::string& isa : instruction_sets()) {
    const std::vector<float> alone = said(image, input, 1, isa);
    for (const int32_t batch : options.batches) {
      SCOPED_TRACE(isa + ", " + std::to_string(batch) + " at once");
      const std::vector<float> together = said(image, input, 1, isa, batch);
      if (options.arithmetic == Arithmetic::kInt8)
        EXPECT_EQ(alone, together);
      else
        expect_close(alone, together, 1e-5);
      for (const int threads : {2, 7}) EXPECT_EQ(together, said(image, input, threads, isa, batch));
    }
  }
}

class PackTiles : public ::testing::TestWithParam<const char*> {};

TEST_P(PackTiles, SayTheSameAsSampleBySample) {
  for (const Graph& graph : {mlp({70, 96, 40, 5}), mlp({3, 2})}) {
    Network network = lively(graph, GetParam());
    const std::vector<float> input = random_input(network.graph, 48);
    for (const PackGoal goal : {PackGoal::kLatency, PackGoal::kSize})
      for (const Arithmetic arithmetic : {Arithmetic::kFloat, Arithmetic::kWeights8, Arithmetic::kInt8}) {
        SCOPED_TRACE(arithmetic_name(arithmetic));
        PackOptions options = int8_options(network, input);
        options.arithmetic = arithmetic;
        options.goal = goal;
        expect_tiles_say_the_same(network, options, input);
      }
  }
}

INSTANTIATE_TEST_SUITE_P(Blocks, PackTiles, ::testing::Values("1x1", "4x1", "16x1", "16x4"),
                         [](const auto& block) { return std::string("Of") + block.param; });

// Every op by its own sample problems: it can, or it says why not.
TEST(PackTiles, OpsSayTheSameOrRefuse) {
  int tiled = 0, refused = 0;
  for (const OpDef* op : all_ops()) {
    if (!op->samples) continue;
    for (const Sample& sample : op->samples()) {
      SCOPED_TRACE(std::string(op->name) + ": " + sample.name);
      Network network = lively(sample.graph);
      const std::vector<float> input = random_input(sample.graph, 48);
      for (const bool integers : {false, true}) {
        PackOptions options = int8_options(network, input);
        if (!integers) options.arithmetic = Arithmetic::kFloat;
        options.batches = {16};
        const auto made = pack_network(network, options);
        if (made.ok()) {
          ++tiled;
          // Between layers of integers some ops compute in floats, whose last bits may round the other way.
          if (!integers || made->float_steps.empty()) expect_tiles_say_the_same(network, options, input);
        } else {
          ++refused;
          EXPECT_EQ(made.status().code(), Code::kUnsupported);
          EXPECT_EQ(made.status().message().find("--batch: '"), 0U) << made.status().message();
        }
      }
    }
  }
  EXPECT_GT(tiled, 20);
  EXPECT_GT(refused, 20);
}

TEST(PackTiles, OnesThatItWasNotPackedForAreRefused) {
  const Network network = lively(mlp({8, 5}));
  const PackedImage image = image_of(packed(network, {.batches = {16}}));
  EXPECT_EQ(PackedSession::create(image, {.batch = 4}).status().message(),
            "--batch: it runs 1, 16 at once, not 4; pack it with --batch 4");
  const auto pictures = pack_network(lively(conv_net(false)), {.batches = {16}});
  ASSERT_FALSE(pictures.ok());
  EXPECT_EQ(pictures.status().message(),
            "--batch: 'conv1' works on pictures, whose pixels fill vectors already; leave it out: samples "
            "then run one after the other");
}

TEST(Pack, ChoosesAFormatForEachLayer) {
  Network network = lively(wide_net(), "16x4");
  std::map<std::string, std::string> formats;
  for (const PackedStep& step : packed(network).steps)
    if (!step.weight.empty()) formats[step.name] = step.format;
  // 16x4 wants linear layers and windows of one pixel; depthwise rows read channels of their own. Of the last
  // layer two weights of five live: the full pattern is faster.
  EXPECT_EQ(formats, (std::map<std::string, std::string>{{"conv1", "blocks 16x1"},
                                                         {"conv2", "blocks 16x1"},
                                                         {"conv3", "blocks 16x4"},
                                                         {"conv4", "deltas"},
                                                         {"conv5", "blocks 16x4"},
                                                         {"fc1", "blocks 16x4"},
                                                         {"fc2", "dense"}}));
}

TEST(Pack, RowsWhoseSumsMayNotFitAreRefused) {
  const Pattern pattern = Pattern::full(1, 65536);
  std::vector<float> weights(65536, 1.0F);
  weights[0] = 0.5001F;  // so that 1 becomes 127
  LayerWeights layer{.pattern = pattern, .values = weights, .bias = {}};
  layer.group_rows = 1;
  layer.integers = true;
  layer.x = Quantisation{1.0F, -128};
  DataSection data;
  EXPECT_TRUE(encode_layer(layer, PackGoal::kLatency, shipped_packed_rates("avx512"), data).ok());
  const std::vector<float> bias{4.2e6F};  // in units of 1 / 127
  layer.bias = bias;
  const auto refused = encode_layer(layer, PackGoal::kLatency, shipped_packed_rates("avx512"), data);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.status().message(),
            "row 0 has 65536 weights, whose sum might not fit 32 bits; pack it with weights alone in 8 bits");
}

TEST(Pack, NumbersThatAreNotFiniteAreRefused) {
  for (const char* name : {"fc1.weight", "fc2.bias"}) {
    Network network = lively(mlp({8, 5, 3}));
    network.find(name)->value[0] = std::numeric_limits<float>::quiet_NaN();
    const auto refused = pack_network(network, {});
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.status().message(), std::string("cannot be packed: '") + name[0] + name[1] + name[2] +
                                              "' (linear): has a weight or bias that is NaN or infinite");
  }
}

TEST(Pack, SumsOfIntegersNeedScalesThatMeet) {
  const auto sum = pack::integer_sum({0.5F, 3}, {0.25F, -7}, {0.125F, 5});
  ASSERT_TRUE(sum.ok());
  // (a - 3) * 4 + (b + 7) * 2 + 5
  for (int a = -128; a < 128; a += 17)
    for (int b = -128; b < 128; b += 13)
      EXPECT_EQ((a * sum->multiplier_a + b * sum->multiplier_b + sum->offset) >> sum->shift,
                (a - 3) * 4 + (b + 7) * 2 + 5);
  EXPECT_FALSE(pack::integer_sum({1e6F, 0}, {1.0F, 0}, {1.0F, 0}).ok());
}

}  // namespace
}  // namespace coppice
