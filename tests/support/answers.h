// SPDX-License-Identifier: Apache-2.0
// What a network says about samples.
#pragma once

#include <gtest/gtest.h>

#include <vector>

#include "support/batch.h"

namespace coppice::testing {

// input [samples][numbers of a sample] -> logits, [samples][outputs].
inline std::vector<float> answers(Network& network, const std::vector<float>& input, int samples) {
  ExecOptions options;
  options.batch = samples;
  options.training = false;
  auto executor = Executor::create(network, options);
  EXPECT_TRUE(executor.ok()) << executor.status().message();
  if (!executor.ok()) return {};
  const int width = (*executor)->input_width();
  const auto elements = static_cast<int64_t>(input.size()) / samples;
  const int tiles = (samples + width - 1) / width;
  Floats x(static_cast<size_t>(tiles * elements * width));
  for (int64_t n = 0; n < samples; ++n)
    for (int64_t e = 0; e < elements; ++e)
      x[static_cast<size_t>((n / width * elements + e) * width + n % width)] =
          input[static_cast<size_t>(n * elements + e)];
  const auto loss = (*executor)->evaluate({samples, x.data(), nullptr});
  EXPECT_TRUE(loss.ok()) << loss.status().message();
  const ValueId logits = network.graph.logits;
  return untile((*executor)->view(logits), network.graph.value(logits).shape.elements(), samples);
}

}  // namespace coppice::testing
