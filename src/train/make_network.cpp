// SPDX-License-Identifier: Apache-2.0
#include "train/make_network.h"

#include "models/graph_json.h"
#include "models/models.h"
#include "train/cost_table.h"
#include "train/evaluate.h"

namespace coppice {

int micro_batch(const Recipe& recipe) {
  return static_cast<int>(recipe.micro_batch > 0 ? recipe.micro_batch : recipe.batch);
}

Result<Network> make_network(Env& env, const Recipe& recipe, const Dataset& data, InitReport* init) {
  ModelInput input;
  input.channels = data.features.channels;
  input.height = data.features.height;
  input.width = data.features.width;
  input.outputs = data.outputs;
  input.task = data.task;
  if (recipe.label_smoothing > 0 && data.task != Task::kClasses)
    return invalid(std::string("label_smoothing: belongs to classes, the task is ") + task_name(data.task) +
                   "; leave it out");
  input.label_smoothing = recipe.label_smoothing;
  TRY_ASSIGN(Graph graph, is_graph_file(recipe.model) ? read_graph(env, recipe.model, input)
                                                      : make_model(recipe.model, input));
  if (!recipe.freeze.empty()) TRY(freeze(graph, recipe.freeze).within("freeze"));
  const SparsityConfig start = Sparsifier::initial(recipe.sparsify, recipe.sparsity);
  TRY(check_parameter_memory(graph, start, training_options(recipe)));
  TRY_ASSIGN(Network network, Network::create(std::move(graph), start, recipe.seed));
  TRY_ASSIGN(network.cost_table, find_cost_table(env, recipe.cost_table, recipe.isa));
  if (recipe.init.empty()) return network;
  TRY_ASSIGN(InitReport report, init_from_file(env, recipe.init, network, data.columns));
  if (init) *init = std::move(report);
  return network;
}

Result<SavedNetwork> network_of_file(Env& env, const std::string& file, const Recipe& recipe,
                                     const Dataset& data) {
  SavedNetwork saved;
  auto checkpoint = read_checkpoint(env, file);
  if (checkpoint.ok()) {
    saved.network = std::move(checkpoint->network);
    saved.preprocessing = std::move(checkpoint->info.preprocessing);
    return saved;
  }
  if (checkpoint.status().code() != Code::kInvalid) return checkpoint.status();
  Recipe dense = recipe;
  dense.sparsity = {};
  dense.sparsify = {};
  dense.freeze.clear();
  dense.init = file;
  TRY_ASSIGN(saved.network, make_network(env, dense, data, &saved.init));
  return saved;
}

ExecOptions training_options(const Recipe& recipe) {
  ExecOptions options;
  options.batch = micro_batch(recipe);
  options.threads = thread_count(recipe);
  options.isa = recipe.isa;
  options.optimizer = recipe.optimizer;
  options.clip_norm = recipe.clip;
  options.keep_gradients = options.batch < recipe.batch;
  options.memory_limit = recipe.memory;
  options.teacher_share = recipe.teacher.empty() ? 0 : recipe.teacher_share;
  options.temperature = recipe.temperature;
  return options;
}

}  // namespace coppice
