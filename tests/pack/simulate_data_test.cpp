// SPDX-License-Identifier: Apache-2.0
// What 8-bit integers cost a trained network, on its own test samples.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "dataset/loader.h"
#include "onnx/import.h"
#include "pack/insert_fake_quantise.h"
#include "pack/simulate.h"
#include "structure/fold_batch_norm.h"
#include "support/answers.h"
#include "support/data_dir.h"

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

// Right answers among the first 1,000 test samples.
int right(Network& net, const Dataset& data) {
  const auto loader = loader_of(data, data.test);
  int count = 0;
  for (int b = 0; b < 10; ++b) {
    const Pictures pictures = next(*loader, data);
    const std::vector<float> said = testing::answers(net, pictures.numbers, kBatch);
    for (int n = 0; n < kBatch; ++n) {
      const auto row = said.begin() + n * data.outputs;
      count += std::max_element(row, row + data.outputs) - row == pictures.classes[static_cast<size_t>(n)];
    }
  }
  return count;
}

TEST(SimulateData, ResNet20LosesLittleInEightBits) {
  NEEDS_DATA("models/resnet20-cifar10");
  NEEDS_DATA("cifar10");
  DatasetOptions where;
  where.directory = testing::data_dir();
  Dataset data = load_dataset(Env::system(), "cifar10", where).take();
  data.normalisation = {{0.485f, 0.456f, 0.406f}, {0.229f, 0.224f, 0.225f}};
  const std::string file = join_path(testing::data_dir(), "models/resnet20-cifar10/resnet20_bn_op17.onnx");
  Network net = import_onnx_file(Env::system(), file).take().network;
  const int in_floats = right(net, data);
  EXPECT_GT(in_floats, 900);
  ASSERT_TRUE(fold_batch_norm(net).ok());
  EXPECT_EQ(right(net, data), in_floats);
  for (const RoundedWeight& weight : quantise_weights(net).take())
    EXPECT_LT(weight.mean_square, 0.02) << weight.name;
  const int rounded_weights = right(net, data);
  RecordProperty("in_floats", in_floats);
  RecordProperty("rounded_weights", rounded_weights);
  EXPECT_NEAR(rounded_weights, in_floats, 5);
  for (const auto& [method, name] :
       {std::pair(RangeMethod::kMinMax, "min_max"), std::pair(RangeMethod::kPercentile, "percentile"),
        std::pair(RangeMethod::kLeastSquares, "least_squares")}) {
    Network integers = import_onnx_file(Env::system(), file).take().network;
    ASSERT_TRUE(fold_batch_norm(integers).ok() && quantise_weights(integers).ok());
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
    const Ranges ranges = calibrate(integers, source, options).take();
    ASSERT_TRUE(insert_fake_quantise(integers, quantisations_of(integers.graph, ranges)).ok());
    const int all_rounded = right(integers, data);
    RecordProperty(name, all_rounded);
    EXPECT_NEAR(all_rounded, in_floats, 12) << name;
  }
}

}  // namespace
}  // namespace coppice
