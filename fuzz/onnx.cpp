// SPDX-License-Identifier: Apache-2.0
// An ONNX file, up to a step of training where its network is small: what `coppice import` does, and then
// `coppice prune`.
#include "models/graph_json.h"
#include "onnx/import.h"
#include "support/step.h"
#include "support/target.h"

namespace coppice::fuzz {

bool fuzz_onnx(std::string_view input) {
  auto imported = import_onnx(input);
  if (!taken(imported.status())) return false;
  Network& network = imported->network;
  const std::string written = graph_to_json(network.graph);
  auto again = graph_from_json(written);
  require(again.ok() && graph_to_json(*again) == written, "the graph in a checkpoint is the one imported");
  if (!is_small(network.graph)) return true;
  run_a_step(network, false);
  run_a_step(network, true);
  return true;
}

}  // namespace coppice::fuzz
