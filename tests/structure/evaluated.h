// SPDX-License-Identifier: Apache-2.0
// Networks as after a training, and what they say in an evaluation.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "exec/oracle.h"
#include "support/networks.h"

namespace coppice::testing {

// Running statistics, scales and biases as after a training, patterns as drawn.
inline Network trained_network(const Graph& graph, double density, BlockShape block = {}, uint64_t seed = 7) {
  Network net = network_of(graph, density, block, seed);
  Rng rng(seed, stream_id("test", "trained"));
  for (Param& param : net.params)
    if (!param.is_weight())
      for (float& x : param.value) x += 0.4f * rng.normal();
  for (Param& state : net.states)
    for (float& x : state.value) x = 0.3f + rng.uniform();
  return net;
}

inline std::vector<double> evaluated(Network& net) {
  OracleRun run;
  run.batch = 4;
  run.training = false;
  Rng rng(3, stream_id("test", "inputs"));
  const Graph& graph = net.graph;
  const auto numbers = [&run](const Value& value) { return run.batch * value.shape.elements(); };
  for (int64_t i = 0; i < numbers(graph.value(graph.input)); ++i) run.input.push_back(rng.normal());
  run.target.assign(static_cast<size_t>(numbers(graph.value(graph.target))), 1.0);
  auto values = run_oracle(graph, net, run);
  EXPECT_TRUE(values.ok()) << values.status().message();
  return values.ok() ? (*values)[static_cast<size_t>(graph.logits)].data : std::vector<double>();
}

inline void expect_close(const std::vector<double>& before, const std::vector<double>& after,
                         const std::string& what) {
  ASSERT_EQ(before.size(), after.size()) << what;
  double largest = 0;
  for (const double x : before) largest = std::max(largest, std::abs(x));
  for (size_t i = 0; i < before.size(); ++i)
    ASSERT_NEAR(before[i], after[i], 1e-5 * largest) << what << " [" << i << "]";
}

}  // namespace coppice::testing
