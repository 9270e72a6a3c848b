// SPDX-License-Identifier: Apache-2.0
// What packing costs a trained network, on its own test samples.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "dataset/loader.h"
#include "onnx/import.h"
#include "structure/fold_batch_norm.h"
#include "support/answers.h"
#include "support/data_dir.h"
#include "support/packed.h"

namespace coppice {
namespace {

constexpr int kBatch = 100;

// The next samples, one after the other, and their classes.
struct Pictures {
  std::vector<float> numbers;
  std::vector<int> classes;
};
Pictures next(Loader& loader, const Dataset& data) {
  const Batch& batch = loader.next();
  const int64_t size = data.features.size();
  return {{batch.x, batch.x + batch.samples * size}, {batch.labels, batch.labels + batch.samples}};
}

std::unique_ptr<Loader> loader_of(const Dataset& data, const Split& split) {
  LoaderOptions options;
  options.batch = kBatch;
  options.width = 1;
  options.shuffle = false;
  return Loader::create(data, split, options).take();
}

// Right answers among the first 1,000 test samples. answer(numbers) -> what is said about kBatch of them.
template <class Answer>
int right(const Dataset& data, Answer answer) {
  const auto loader = loader_of(data, data.test);
  int count = 0;
  for (int b = 0; b < 10; ++b) {
    const Pictures pictures = next(*loader, data);
    const std::vector<float> said = answer(pictures.numbers);
    for (int n = 0; n < kBatch; ++n) {
      const auto row = said.begin() + n * data.outputs;
      count += std::max_element(row, row + data.outputs) - row == pictures.classes[static_cast<size_t>(n)];
    }
  }
  return count;
}

int right(const Dataset& data, const Network& network, const PackOptions& options) {
  const PackedImage image = testing::image_of(testing::packed(network, options));
  return right(data, [&image](const std::vector<float>& numbers) { return testing::said(image, numbers); });
}

// Of the first 300 training samples.
Ranges ranges_of(Network& network, const Dataset& data, RangeMethod method) {
  const auto loader = loader_of(data, data.train);
  int batches = 3;
  Pictures pictures;
  const SampleSource source = [&]() -> Result<std::span<const float>> {
    if (batches-- == 0) return std::span<const float>();
    pictures = next(*loader, data);
    return std::span<const float>(pictures.numbers);
  };
  CalibrationOptions options;
  options.method = method;
  options.batch = kBatch;
  return calibrate(network, source, options).take();
}

TEST(PackData, ResNet20LosesLittleInEightBits) {
  NEEDS_DATA("models/resnet20-cifar10");
  NEEDS_DATA("cifar10");
  DatasetOptions where;
  where.directory = testing::data_dir();
  Dataset data = load_dataset(Env::system(), "cifar10", where).take();
  data.normalisation = {{0.485f, 0.456f, 0.406f}, {0.229f, 0.224f, 0.225f}};
  const std::string file = join_path(testing::data_dir(), "models/resnet20-cifar10/resnet20_bn_op17.onnx");
  Network net = import_onnx_file(Env::system(), file).take().network;
  const int in_floats = right(
      data, [&net](const std::vector<float>& numbers) { return testing::answers(net, numbers, kBatch); });
  EXPECT_GT(in_floats, 900);
  ASSERT_TRUE(fold_batch_norm(net).ok());
  PackOptions options;
  EXPECT_EQ(right(data, net, options), in_floats);
  options.arithmetic = Arithmetic::kWeights8;
  EXPECT_NEAR(right(data, net, options), in_floats, 5);
  options.arithmetic = Arithmetic::kInt8;
  for (const RangeMethod method :
       {RangeMethod::kMinMax, RangeMethod::kPercentile, RangeMethod::kLeastSquares}) {
    options.ranges = ranges_of(net, data, method);
    EXPECT_NEAR(right(data, net, options), in_floats, 12) << static_cast<int>(method);
  }
}

}  // namespace
}  // namespace coppice
