// SPDX-License-Identifier: Apache-2.0
// Trained networks from ONNX files answer the same without batch norm.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "io/npy.h"
#include "onnx/import.h"
#include "structure/fold_batch_norm.h"
#include "support/answers.h"
#include "support/data_dir.h"

namespace coppice {
namespace {

std::vector<float> floats_of(const std::string& folder, const char* file) {
  return read_npy(Env::system(), join_path(folder, file)).take().values<float>().take();
}

void check(const std::string& folder, const char* file, size_t norms) {
  NEEDS_DATA("models/" + folder);
  const std::string path = join_path(testing::data_dir(), "models/" + folder);
  Network net = import_onnx_file(Env::system(), join_path(path, file)).take().network;
  const std::vector<float> input = floats_of(path, "input.npy"), wanted = floats_of(path, "output.npy");
  const int samples = static_cast<int>(static_cast<int64_t>(input.size()) /
                                       net.graph.value(net.graph.input).shape.elements());
  const std::vector<float> before = testing::answers(net, input, samples);
  const auto report = fold_batch_norm(net).take();
  EXPECT_EQ(report.size(), norms);
  for (const FoldedNorm& norm : report) EXPECT_EQ(norm.why, "") << norm.name;
  const std::vector<float> after = testing::answers(net, input, samples);
  ASSERT_EQ(after.size(), wanted.size());
  float largest = 0;
  for (const float x : wanted) largest = std::max(largest, std::abs(x));
  for (size_t i = 0; i < wanted.size(); ++i) {
    EXPECT_NEAR(after[i], before[i], 1e-5f * largest) << i;
    EXPECT_NEAR(after[i], wanted[i], 2e-5f * largest) << i;
  }
}

TEST(FoldBatchNormData, ResNet20) { check("resnet20-cifar10", "resnet20_bn_op17.onnx", 19); }
TEST(FoldBatchNormData, ResNet56) { check("resnet56-cifar10", "resnet56_bn_op17.onnx", 55); }

}  // namespace
}  // namespace coppice
