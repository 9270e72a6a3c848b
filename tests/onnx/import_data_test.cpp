// SPDX-License-Identifier: Apache-2.0
// Every ONNX file of the shared data is imported and answers as ONNX Runtime does, or is refused by the names
// of the ops that are missing.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <vector>

#include "base/text.h"
#include "io/npy.h"
#include "onnx/import.h"
#include "support/answers.h"
#include "support/data_dir.h"
#include "support/ending.h"

namespace coppice {
namespace {

struct Case {
  const char* file;     // in models/
  const char* refused;  // what the sentence says; null: it is imported
  double close = 1e-4;  // times max(1, largest output)
};

constexpr Case kCases[] = {
    {"edge-cases/attention-1head/attention-1head_op14.onnx", "MatMul '/qkv.0/MatMul'"},
    {"edge-cases/attention-1head/attention-1head_op17.onnx", "MatMul '/qkv.2/MatMul'"},
    {"edge-cases/attention-4head/attention-4head_op14.onnx", "Split '"},
    {"edge-cases/attention-4head/attention-4head_op17.onnx", "Split '"},
    {"edge-cases/conv1d-dilated/conv1d-dilated_bn_op17.onnx", nullptr},
    {"edge-cases/conv1d-dilated/conv1d-dilated_op14.onnx", nullptr},
    {"edge-cases/dwsep-relu6/dwsep-relu6_bn_op17.onnx", nullptr},
    {"edge-cases/dwsep-relu6/dwsep-relu6_op14.onnx", nullptr},
    {"edge-cases/dwsep-relu6/dwsep-relu6_op9.onnx", nullptr},
    {"edge-cases/gpt-block/gpt-block_dynamic_time_op17.onnx", "input 'input'"},
    {"edge-cases/gpt-block/gpt-block_nofold_op17.onnx", "INT64"},
    {"edge-cases/gpt-block/gpt-block_op14.onnx", "INT64"},
    {"edge-cases/gpt-block/gpt-block_op17.onnx", "INT64"},
    {"edge-cases/layernorm-gelu-tanh/layernorm-gelu-tanh_op14.onnx", "Pow '"},
    {"edge-cases/layernorm-gelu-tanh/layernorm-gelu-tanh_op17.onnx", "LayerNormalization '"},
    {"edge-cases/layernorm-gelu/layernorm-gelu_op14.onnx", "Pow '"},
    {"edge-cases/layernorm-gelu/layernorm-gelu_op17.onnx", "LayerNormalization '"},
    {"edge-cases/lenet5/lenet5_op14.onnx", nullptr},
    {"edge-cases/lenet5/lenet5_op17.onnx", nullptr},
    {"edge-cases/lenet5/lenet5_op9.onnx", nullptr},
    {"edge-cases/mlp-batchnorm1d/mlp-batchnorm1d_bn_op17.onnx", nullptr},
    {"edge-cases/mlp-batchnorm1d/mlp-batchnorm1d_op14.onnx", nullptr},
    {"edge-cases/mlp-dropout-softmax/mlp-dropout-softmax_op14.onnx", nullptr},
    {"edge-cases/mlp-dropout-softmax/mlp-dropout-softmax_op17.onnx", nullptr},
    {"edge-cases/mlp-dropout-softmax/mlp-dropout-softmax_op17_dropout_kept.onnx", nullptr},
    {"edge-cases/mlp-dropout-softmax/mlp-dropout-softmax_op9_initializers_as_inputs.onnx", nullptr},
    {"edge-cases/resblock-gap/resblock-gap_bn_op17.onnx", nullptr},
    {"edge-cases/resblock-gap/resblock-gap_op14.onnx", nullptr},
    {"gpt2-tiny-shakespeare-hf/gpt2-tiny_op17.onnx", "INT64"},
    {"mlperf-ad-autoencoder/mlperf-ad-autoencoder.onnx", nullptr},
    {"mlperf-ic-resnet8/mlperf-ic-resnet8.onnx", nullptr},
    {"mlperf-kws-dscnn/mlperf-kws-dscnn.onnx", nullptr},
    {"mlperf-vww-mobilenetv1/mlperf-vww-mobilenetv1.onnx", nullptr},
    {"resnet20-cifar10/resnet20_bn_constfold_op17.onnx", nullptr},
    {"resnet20-cifar10/resnet20_bn_op17.onnx", nullptr},
    {"resnet20-cifar10/resnet20_folded_op14.onnx", nullptr},
    {"resnet56-cifar10/resnet56_bn_op17.onnx", nullptr},
    {"resnet56-cifar10/resnet56_folded_op14.onnx", nullptr},
};

std::vector<float> floats_of(const std::string& path) {
  const auto array = read_npy(Env::system(), path);
  EXPECT_TRUE(array.ok()) << array.status().message();
  return array.ok() ? array->values<float>().take() : std::vector<float>();
}

std::string folder_of(const std::string& path) { return path.substr(0, path.find_last_of('/')); }

class ImportData : public ::testing::TestWithParam<Case> {};

TEST_P(ImportData, AnswersAsItDidOrIsRefusedByName) {
  const Case& c = GetParam();
  const std::string file = std::string("models/") + c.file;
  NEEDS_DATA(file);
  const std::string path = join_path(testing::data_dir(), file);
  auto imported = import_onnx_file(Env::system(), path);
  if (c.refused != nullptr) {
    ASSERT_FALSE(imported.ok());
    EXPECT_NE(imported.status().message().find(c.refused), std::string::npos) << imported.status().message();
    EXPECT_EQ(imported.status().message().find(path), 0U);
    return;
  }
  ASSERT_TRUE(imported.ok()) << imported.status().message();
  const std::vector<float> input = floats_of(join_path(folder_of(path), "input.npy")),
                           wanted = floats_of(join_path(folder_of(path), "output.npy"));
  constexpr int kSamples = 3;
  std::vector<float> said = testing::answers(imported->network, input, kSamples);
  ASSERT_EQ(said.size(), wanted.size());
  const size_t width = wanted.size() / kSamples;
  testing::finish(imported->ending, said, width);
  double largest = 1, worst = 0;
  for (size_t i = 0; i < wanted.size(); ++i) {
    largest = std::max(largest, std::fabs(static_cast<double>(wanted[i])));
    worst = std::max(worst, std::fabs(static_cast<double>(wanted[i]) - static_cast<double>(said[i])));
  }
  RecordProperty("worst", shortest(worst));
  EXPECT_LE(worst, c.close * largest);
  for (size_t n = 0; n < kSamples; ++n) {
    const auto first = static_cast<std::ptrdiff_t>(n * width),
               last = static_cast<std::ptrdiff_t>((n + 1) * width);
    EXPECT_EQ(std::max_element(said.begin() + first, said.begin() + last) - said.begin(),
              std::max_element(wanted.begin() + first, wanted.begin() + last) - wanted.begin());
  }
}

INSTANTIATE_TEST_SUITE_P(Models, ImportData, ::testing::ValuesIn(kCases), [](const auto& of) {
  std::string name = std::string(of.param.file).substr(std::string(of.param.file).find_last_of('/') + 1);
  std::replace_if(
      name.begin(), name.end(), [](char c) { return std::isalnum(static_cast<unsigned char>(c)) == 0; }, '_');
  return name;
});

}  // namespace
}  // namespace coppice
