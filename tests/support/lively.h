// SPDX-License-Identifier: Apache-2.0
// Networks in which no parameter is what a layer starts with, and samples for them.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "base/rng.h"
#include "support/networks.h"

namespace coppice::testing {

// Sparse, with biases, scales and running statistics of their own.
inline Network lively(const Graph& graph, const char* block = "1x1") {
  Network network = network_of(graph, 0.4, BlockShape::parse(block).take());
  Rng rng(7, stream_id("test", "lively"));
  for (std::vector<Param>* list : {&network.params, &network.states})
    for (Param& param : *list)
      if (!param.is_weight())
        for (float& value : param.value)
          value = param.name().ends_with("running_var") ? 0.5F + rng.uniform() : 0.3F * rng.normal();
  return network;
}

inline std::vector<float> random_input(const Graph& graph, int samples) {
  Rng rng(3, stream_id("test", "input"));
  std::vector<float> out(static_cast<size_t>(graph.value(graph.input).shape.elements() * samples));
  for (float& value : out) value = rng.normal();
  return out;
}

// Up to `close` times max(1, the largest of a).
inline void expect_close(const std::vector<float>& a, const std::vector<float>& b, double close) {
  ASSERT_EQ(a.size(), b.size());
  ASSERT_FALSE(a.empty());
  double most = 1;
  for (const float value : a) most = std::max(most, std::fabs(static_cast<double>(value)));
  for (size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], close * most) << i;
}

}  // namespace coppice::testing
