// SPDX-License-Identifier: Apache-2.0
// The runtime cross-built for 64-bit Arm, in an emulator: integers give the bits that they give here, floats
// nearly. Images of every op, and of layers in every format.
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "ops/ops.h"
#include "support/answers.h"
#include "support/lively.h"
#include "support/packed.h"
#include "support/temp_dir.h"

namespace coppice {
namespace {

using namespace testing;

constexpr int kSamples = 2;

struct Case {
  std::string name;
  bool integers;  // from the first step to the last
  std::vector<float> expected;
};

class Arm : public ::testing::Test {
 protected:
  void add(const std::string& name, const Network& network, const std::vector<float>& input,
           const PackOptions& options) {
    const PackedNetwork made = packed(network, options);
    const std::string number = folder_.file(std::to_string(cases_.size()));
    folder_.write(std::to_string(cases_.size()) + ".cpk", made.file);
    folder_.write(std::to_string(cases_.size()) + ".in",
                  {reinterpret_cast<const char*>(input.data()), input.size() * sizeof(float)});
    cases_.push_back({name, options.arithmetic == Arithmetic::kInt8 && made.float_steps.empty(),
                      said(image_of(made), input, 1, "c")});
  }
  void add_all(const std::string& name, Network& network) {
    const std::vector<float> input = random_input(network.graph, kSamples);
    PackOptions options = int8_options(network, input);
    for (const Arithmetic arithmetic : {Arithmetic::kFloat, Arithmetic::kWeights8, Arithmetic::kInt8}) {
      options.arithmetic = arithmetic;
      add(name + ", " + arithmetic_name(arithmetic), network, input, options);
    }
  }
  std::vector<float> answer(size_t number, const std::string& isa) {
    const std::string bytes = content(folder_.file(std::to_string(number) + "." + isa + ".out"));
    std::vector<float> floats(bytes.size() / sizeof(float));
    if (!floats.empty()) std::memcpy(floats.data(), bytes.data(), floats.size() * sizeof(float));
    return floats;
  }
  TempDir folder_;
  std::vector<Case> cases_;
};

TEST_F(Arm, SaysTheSame) {
#ifndef COPPICE_ARM_RUNNER
  GTEST_SKIP() << "needs gcc-aarch64-linux-gnu, libc6-dev-arm64-cross and qemu-user: scripts/setup --dev";
#else
  for (const OpDef* op : all_ops()) {
    if (!op->samples) continue;
    for (const Sample& sample : op->samples()) {
      Network network = lively(sample.graph);
      add_all(op->name + std::string(": ") + sample.name, network);
    }
  }
  for (const char* block : {"1x1", "16x1", "16x4"}) {
    Network network = lively(wide_net(), block);
    add_all(std::string("wide, ") + block, network);
  }
  // With dot products of bytes, and without.
  for (const char* cpu : {"max", "cortex-a53"}) {
    const std::string command =
        std::string(COPPICE_ARM_EMULATOR) + " -cpu " + cpu + " " + COPPICE_ARM_RUNNER + " " + folder_.path();
    ASSERT_EQ(std::system(command.c_str()), 0) << command;
    for (size_t i = 0; i < cases_.size(); ++i)
      for (const char* isa : {"c", "neon"}) {
        SCOPED_TRACE(cases_[i].name + ", " + cpu + ", " + isa);
        const std::vector<float> there = answer(i, isa);
        if (cases_[i].integers)
          EXPECT_EQ(there, cases_[i].expected);
        else
          expect_close(cases_[i].expected, there, 1e-4);
      }
  }
#endif
}

}  // namespace
}  // namespace coppice
