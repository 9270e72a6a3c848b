// SPDX-License-Identifier: Apache-2.0
#include "exec/layers.h"

#include <algorithm>

namespace coppice {
namespace {

constexpr std::string_view kWeight = ".weight";

// "conv1" and "conv1.weight" are of the layer conv1; "conv10" is not.
bool belongs(std::string_view word, std::string_view layer) {
  return word.starts_with(layer) && (word.size() == layer.size() || word[layer.size()] == '.');
}

}  // namespace

std::string LayerReport::name() const {
  return weight.ends_with(kWeight) ? weight.substr(0, weight.size() - kWeight.size()) : weight;
}

size_t layer_of_call(std::string_view call, const std::vector<std::string>& layers) {
  size_t found = layers.size();
  while (!call.empty()) {
    const std::string_view word = call.substr(0, call.find(' '));
    // The longest name wins: a layer "block" may hold a layer "block.conv".
    for (size_t i = 0; i < layers.size(); ++i)
      if (belongs(word, layers[i]) && (found == layers.size() || layers[i].size() > layers[found].size()))
        found = i;
    call.remove_prefix(std::min(word.size() + 1, call.size()));
  }
  return found;
}

NetworkReport report_network(const Network& network, const Executor& executor) {
  NetworkReport report;
  std::vector<std::string> names;
  for (const KernelChoice& kernel : executor.choices())
    for (const LayerChoice& layer : network.choices) {
      if (layer.weight != kernel.weight) continue;
      const Shape& shape = network.graph.value(network.graph.find(layer.weight)).shape;
      report.layers.push_back({layer.weight, shape.text(), layer.block.text(), kernel.format, kernel.live,
                               kernel.total, layer.reason, kernel.reason, 0});
      names.push_back(report.layers.back().name());
    }
  const CallTimes times = executor.call_times();
  report.timed_steps = times.steps;
  if (times.steps == 0) return report;
  for (size_t c = 0; c < times.seconds.size(); ++c) {
    const size_t layer = layer_of_call(executor.schedule().calls[c].name, names);
    (layer < names.size() ? report.layers[layer].seconds : report.other_seconds) +=
        times.seconds[c] / static_cast<double>(times.steps);
  }
  return report;
}

}  // namespace coppice
