// SPDX-License-Identifier: Apache-2.0
// Random batches, in the tile layout of the executor and flat for the oracle.
#pragma once

#include <cstdint>
#include <cstring>
#include <vector>

#include "base/buffer.h"
#include "base/rng.h"
#include "exec/executor.h"
#include "exec/oracle.h"

namespace coppice {

struct TestBatch {
  OracleRun oracle;
  Floats x, target, weights;
  BatchView view;
};

// poison: what fills the padding columns of x and of the weights; they must not change the result. weighted:
// samples count from 0.5 to 1.5 times.
inline TestBatch random_batch(const Graph& graph, const Executor& executor, int samples, uint64_t seed,
                              float poison = 0.0f, bool weighted = false) {
  TestBatch batch;
  Rng rng(seed, stream_id("test", "batch"));
  const Value &input = graph.value(graph.input), &target = graph.value(graph.target);
  const auto fill = [samples](const std::vector<double>& flat, int64_t elements, int width, float padding,
                              bool labels) {
    const int tiles = (samples + width - 1) / width;
    Floats out(static_cast<size_t>(tiles * elements * width));
    for (float& x : out) x = padding;
    for (int64_t n = 0; n < samples; ++n)
      for (int64_t e = 0; e < elements; ++e) {
        const auto at = static_cast<size_t>((n / width * elements + e) * width + n % width);
        const double value = flat[static_cast<size_t>(n * elements + e)];
        if (labels) {
          const auto label = static_cast<int32_t>(value);
          std::memcpy(&out[at], &label, sizeof label);
        } else {
          out[at] = static_cast<float>(value);
        }
      }
    return out;
  };
  batch.oracle.batch = samples;
  batch.oracle.seed = seed;
  for (int64_t i = 0; i < samples * input.shape.elements(); ++i) batch.oracle.input.push_back(rng.normal());
  const int64_t classes = graph.value(graph.logits).shape.elements();
  for (int64_t i = 0; i < samples * target.shape.elements(); ++i)
    batch.oracle.target.push_back(target.integer
                                      ? static_cast<double>(rng.below(static_cast<uint64_t>(classes)))
                                      : static_cast<double>(rng.below(2)));
  batch.x = fill(batch.oracle.input, input.shape.elements(), executor.input_width(), poison, false);
  batch.target =
      fill(batch.oracle.target, target.shape.elements(), executor.target_width(), 0.0f, target.integer);
  batch.view = {samples, batch.x.data(), batch.target.data()};
  if (!weighted) return batch;
  for (int n = 0; n < samples; ++n) batch.oracle.sample_weights.push_back(0.5 + rng.uniform_double());
  batch.weights = fill(batch.oracle.sample_weights, 1, executor.target_width(), poison, false);
  batch.view.weights = batch.weights.data();
  return batch;
}

// A tiled value as [samples][elements].
inline std::vector<float> untile(const coppice_tiled& value, int64_t elements, int samples) {
  std::vector<float> out;
  for (int64_t n = 0; n < samples; ++n)
    for (int64_t e = 0; e < elements; ++e)
      out.push_back(value.base[n / value.width * value.tile_stride + e * value.width + n % value.width]);
  return out;
}

}  // namespace coppice
