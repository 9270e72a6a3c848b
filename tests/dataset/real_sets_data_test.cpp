// SPDX-License-Identifier: Apache-2.0
// The sets that people use, against what is known of them.
#include <gtest/gtest.h>

#include <vector>

#include "dataset/dataset.h"
#include "io/npy.h"
#include "io/safetensors.h"
#include "support/data_dir.h"

namespace coppice {
namespace {

Result<Dataset> load(const std::string& name) {
  DatasetOptions options;
  options.directory = testing::data_dir();
  return load_dataset(Env::system(), name, options);
}

std::vector<int> per_class(const Samples& samples, int classes) {
  std::vector<int> count(static_cast<size_t>(classes));
  for (const int32_t label : samples.labels) ++count[static_cast<size_t>(label)];
  return count;
}

TEST(RealSets, FashionMnistIsWhole) {
  NEEDS_DATA("fashion-mnist");
  const auto data = load("fashion-mnist");
  ASSERT_TRUE(data.ok()) << data.status().message();
  EXPECT_EQ(data->features, (Features{1, 28, 28}));
  EXPECT_EQ(data->train.size(), 54000);
  EXPECT_EQ(data->validation.size(), 6000);
  EXPECT_EQ(data->test.size(), 10000);
  EXPECT_EQ(per_class(*data->train.samples, 10), std::vector<int>(10, 6000));
  EXPECT_EQ(per_class(*data->test.samples, 10), std::vector<int>(10, 1000));
  EXPECT_NEAR(data->normalisation.mean[0], 0.28604, 5e-6);
  EXPECT_NEAR(data->normalisation.stddev[0], 0.35302, 5e-6);
  EXPECT_EQ(data->classes.front(), "T-shirt/top");
}

TEST(RealSets, MnistIsWhole) {
  NEEDS_DATA("mnist");
  const auto data = load("mnist");
  ASSERT_TRUE(data.ok()) << data.status().message();
  EXPECT_EQ(data->train.size() + data->validation.size(), 60000);
  EXPECT_EQ(data->test.size(), 10000);
  EXPECT_NEAR(data->normalisation.mean[0], 0.1307, 5e-5);
  EXPECT_NEAR(data->normalisation.stddev[0], 0.3081, 5e-5);
}

TEST(RealSets, Cifar10HasItsMeansAndDeviations) {
  NEEDS_DATA("cifar10");
  const auto data = load("cifar10");
  ASSERT_TRUE(data.ok()) << data.status().message();
  EXPECT_EQ(per_class(*data->train.samples, 10), std::vector<int>(10, 5000));
  EXPECT_EQ(per_class(*data->test.samples, 10), std::vector<int>(10, 1000));
  const std::vector<double> mean{.49139968, .48215841, .44653091}, stddev{.24703223, .24348513, .26158784};
  for (size_t c = 0; c < 3; ++c) {
    EXPECT_NEAR(data->normalisation.mean[c], mean[c], 4e-8);
    EXPECT_NEAR(data->normalisation.stddev[c], stddev[c], 4e-8);
  }
  EXPECT_EQ(data->classes.front(), "airplane");
}

// Files that other tools wrote.
TEST(RealSets, ReadersTakeAPretrainedModelAndItsExamples) {
  NEEDS_DATA("models/resnet20-cifar10");
  const std::string folder = join_path(testing::data_dir(), "models/resnet20-cifar10");
  const auto model = SafetensorsFile::open(Env::system(), join_path(folder, "resnet20.safetensors"));
  ASSERT_TRUE(model.ok()) << model.status().message();
  int64_t weights = 0;
  for (const auto& [name, tensor] : model->tensors())
    if (tensor.shape.size() == 4) weights += static_cast<int64_t>(tensor.bytes() / 4);
  EXPECT_EQ(weights, 267696) << "the convolutions of ResNet-20";
  const auto input = read_npy(Env::system(), join_path(folder, "input.npy"));
  ASSERT_TRUE(input.ok()) << input.status().message();
  EXPECT_EQ(input->shape.size(), 4u);
  EXPECT_EQ(input->shape[1], 3);
}

}  // namespace
}  // namespace coppice
