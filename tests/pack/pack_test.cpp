// SPDX-License-Identifier: Apache-2.0
// A packed network says what the network says: every op of the table by its own sample problems, in every
// block, on every instruction set and number of threads.
#include "pack/pack.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "host/kernels.h"
#include "ops/build.h"
#include "ops/ops.h"
#include "pack/image_file.h"
#include "structure/fold_batch_norm.h"
#include "support/answers.h"
#include "support/lively.h"

namespace coppice {
namespace {

using namespace testing;

constexpr int kSamples = 5;

PackedNetwork packed(const Network& network, const PackOptions& options = {}) {
  auto out = pack_network(network, options);
  EXPECT_TRUE(out.ok()) << out.status().message();
  return out.ok() ? out.take() : PackedNetwork();
}

PackedImage image_of(const PackedNetwork& network) {
  auto image = PackedImage::of(network.file, "test");
  EXPECT_TRUE(image.ok()) << image.status().message();
  return image.take();
}

// [samples][outputs]
std::vector<float> said(const PackedImage& image, const std::vector<float>& input, int threads = 1,
                        const std::string& isa = "") {
  auto session = PackedSession::create(image, threads, isa);
  EXPECT_TRUE(session.ok()) << session.status().message();
  const auto in = static_cast<size_t>(elements_of(image.input())),
             out = static_cast<size_t>(elements_of(image.output()));
  std::vector<float> all(input.size() / in * out);
  for (size_t s = 0; s < input.size() / in; ++s) session->run(&input[s * in], &all[s * out]);
  return all;
}

std::vector<std::string> instruction_sets() {
  std::vector<std::string> out;
  for (const char* isa : {"c", "avx2", "avx512", "neon"})
    if (coppice_host_kernels(isa)) out.emplace_back(isa);
  return out;
}

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

std::vector<const char*> ops_with_samples() {
  std::vector<const char*> out;
  for (const OpDef* op : all_ops())
    if (op->samples) out.push_back(op->name);
  return out;
}
INSTANTIATE_TEST_SUITE_P(All, PackOp, ::testing::ValuesIn(ops_with_samples()),
                         [](const auto& op) { return std::string(op.param); });

}  // namespace
}  // namespace coppice
