// SPDX-License-Identifier: Apache-2.0
// What each layer of a network is, how it runs, and what it took: for people and for records.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "exec/executor.h"
#include "exec/network.h"

namespace coppice {

struct LayerReport {
  std::string weight;  // "layer1.0.conv1.weight"
  std::string shape, block, format;
  int64_t live = 0, total = 0;          // weights
  std::string pattern_why, format_why;  // a sentence each
  double seconds = 0;        // of processors, in a step: forward, gradients and optimizer; see timed_steps
  std::string name() const;  // "layer1.0.conv1"
  double density() const { return static_cast<double>(live) / static_cast<double>(total); }
};

struct NetworkReport {
  std::vector<LayerReport> layers;  // those with weights, in the order of the graph
  double other_seconds = 0;         // of all other calls in a step: norms, activations, sums, loss
  int64_t timed_steps = 0;          // that the seconds are the mean of; 0: nobody measured them
};

NetworkReport report_network(const Network& network, const Executor& executor);

// The one of `layers` ("conv1", "fc2") that a call works for; layers.size() if none. Calls are named after
// nodes and parameters: "d conv1 both", "update conv1.weight".
size_t layer_of_call(std::string_view call, const std::vector<std::string>& layers);

}  // namespace coppice
