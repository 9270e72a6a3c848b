// SPDX-License-Identifier: Apache-2.0
#include "pack/calibrate.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "coppice_image.h"
#include "exec/executor.h"
#include "graph/lowering.h"
#include "host/threads.h"

namespace coppice {
namespace {

// A value while samples run through the network.
struct Watched {
  ValueId id = kNoValue;
  coppice_extent extent{};
  coppice_tiled tiled{};
  Histogram histogram;
  bool finite = true;
};

// Calls f(numbers, how many) for all numbers of the valid samples, in one order; halos are left out.
template <class F>
void each_run(const Watched& value, int samples, F f) {
  const coppice_tiled& tiled = value.tiled;
  for (int first = 0; first < samples; first += tiled.width) {
    const int valid = std::min(samples - first, tiled.width);
    float* tile = tiled.base + first / tiled.width * tiled.tile_stride;
    for (int32_t c = 0; c < value.extent.channels; ++c)
      for (int32_t y = 0; y < value.extent.height; ++y) {
        const float* row = coppice_pixel_row(&tiled, tile, value.extent, c, y);
        const int64_t pixels = value.extent.width;
        if (valid == tiled.width)
          f(row, pixels * tiled.width);
        else
          for (int64_t x = 0; x < pixels; ++x) f(row + x * tiled.width, int64_t{valid});
      }
  }
}

void count(Watched& value, int samples) {
  float low = 0, high = 0;
  bool begun = false, finite = true;
  each_run(value, samples, [&](const float* x, int64_t numbers) {
    if (!begun) low = high = x[0];
    begun = true;
    for (int64_t i = 0; i < numbers; ++i) {
      low = x[i] < low ? x[i] : low;
      high = x[i] > high ? x[i] : high;
      finite &= x[i] - x[i] == 0.0f;
    }
  });
  value.finite = finite;
  if (!finite) return;
  value.histogram.include(low, high);
  each_run(value, samples, [&](const float* x, int64_t numbers) { value.histogram.add(x, numbers); });
}

class Calibrator {
 public:
  Calibrator(Network& network, const CalibrationOptions& options)
      : network_(network), options_(options), pool_(nullptr, coppice_pool_destroy) {
    for (const ValueId id : calibrated_values(network.graph))
      watched_.push_back({id, extent_of(network.graph.value(id).shape), {}, {}, true});
  }

  Status prepare() {
    if (!(options_.percentile > 50 && options_.percentile <= 100))
      return invalid("the percentile of a calibration must be above 50 and at most 100");
    ExecOptions exec;
    exec.batch = options_.batch;
    exec.threads = options_.threads;
    exec.training = false;
    exec.keep = calibrated_values(network_.graph);
    TRY_ASSIGN(executor_, Executor::create(network_, exec));
    pool_.reset(coppice_pool_create(options_.threads));
    if (!pool_) return {Code::kNoMemory, "the threads of the calibration cannot be started"};
    const int64_t width = executor_->input_width();
    x_ = Floats(static_cast<size_t>((options_.batch + width - 1) / width * width * numbers()));
    return {};
  }

  Status take(std::span<const float> samples) {
    const auto size = static_cast<size_t>(numbers());
    if (samples.size() % size != 0)
      return invalid("calibration: a sample is " + std::to_string(size) + " numbers, " +
                     std::to_string(samples.size()) + " are no whole samples");
    const size_t most = size * static_cast<size_t>(options_.batch);
    for (; !samples.empty(); samples = samples.subspan(std::min(most, samples.size())))
      TRY(run(samples.first(std::min(most, samples.size()))));
    return {};
  }

  Result<Ranges> ranges() {
    if (samples_ == 0) return invalid("calibration: there is no sample; give it at least one");
    std::vector<Range> found(watched_.size());
    for_each_value([&](size_t i) { found[i] = range_of(watched_[i].histogram); });
    Ranges out;
    for (size_t i = 0; i < found.size(); ++i) out[network_.graph.value(watched_[i].id).name] = found[i];
    return out;
  }

 private:
  int64_t numbers() const { return network_.graph.value(network_.graph.input).shape.elements(); }

  Range range_of(const Histogram& histogram) const {
    switch (options_.method) {
      case RangeMethod::kMinMax:
        return histogram.all();
      case RangeMethod::kPercentile:
        return histogram.percentile(options_.percentile);
      case RangeMethod::kLeastSquares:
        break;
    }
    return histogram.least_squares();
  }

  // At most a batch.
  Status run(std::span<const float> rows) {
    const int64_t size = numbers(), width = executor_->input_width();
    const auto samples = static_cast<int>(static_cast<int64_t>(rows.size()) / size);
    std::fill(x_.begin(), x_.end(), 0.0f);
    for (int64_t n = 0; n < samples; ++n)
      for (int64_t e = 0; e < size; ++e)
        x_[static_cast<size_t>((n / width * size + e) * width + n % width)] =
            rows[static_cast<size_t>(n * size + e)];
    TRY(executor_->evaluate({samples, x_.data(), nullptr}).status());
    for_each_value([&](size_t i) {
      Watched& value = watched_[i];
      value.tiled = executor_->view(value.id);
      if (value.tiled.base == nullptr) value.tiled.base = x_.data();  // the network's input
      count(value, samples);
    });
    for (const Watched& value : watched_)
      if (!value.finite)
        return {Code::kDiverged, "calibration: value '" + network_.graph.value(value.id).name +
                                     "' is NaN or infinite for one of samples " +
                                     std::to_string(samples_ + 1) + " to " +
                                     std::to_string(samples_ + samples) +
                                     "; look at these samples and at the weights before it"};
    samples_ += samples;
    return {};
  }

  // Values are independent of each other, so nothing depends on the threads.
  template <class F>
  void for_each_value(F f) {
    coppice_pool_par_for(
        pool_.get(), static_cast<int32_t>(watched_.size()),
        [](void* context, int32_t item, int32_t) { (*static_cast<F*>(context))(static_cast<size_t>(item)); },
        &f);
  }

  Network& network_;
  const CalibrationOptions options_;
  std::unique_ptr<Executor> executor_;
  std::unique_ptr<coppice_pool, void (*)(coppice_pool*)> pool_;
  Floats x_;  // a batch as the executor takes it
  std::vector<Watched> watched_;
  int64_t samples_ = 0;
};

}  // namespace

std::vector<ValueId> calibrated_values(const Graph& graph) {
  std::vector<ValueId> values{graph.input};
  for (const Node& node : graph.nodes())
    for (const ValueId out : node.outputs)
      if (graph.value(out).kind == ValueKind::kTiled && !graph.value(out).integer && out != graph.loss)
        values.push_back(out);
  return values;
}

Result<Ranges> calibrate(Network& network, const SampleSource& next, const CalibrationOptions& options) {
  Calibrator calibrator(network, options);
  TRY(calibrator.prepare());
  while (true) {
    TRY_ASSIGN(const std::span<const float> samples, next());
    if (samples.empty()) break;
    TRY(calibrator.take(samples));
  }
  return calibrator.ranges();
}

Result<Ranges> calibrate(Network& network, std::span<const float> samples,
                         const CalibrationOptions& options) {
  const SampleSource once = [&samples]() -> Result<std::span<const float>> {
    return std::exchange(samples, std::span<const float>());
  };
  return calibrate(network, once, options);
}

}  // namespace coppice
