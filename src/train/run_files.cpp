// SPDX-License-Identifier: Apache-2.0
#include "train/run_files.h"

#include "models/graph_json.h"
#include "models/models.h"
#include "train/cost_table.h"
#include "train/trainer.h"

namespace coppice {

Status keep_cost_table(Env& env, const std::string& directory, const Network& network, Recipe& recipe) {
  recipe.cost_table = kShippedCostTable;
  if (network.cost_table.same_rates(shipped_cost_table())) return {};
  recipe.cost_table = kCostTableFile;
  return write_cost_table(env, join_path(directory, kCostTableFile), network.cost_table);
}

Status keep_graph(Env& env, const std::string& directory, const Network& network, Recipe& recipe) {
  if (!is_graph_file(recipe.model)) return {};
  recipe.model = kNetworkFile;
  return write_atomic(env, join_path(directory, kNetworkFile), graph_to_lines(network.graph) + "\n");
}

}  // namespace coppice
