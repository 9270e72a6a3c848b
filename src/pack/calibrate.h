// SPDX-License-Identifier: Apache-2.0
// Where the activations of a network lie: what 8-bit integers have to represent.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "exec/network.h"
#include "pack/histogram.h"

namespace coppice {

enum class RangeMethod {
  kMinMax,        // everything that occurred
  kPercentile,    // without the outermost numbers
  kLeastSquares,  // what loses least, see Histogram
};

struct CalibrationOptions {
  RangeMethod method = RangeMethod::kLeastSquares;
  double percentile = 99.99;  // of kPercentile; above 50, at most 100
  int batch = 64;             // samples that run through the network together
  int threads = 1;
};

// By the name of the value.
using Ranges = std::map<std::string, Range>;

// The next samples, one after the other, [samples][numbers of one] (a Loader of width 1 gives them so), which
// stay valid until the next call; empty: there are no more.
using SampleSource = std::function<Result<std::span<const float>>()>;

// The values that get a range: the input and what nodes compute from it, without the loss.
std::vector<ValueId> calibrated_values(const Graph& graph);

// Evaluates the samples, and chooses a range for each of calibrated_values(). The parameters may be encoded
// by it. Memory: all activations of a batch, and 16 KiB for each value. The same bits for any number of
// threads and any way of cutting the samples into spans that are whole batches. Fails where there is no
// sample, and where a number is not finite, with the value's name.
Result<Ranges> calibrate(Network& network, const SampleSource& next, const CalibrationOptions& options);

// The same of samples that lie in memory.
Result<Ranges> calibrate(Network& network, std::span<const float> samples, const CalibrationOptions& options);

}  // namespace coppice
