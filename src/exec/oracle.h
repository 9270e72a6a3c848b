// SPDX-License-Identifier: Apache-2.0
// The truth: a graph evaluated in double, node by node, by the ops' naive references. Slow, small and
// obvious.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "exec/network.h"
#include "graph/op.h"

namespace coppice {

struct OracleRun {
  int64_t batch = 1;
  bool training = true;
  bool smooth = false;  // ops without a slope give what their gradient is that of (OpDef::smooth)
  uint64_t seed = 0, step = 0;
  std::vector<double> input;           // [batch][features]
  std::vector<double> target;          // [batch] labels or [batch][outputs]
  std::vector<double> sample_weights;  // [batch], or empty: all 1
  // Values (by name) that take the place of a parameter's own, as for finite differences, or of what a node
  // computes; dense, PyTorch's order.
  std::map<std::string, std::vector<double>> replace;
};

// The weights of a parameter as a dense array, 0 where the pattern has none.
std::vector<double> dense_values(const Param& param, const Floats& array);

// All values of the graph, by id; values that the run does not define are empty. Fails where an op has no
// reference.
Result<std::vector<ReferenceArray>> run_oracle(const Graph& graph, Network& network, const OracleRun& run);

// Mean of the loss over the batch.
double oracle_loss(const Graph& graph, const std::vector<ReferenceArray>& values);

}  // namespace coppice
