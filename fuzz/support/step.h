// SPDX-License-Identifier: Apache-2.0
// Where graphs and checkpoints end up once they are read: in an executor. Small ones only, so that a fuzzer
// gets through many.
#pragma once

#include "base/buffer.h"
#include "exec/executor.h"
#include "support/target.h"

namespace coppice::fuzz {

inline bool is_small(const Graph& graph) {
  constexpr int64_t kSmall = 1 << 14;
  int64_t elements = 0;
  for (const Value& value : graph.values()) {
    if (value.shape.elements() > kSmall) return false;
    elements += value.shape.elements();
  }
  return elements <= kSmall;
}

// A step of training, or an evaluation, on a batch of zeros.
inline void run_a_step(Network& network, bool training) {
  constexpr int kSamples = 3;
  ExecOptions options;
  options.batch = kSamples;
  options.training = training;
  options.memory_limit = 64 << 20;
  auto executor = Executor::create(network, options);
  if (!taken(executor.status())) return;
  const auto tiled = [](int64_t elements, int width) {
    return Floats(static_cast<size_t>((kSamples + width - 1) / width * elements * width));
  };
  const Graph& graph = network.graph;
  Floats x = tiled(graph.value(graph.input).shape.elements(), (*executor)->input_width());
  Floats target = tiled(graph.value(graph.target).shape.elements(), (*executor)->target_width());
  const BatchView batch{kSamples, x.data(), target.data()};
  (void)taken(training ? (*executor)->train_step({&batch, 1}, {}).status()
                       : (*executor)->evaluate(batch).status());
}

}  // namespace coppice::fuzz
