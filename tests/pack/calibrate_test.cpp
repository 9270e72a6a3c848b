// SPDX-License-Identifier: Apache-2.0
#include "pack/calibrate.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "exec/oracle.h"
#include "models/models.h"
#include "ops/build.h"
#include "support/networks.h"

namespace coppice {
namespace {

CalibrationOptions by(RangeMethod method, int threads = 1, int batch = 64) {
  CalibrationOptions options;
  options.method = method;
  options.threads = threads;
  options.batch = batch;
  return options;
}

std::vector<float> normal_numbers(size_t count) {
  Rng rng(2, stream_id("test", "calibrate"));
  std::vector<float> out(count);
  for (float& x : out) x = rng.normal();
  return out;
}

// fc(x) = (x0 - x1, 2 x1), relu, and once more.
Network tiny() {
  Network net = testing::network_of(testing::mlp({2, 2, 2}), 1.0);
  const auto set = [&net](const char* name, std::vector<float> values) {
    Param& param = *net.find(name);
    param.set_canonical(param.value, values);
  };
  set("fc1.weight", {1, -1, 0, 2});
  set("fc1.bias", {0, 0});
  set("fc2.weight", {1, 0, 0, -1});
  set("fc2.bias", {0.5f, 0});
  return net;
}

TEST(Calibrate, RangesByHand) {
  Network net = tiny();
  const std::vector<float> samples = {1, 2, 4, 0.5f, 0, 3};
  const Ranges ranges = calibrate(net, samples, by(RangeMethod::kMinMax)).take();
  ASSERT_EQ(ranges.size(), 4U);
  EXPECT_EQ(ranges.at("input"), (Range{0, 4}));
  EXPECT_EQ(ranges.at("fc1"), (Range{-3, 6}));
  EXPECT_EQ(ranges.at("relu1"), (Range{0, 6}));
  EXPECT_EQ(ranges.at("fc2"), (Range{-6, 4}));
}

// The oracle's numbers, of every value, with halos, short tiles and several batches.
TEST(Calibrate, CountsValidSamplesOnly) {
  for (const char* model : {"resnet8", "lenet5"}) {
    Network net = testing::network_of(make_model(model, {1, 28, 28, 10}).take(), 0.5);
    Rng rng(2, stream_id("test", "calibrate"));
    OracleRun run;
    run.batch = 21;
    run.training = false;
    std::vector<float> samples;
    for (int64_t i = 0; i < run.batch * 28 * 28; ++i) samples.push_back(1.0f + rng.uniform());
    run.input.assign(samples.begin(), samples.end());
    run.target.assign(static_cast<size_t>(run.batch), 0.0);
    const std::vector<ReferenceArray> values = run_oracle(net.graph, net, run).take();
    const Ranges ranges = calibrate(net, samples, by(RangeMethod::kMinMax, 2, 18)).take();
    const std::vector<ValueId> ids = calibrated_values(net.graph);
    EXPECT_EQ(ids.size(), ranges.size());
    for (const ValueId id : ids) {
      const std::vector<double>& data = values[static_cast<size_t>(id)].data;
      const std::string& name = net.graph.value(id).name;
      const double low = std::min(0.0, *std::min_element(data.begin(), data.end())),
                   high = std::max(0.0, *std::max_element(data.begin(), data.end()));
      EXPECT_NEAR(ranges.at(name).low, low, 1e-5 * (high - low)) << name;
      EXPECT_NEAR(ranges.at(name).high, high, 1e-5 * (high - low)) << name;
    }
  }
}

TEST(Calibrate, TheSameForAnyNumberOfThreads) {
  Network net = testing::network_of(testing::conv_net(true), 0.5);
  const std::vector<float> samples = normal_numbers(70 * 2 * 8 * 8);
  for (const RangeMethod method :
       {RangeMethod::kMinMax, RangeMethod::kPercentile, RangeMethod::kLeastSquares}) {
    const Ranges one = calibrate(net, samples, by(method)).take();
    EXPECT_EQ(one, calibrate(net, samples, by(method, 3)).take());
    // In parts, as a loader gives them.
    size_t at = 0;
    const SampleSource parts = [&]() -> Result<std::span<const float>> {
      const size_t begin = std::min(at, samples.size());
      at = std::min(begin + 64 * 128, samples.size());
      return std::span<const float>(samples).subspan(begin, at - begin);
    };
    EXPECT_EQ(one, calibrate(net, parts, by(method, 2)).take());
  }
}

TEST(Calibrate, NarrowerMethodsLieWithinWhatOccurred) {
  Network net = testing::network_of(testing::conv_net(false), 1.0);
  std::vector<float> samples = normal_numbers(100 * 2 * 8 * 8);
  samples[7] = 30;
  const Ranges all = calibrate(net, samples, by(RangeMethod::kMinMax)).take();
  for (const RangeMethod method : {RangeMethod::kPercentile, RangeMethod::kLeastSquares}) {
    const Ranges some = calibrate(net, samples, by(method)).take();
    EXPECT_LT(some.at("input").high, 29.9f);
    for (const auto& [name, range] : some) {
      EXPECT_GE(range.low, all.at(name).low) << name;
      EXPECT_LE(range.high, all.at(name).high) << name;
      EXPECT_LT(range.low, range.high) << name;
    }
  }
}

TEST(Calibrate, ConstantsGetARangeThatWorks) {
  Network net = tiny();
  for (Param& param : net.params)
    for (float& x : param.value) x = 0;
  net.find("fc2.bias")->value[1] = -3;
  const std::vector<float> samples = {1, 1, 1, 1};
  for (const RangeMethod method :
       {RangeMethod::kMinMax, RangeMethod::kPercentile, RangeMethod::kLeastSquares}) {
    const Ranges ranges = calibrate(net, samples, by(method)).take();
    EXPECT_EQ(ranges.at("input"), (Range{0, 1}));
    EXPECT_EQ(ranges.at("fc1"), (Range{0, 0}));
    EXPECT_EQ(quantisation_of(ranges.at("fc1")).scale, 1.0f);
    EXPECT_EQ(ranges.at("fc2"), (Range{-3, 0}));
  }
}

TEST(Calibrate, RefusesWhatHasNoRange) {
  const CalibrationOptions options = by(RangeMethod::kMinMax);
  const auto said = [&options](Network net, const std::vector<float>& samples) {
    return calibrate(net, samples, options).status().message();
  };
  EXPECT_EQ(said(tiny(), {}), "calibration: there is no sample; give it at least one");
  EXPECT_EQ(said(tiny(), {1, 2, 3}), "calibration: a sample is 2 numbers, 3 are no whole samples");
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(
      said(tiny(), {1, 2, 3, nan}),
      "calibration: value 'input' is NaN or infinite for one of samples 1 to 2; look at these samples and "
      "at the weights before it");
  Network infinite = tiny();
  infinite.find("fc2.bias")->value[0] = std::numeric_limits<float>::infinity();
  EXPECT_NE(said(std::move(infinite), {1, 2}).find("value 'fc2' is NaN or infinite"), std::string::npos);
  Network net = tiny();
  CalibrationOptions half = by(RangeMethod::kPercentile);
  half.percentile = 50;
  EXPECT_EQ(calibrate(net, std::vector<float>{1, 2}, half).status().message(),
            "the percentile of a calibration must be above 50 and at most 100");
}

}  // namespace
}  // namespace coppice
