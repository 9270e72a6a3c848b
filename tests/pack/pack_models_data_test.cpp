// SPDX-License-Identifier: Apache-2.0
// Every MLP and CNN of the shared data, imported and packed, before the answers that ONNX Runtime gave to the
// ONNX file (the output.npy beside it; mlperf: a computation of its own, which ONNX Runtime confirms).
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "base/text.h"
#include "io/npy.h"
#include "onnx/import.h"
#include "structure/dead.h"
#include "support/data_dir.h"
#include "support/ending.h"
#include "support/rounded.h"

namespace coppice {
namespace {

using namespace testing;

constexpr const char* kModels[] = {
    "edge-cases/conv1d-dilated/conv1d-dilated_bn_op17.onnx",
    "edge-cases/conv1d-dilated/conv1d-dilated_op14.onnx",
    "edge-cases/dwsep-relu6/dwsep-relu6_bn_op17.onnx",
    "edge-cases/dwsep-relu6/dwsep-relu6_op14.onnx",
    "edge-cases/dwsep-relu6/dwsep-relu6_op9.onnx",
    "edge-cases/lenet5/lenet5_op14.onnx",
    "edge-cases/lenet5/lenet5_op17.onnx",
    "edge-cases/lenet5/lenet5_op9.onnx",
    "edge-cases/mlp-batchnorm1d/mlp-batchnorm1d_bn_op17.onnx",
    "edge-cases/mlp-batchnorm1d/mlp-batchnorm1d_op14.onnx",
    "edge-cases/mlp-dropout-softmax/mlp-dropout-softmax_op14.onnx",
    "edge-cases/mlp-dropout-softmax/mlp-dropout-softmax_op17.onnx",
    "edge-cases/mlp-dropout-softmax/mlp-dropout-softmax_op17_dropout_kept.onnx",
    "edge-cases/mlp-dropout-softmax/mlp-dropout-softmax_op9_initializers_as_inputs.onnx",
    "edge-cases/resblock-gap/resblock-gap_bn_op17.onnx",
    "edge-cases/resblock-gap/resblock-gap_op14.onnx",
    "mlperf-ad-autoencoder/mlperf-ad-autoencoder.onnx",
    "mlperf-ic-resnet8/mlperf-ic-resnet8.onnx",
    "mlperf-kws-dscnn/mlperf-kws-dscnn.onnx",
    "mlperf-vww-mobilenetv1/mlperf-vww-mobilenetv1.onnx",
    "resnet20-cifar10/resnet20_bn_constfold_op17.onnx",
    "resnet20-cifar10/resnet20_bn_op17.onnx",
    "resnet20-cifar10/resnet20_folded_op14.onnx",
    "resnet56-cifar10/resnet56_bn_op17.onnx",
};
constexpr size_t kSamples = 3;

std::vector<float> floats_of(const std::string& path) {
  const auto array = read_npy(Env::system(), path);
  EXPECT_TRUE(array.ok()) << array.status().message();
  return array.ok() ? array->values<float>().take() : std::vector<float>();
}

// The largest difference, as a part of max(1, the largest number wanted).
double difference(const std::vector<float>& said, const std::vector<float>& wanted) {
  double largest = 1, worst = 0;
  for (size_t i = 0; i < wanted.size(); ++i) {
    largest = std::max(largest, std::fabs(static_cast<double>(wanted[i])));
    worst = std::max(worst, std::fabs(static_cast<double>(wanted[i]) - static_cast<double>(said[i])));
  }
  return worst / largest;
}

std::vector<int64_t> classes(const std::vector<float>& rows) {
  const auto width = static_cast<std::ptrdiff_t>(rows.size() / kSamples);
  std::vector<int64_t> out;
  for (auto row = rows.begin(); row != rows.end(); row += width)
    out.push_back(std::max_element(row, row + width) - row);
  return out;
}

class PackModelsData : public ::testing::TestWithParam<const char*> {};

TEST_P(PackModelsData, SayWhatOnnxRuntimeSays) {
  const std::string file = std::string("models/") + GetParam();
  NEEDS_DATA(file);
  const std::string path = join_path(data_dir(), file), folder = path.substr(0, path.find_last_of('/'));
  auto imported = import_onnx_file(Env::system(), path);
  ASSERT_TRUE(imported.ok()) << imported.status().message();
  Network& network = imported->network;
  const std::vector<float> input = floats_of(join_path(folder, "input.npy")),
                           wanted = floats_of(join_path(folder, "output.npy"));
  simplify(network);
  ASSERT_TRUE(remove_dead(network).ok());
  PackOptions options;
  // Integers know the ranges of three samples: they are near, no more is asked.
  constexpr double kClose = 1e-4, kNear = 0.2;
  for (const Arithmetic arithmetic : {Arithmetic::kFloat, Arithmetic::kWeights8, Arithmetic::kInt8}) {
    if (arithmetic == Arithmetic::kInt8) options = int8_options(network, input);
    options.arithmetic = arithmetic;
    std::vector<float> answers = said(image_of(packed(network, options)), input);
    ASSERT_EQ(answers.size(), wanted.size());
    finish(imported->ending, answers, answers.size() / kSamples);
    const double worst = difference(answers, wanted);
    RecordProperty(arithmetic_name(arithmetic), shortest(worst));
    EXPECT_LE(worst, arithmetic == Arithmetic::kFloat ? kClose : kNear);
    if (arithmetic == Arithmetic::kFloat) {
      EXPECT_EQ(classes(answers), classes(wanted));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, PackModelsData, ::testing::ValuesIn(kModels), [](const auto& of) {
  std::string name = std::string(of.param).substr(std::string(of.param).find_last_of('/') + 1);
  std::replace_if(
      name.begin(), name.end(), [](char c) { return std::isalnum(static_cast<unsigned char>(c)) == 0; }, '_');
  return name;
});

}  // namespace
}  // namespace coppice
