// SPDX-License-Identifier: Apache-2.0
// An image is what it says, or it is refused: whatever its bytes are, nothing outside them is read or
// written, and a run takes no memory.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "base/rng.h"
#include "ops/ops.h"
#include "pack/image_file.h"
#include "support/count_allocations.h"
#include "support/cpk_bytes.h"
#include "support/lively.h"
#include "support/packed.h"

namespace coppice {
namespace {

using namespace testing;

constexpr int64_t kLimit = int64_t{1} << 24;

// Of a convolution, a pool and a linear layer.
PackedNetwork small(Arithmetic arithmetic) {
  Network network = lively(conv_net(false));
  PackOptions options = int8_options(network, random_input(network.graph, 3));
  options.arithmetic = arithmetic;
  return packed(network, options);
}

// Of all of its plans.
std::vector<float> answer_of(const PackedImage& image) {
  std::vector<float> answers;
  for (const int32_t batch : image.batches()) {
    std::vector<float> input(static_cast<size_t>(elements_of(image.input()) * batch));
    for (size_t i = 0; i < input.size(); ++i) input[i] = 0.01F * static_cast<float>(i % 100);
    std::vector<float> output(static_cast<size_t>(elements_of(image.output()) * batch));
    auto session = PackedSession::create(image, {.batch = batch, .limit = kLimit});
    if (session.ok()) session->run(input.data(), output.data());
    answers.insert(answers.end(), output.begin(), output.end());
  }
  return answers;
}

// Of two linear layers, for single samples and for four at once.
PackedNetwork small_tiles(Arithmetic arithmetic) {
  Network network = lively(mlp({9, 6, 3}));
  PackOptions options = int8_options(network, random_input(network.graph, 3));
  options.arithmetic = arithmetic;
  options.batches = {4};
  return packed(network, options);
}

TEST(PackedFile, EveryFlippedByteIsRefusedOrChangesNothing) {
  for (const PackedNetwork& network : {small(Arithmetic::kFloat), small(Arithmetic::kInt8),
                                       small_tiles(Arithmetic::kFloat), small_tiles(Arithmetic::kInt8)}) {
    const std::vector<float> expected = answer_of(image_of(network));
    size_t harmless = 0;
    for (size_t at = 0; at < network.file.size(); ++at)
      for (const int bits : {0x01, 0x80, 0xff}) {
        std::string file = network.file;
        file[at] = static_cast<char>(file[at] ^ bits);
        const auto image = PackedImage::of(file, "flipped");
        if (!image.ok()) {
          EXPECT_EQ(image.status().message().find("flipped: "), 0U);
          continue;
        }
        ++harmless;
        EXPECT_EQ(answer_of(*image), expected) << at;
      }
    EXPECT_LT(harmless, network.file.size() / 4) << "only what fills up sections may change";
  }
}

TEST(PackedFile, EveryTruncationIsRefused) {
  const PackedNetwork network = small(Arithmetic::kInt8);
  for (size_t size = 0; size < network.file.size(); ++size)
    EXPECT_FALSE(PackedImage::of(std::string_view(network.file).substr(0, size), "short").ok()) << size;
  EXPECT_FALSE(PackedImage::of(network.file + std::string(8, '\0'), "long").ok());
}

TEST(PackedFile, RefusalsSayWhatIsWrong) {
  const PackedNetwork network = small(Arithmetic::kFloat);
  const auto why = [](const std::string& file) { return PackedImage::of(file, "x").status().message(); };
  EXPECT_EQ(why("hello"), "x: this is not a packed network (.cpk)");
  std::string newer = network.file;
  newer[8] = 2;
  EXPECT_EQ(why(newer), "x: another version of the format than this program reads");
  std::string damaged = network.file;
  damaged[damaged.size() - 1] ^= 1;
  EXPECT_EQ(why(damaged), "x: section 4: the checksum says that the file was damaged");
  EXPECT_EQ(PackedImage::of(newer, "x").status().code(), Code::kUnsupported);
}

// Of all ops, with numbers that make sense somewhere: what gets through runs inside its memory (ASan sees).
TEST(PackedFile, LiesBehindRightChecksumsDoNoHarm) {
  Rng rng(1, stream_id("test", "lies"));
  constexpr int64_t kNumbers[] = {0,     1,     -1,        2,         7,       255, 256,
                                  65535, 65536, INT32_MAX, INT32_MIN, 1 << 24, 3,   16};
  int taken = 0, refused = 0;
  for (const OpDef* op : all_ops()) {
    if (!op->samples) continue;
    for (const Sample& sample : op->samples()) {
      Network network = lively(sample.graph);
      for (const bool integers : {false, true}) {
        PackOptions options = int8_options(network, random_input(network.graph, 2));
        if (!integers) options.arithmetic = Arithmetic::kFloat;
        options.batches = {2};
        if (!pack_network(network, options).ok()) options.batches.clear();
        const std::string file = packed(network, options).file;
        for (int lie = 0; lie < 60; ++lie) {
          std::string changed = file;
          for (uint32_t n = 0; n <= rng.below(3); ++n) {
            const size_t at = 32 + rng.below(static_cast<uint32_t>(file.size() - 32 - 8)) / 4 * 4;
            const auto number = static_cast<int32_t>(kNumbers[rng.below(std::size(kNumbers))]);
            std::memcpy(changed.data() + at, &number, sizeof number);
          }
          put_checksums_right(changed);
          const auto image = PackedImage::of(changed, "lie");
          image.ok() ? ++taken : ++refused;
          if (image.ok()) (void)answer_of(*image);
        }
      }
    }
  }
  EXPECT_GT(taken, 100);
  EXPECT_GT(refused, 100);
}

TEST(PackedFile, PlansThatDoNotBelongTogetherAreRefused) {
  const PackedNetwork network = small_tiles(Arithmetic::kFloat);
  const PackedImage image = image_of(network);
  const auto why = [&](const auto& change) {
    std::string file = network.file;
    const auto at = [&](const void* part) {
      return file.data() + (static_cast<const unsigned char*>(part) - image.view().bytes);
    };
    coppice_cpk_plan plans[2];
    std::memcpy(plans, at(image.view().plans), sizeof plans);
    coppice_cpk_value input;
    char* place = at(image.view().values - image.view().plan->value_begin + plans[1].value_begin);
    std::memcpy(&input, place, sizeof input);
    change(plans, input);
    std::memcpy(place, &input, sizeof input);
    std::memcpy(at(image.view().plans), plans, sizeof plans);
    put_checksums_right(file);
    return PackedImage::of(file, "x").status().message();
  };
  const std::string order = "x: plan 1: plans do not begin with single samples, or are not in order",
                    samples = "x: plan 1: what goes in and out are not samples as in the first";
  EXPECT_EQ(why([](coppice_cpk_plan*, coppice_cpk_value&) {}), "");
  EXPECT_EQ(why([](coppice_cpk_plan* plans, coppice_cpk_value&) { plans[1].width = 1; }), order);
  EXPECT_EQ(why([](coppice_cpk_plan* plans, coppice_cpk_value&) { plans[1].width = 1025; }), order);
  EXPECT_EQ(why([](coppice_cpk_plan* plans, coppice_cpk_value&) { plans[1].width = 5; }), samples);
  EXPECT_EQ(why([](coppice_cpk_plan*, coppice_cpk_value& input) { input.scale = 2; }), samples);
  EXPECT_EQ(why([](coppice_cpk_plan*, coppice_cpk_value& input) { std::swap(input.channels, input.width); }),
            samples);
  EXPECT_EQ(why([](coppice_cpk_plan*, coppice_cpk_value& input) { input.kind = COPPICE_CPK_STATE; }),
            "x: plan 1: its inputs and outputs are not numbered in order");
}

// Of the first linear layer of an int8 image: dense rows, whose biases lie behind weights and starts.
TEST(PackedFile, SumsThatMayNotFitAreRefused) {
  Network network = network_of(mlp({8, 5, 3}), 1.0);
  PackOptions options = int8_options(network, random_input(network.graph, 3));
  options.goal = PackGoal::kSize;
  PackedNetwork packed_network = packed(network, options);
  const PackedImage whole = image_of(packed_network);
  const auto* step = std::find_if(whole.view().steps, whole.view().steps + whole.view().steps_total,
                                  [](const coppice_cpk_step& s) { return s.op == COPPICE_CPK_LINEAR; });
  ASSERT_EQ(step->weights, COPPICE_CPK_ROWS);
  const auto data = static_cast<size_t>(whole.view().data - whole.view().bytes);
  const size_t bias = data + step->data * size_t{4} + (step->entries + 3) / 4 * 4 + (5 + 1) * 4;
  const auto with_bias = [&](int32_t value) {
    std::string file = packed_network.file;
    std::memcpy(file.data() + bias, &value, sizeof value);
    put_checksums_right(file);
    return PackedImage::of(file, "x").status();
  };
  EXPECT_TRUE(with_bias(INT32_MAX - 8 * 128 * 128).ok());
  EXPECT_EQ(with_bias(INT32_MAX - 8 * 128 * 128 + 1).message(), "x: step 1: a row's sum may not fit 32 bits");
  EXPECT_FALSE(with_bias(INT32_MIN).ok());
}

// What a session makes of single weights has room for each column once.
TEST(PackedFile, ColumnsOfARowComeOnce) {
  const Network network = network_of(mlp({40, 20, 3}), 0.3);
  const PackedNetwork made = packed(network);
  const PackedImage image = image_of(made);
  const coppice_cpk_step& step = image.view().steps[0];
  ASSERT_EQ(step.weights, COPPICE_CPK_ROWS);
  ASSERT_EQ(step.flags & COPPICE_CPK_BIAS, COPPICE_CPK_BIAS);
  const auto data = static_cast<size_t>(image.view().data - image.view().bytes) + step.data * size_t{4};
  const size_t start = data + step.entries * size_t{4}, delta = start + (20 + 1 + 20) * 4;
  uint32_t second;
  std::memcpy(&second, made.file.data() + start + 4, sizeof second);
  ASSERT_GT(second, 1U) << "the first row has two weights";
  std::string file = made.file;
  file[delta + 1] = 0;
  put_checksums_right(file);
  EXPECT_EQ(PackedImage::of(file, "x").status().message(), "x: step 0: a row names a column twice");
}

TEST(PackedFile, ClaimsOfMemoryAreRefused) {
  PackedNetwork network = small(Arithmetic::kFloat);
  auto* words = reinterpret_cast<char*>(network.file.data());
  coppice_cpk_section plans;
  std::memcpy(&plans, words + sizeof(coppice_cpk_header), sizeof plans);
  coppice_cpk_plan plan;
  std::memcpy(&plan, words + plans.offset, sizeof plan);
  plan.arena_bytes = uint64_t{1} << 37;
  std::memcpy(words + plans.offset, &plan, sizeof plan);
  put_checksums_right(network.file);
  const PackedImage image = image_of(network);
  const auto session = PackedSession::create(image);
  ASSERT_FALSE(session.ok());
  EXPECT_EQ(session.status().code(), Code::kNoMemory);
  EXPECT_EQ(session.status().message(), "running it takes 131072 MiB, more than the limit of 8192 MiB");
}

TEST(PackedRun, AllocatesNothing) {
  for (const Arithmetic arithmetic : {Arithmetic::kFloat, Arithmetic::kInt8})
    for (const int threads : {1, 2}) {
      const PackedNetwork network = small(arithmetic);
      const PackedImage image = image_of(network);
      const auto session = PackedSession::create(image, {.threads = threads});
      ASSERT_TRUE(session.ok());
      std::vector<float> input(static_cast<size_t>(elements_of(image.input())), 0.5F),
          output(static_cast<size_t>(elements_of(image.output())));
      const int64_t before = allocations;
      for (int i = 0; i < 100; ++i) session->run(input.data(), output.data());
      EXPECT_EQ(allocations, before);
    }
}

TEST(PackedRun, SessionsSayWhatTheyNeed) {
  const PackedNetwork network = small(Arithmetic::kInt8);
  const PackedImage image = image_of(network);
  coppice_options options{};
  options.kernels = coppice_host_kernels("c");
  options.threads = 1;
  const size_t bytes = coppice_session_bytes(&image.view(), &options);
  Bytes memory(bytes + 64);
  auto* begin = static_cast<char*>(memory.data());
  EXPECT_NE(coppice_session_create(&image.view(), &options, begin, bytes), nullptr);
  EXPECT_EQ(coppice_session_create(&image.view(), &options, begin, bytes - 1), nullptr);
  EXPECT_EQ(coppice_session_create(&image.view(), &options, begin + 4, bytes), nullptr);
  options.threads = 2;  // and nobody to run them
  EXPECT_EQ(coppice_session_bytes(&image.view(), &options), 0U);
  EXPECT_EQ(coppice_session_create(&image.view(), &options, begin, bytes), nullptr);
}

// Denormal numbers count as 0, on one thread as on several.
TEST(PackedRun, DenormalNumbersCountTheSameOnAnyNumberOfThreads) {
  Network network = lively(mlp({1024, 512, 3}));
  for (float& weight : network.find("fc1.weight")->value) weight *= 1e-38F;
  for (float& bias : network.find("fc1.bias")->value) bias = 0;
  for (float& weight : network.find("fc2.weight")->value) weight *= 1e38F;
  const PackedImage image = image_of(packed(network));
  const std::vector<float> input = random_input(network.graph, 4);
  for (const std::string& isa : instruction_sets())
    EXPECT_EQ(said(image, input, 1, isa), said(image, input, 3, isa)) << isa;
}

// Steps one by one are the run.
TEST(PackedRun, StepsAloneAreTheWhole) {
  const PackedImage image = image_of(small(Arithmetic::kInt8));
  const auto session = PackedSession::create(image);
  ASSERT_TRUE(session.ok());
  std::vector<float> input(static_cast<size_t>(elements_of(image.input())), 0.25F),
      whole(static_cast<size_t>(elements_of(image.output()))), steps(whole.size());
  session->run(input.data(), whole.data());
  for (int32_t s = 0; s < image.view().steps_total; ++s) session->run_step(s, input.data(), steps.data());
  EXPECT_EQ(whole, steps);
}

}  // namespace
}  // namespace coppice
