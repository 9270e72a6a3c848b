// SPDX-License-Identifier: Apache-2.0
// What tests of passes share.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "base/rng.h"
#include "exec/oracle.h"
#include "graph/grad.h"
#include "graph/op.h"
#include "support/networks.h"

namespace coppice::testing {

inline int count(const Graph& graph, const std::string& op) {
  return static_cast<int>(std::count_if(graph.nodes().begin(), graph.nodes().end(),
                                        [&](const Node& node) { return op == node.op->name; }));
}

// Every value that both graphs compute is the same in double, and the graph after the pass verifies. Returns
// what the pass returns.
template <class Pass>
int expect_same_values(const Graph& plain, Pass pass) {
  Graph fused = plain;
  const int nodes = pass(fused);
  EXPECT_TRUE(verify(fused).ok()) << verify(fused).message();
  Graph forward = plain;
  Network net = Network::create(forward, {}, 3).take();
  OracleRun run;
  run.batch = 3;
  Rng rng(4, 0);
  for (int64_t i = 0; i < 3 * plain.value(plain.input).shape.elements(); ++i)
    run.input.push_back(rng.normal());
  run.target = {0, 2, 1};
  const std::vector<ReferenceArray> want = run_oracle(plain, net, run).take(),
                                    got = run_oracle(fused, net, run).take();
  for (const Node& node : fused.nodes())
    for (const ValueId out : node.outputs) {
      const auto v = static_cast<size_t>(out);
      if (v >= plain.values().size()) continue;  // new
      EXPECT_EQ(got[v].data.size(), want[v].data.size());
      for (size_t i = 0; i < got[v].data.size(); ++i)
        EXPECT_NEAR(got[v].data[i], want[v].data[i], 1e-12) << fused.value(out).name << " [" << i << "]";
    }
  return nodes;
}

inline Graph with_gradients(Graph graph) {
  EXPECT_TRUE(build_gradients(graph).ok());
  return graph;
}

}  // namespace coppice::testing
