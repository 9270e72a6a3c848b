// SPDX-License-Identifier: Apache-2.0
#include "train/structure.h"

#include <algorithm>
#include <filesystem>

#include "models/graph_json.h"
#include "structure/align.h"
#include "structure/channels.h"
#include "train/checkpoint_tensors.h"
#include "train/evaluate.h"
#include "train/trainer.h"

namespace coppice {
namespace {

constexpr char kOrigin[] = "defaults of prune";

// Keys that say which single weights live.
constexpr std::string_view kOfWeights[] = {"block",       "layer",        "distribution", "initial_density",
                                           "prune_begin", "prune_end",    "ranking",      "drop_fraction",
                                           "drop_decay",  "update_until", "update_every", "prune_curve"};

Status check_channels(const std::vector<Setting>& chosen) {
  for (const Setting& setting : chosen) {
    if (setting.key == "method" && setting.value != "magnitude")
      return invalid(setting.origin +
                     ": channels go by magnitude, all at once before the fine-tuning; leave it out, or take "
                     "`--structure weights`");
    if (std::find(std::begin(kOfWeights), std::end(kOfWeights), setting.key) != std::end(kOfWeights))
      return invalid(
          setting.origin +
          ": belongs to `--structure weights`; channels leave a smaller dense network and go all at "
          "once; leave it out");
  }
  return {};
}

Status write_values(Env& env, const std::string& path, const Network& network) {
  TensorSink sink;
  for (const std::vector<Param>* list : {&network.params, &network.states})
    for (const Param& param : *list) sink.add(param, false);
  return write_safetensors(env, path, sink.views(), {});
}

// The network that a recipe begins with, before it loses anything.
Result<Network> dense_network(Env& env, Recipe recipe) {
  recipe.sparsity = SparsityConfig();
  recipe.sparsify = SparsifyConfig();
  TRY_ASSIGN(const Dataset data, load_recipe_data(env, recipe, nullptr, {}));
  return make_network(env, recipe, data);
}

Status check_free(Env& env, const std::string& directory) {
  if (env.exists(join_path(directory, kLastFile)))
    return invalid(directory + ": holds a run already; choose another place with --out");
  return env.make_directories(directory);
}

// A recipe repeats its run from wherever somebody stands.
std::string full_path(const std::string& directory, const char* file) {
  return std::filesystem::absolute(join_path(directory, file)).lexically_normal().string();
}

// Label smoothing is an attribute of the loss in a graph of one's own.
void use_graph(Recipe& recipe, const std::string& path) {
  recipe.model = path;
  recipe.label_smoothing = 0;
}

}  // namespace

Result<Recipe> channels_recipe(const PruneSource& source, const std::vector<Setting>& chosen, bool finetune) {
  TRY(check_channels(chosen));
  // Checks what was chosen, and that a density is.
  TRY_ASSIGN(const Recipe asked, prune_recipe(source, chosen, finetune));
  if (asked.sparsity.density >= 1) return invalid("density: at 1 every channel stays; lower --density");
  std::vector<Setting> dense = chosen;
  dense.push_back({"method", "static", kOrigin});
  TRY_ASSIGN(Recipe recipe, prune_recipe(source, dense, finetune));
  recipe.sparsity = SparsityConfig();
  recipe.sparsify = SparsifyConfig();
  return recipe;
}

Result<CutRun> cut_into(Env& env, const PruneSource& source, const std::vector<Setting>& chosen,
                        bool finetune, const std::string& directory) {
  CutRun run;
  TRY_ASSIGN(run.original, channels_recipe(source, chosen, finetune));
  TRY_ASSIGN(const Recipe asked, prune_recipe(source, chosen, finetune));
  TRY_ASSIGN(const Network network, dense_network(env, run.original));
  auto cut = cut_channels(network, asked.sparsity.density);
  if (!cut.ok()) return cut.status().within(source.file);
  run.removed = cut->removed;
  run.all = cut->all;
  TRY(check_free(env, directory));
  const std::string graph = join_path(directory, kNetworkFile);
  TRY(write_atomic(env, graph, graph_to_lines(cut->network.graph) + "\n"));
  TRY(write_values(env, join_path(directory, kCutFile), cut->network));
  run.recipe = run.original;
  use_graph(run.recipe, graph);
  run.recipe.init = full_path(directory, kCutFile);
  return run;
}

Result<PermutedRun> permute_into(Env& env, const Recipe& recipe, const std::string& directory) {
  if (recipe.sparsity.block.rows == 1)
    return invalid("permute: puts units in order for blocks; choose them, such as --block 16x1");
  TRY_ASSIGN(const Network network, dense_network(env, recipe));
  TRY_ASSIGN(const std::vector<LayerChoice> choices, distribute(network.graph, recipe.sparsity));
  std::vector<bool> alone;
  alone.reserve(choices.size());
  for (const LayerChoice& choice : choices) alone.push_back(names_layer(recipe.sparsity, choice.weight));
  auto aligned = align_blocks(network, choices, alone, recipe.sparsify.schedule.ranking == Ranking::kNetwork);
  if (!aligned.ok()) return aligned.status().within(recipe.init);
  TRY(check_free(env, directory));
  TRY(write_values(env, join_path(directory, kPermutedFile), aligned->network));
  PermutedRun run{recipe, aligned->before, aligned->after};
  run.recipe.init = full_path(directory, kPermutedFile);
  return run;
}

Result<Recipe> rounded_into(Env& env, Checkpoint model, const Quantisations& quantisations, Recipe recipe,
                            const std::string& directory) {
  TRY(insert_fake_quantise(model.network, quantisations).status());
  TRY(check_free(env, directory));
  const std::string graph = join_path(directory, kNetworkFile), values = join_path(directory, kRoundedFile);
  TRY(write_atomic(env, graph, graph_to_lines(model.network.graph) + "\n"));
  use_graph(model.info.recipe, kNetworkFile);
  TRY(write_checkpoint(env, values, model.network, model.info, false));
  use_graph(recipe, graph);
  recipe.init = full_path(directory, kRoundedFile);
  return recipe;
}

Result<DeadUnits> remove_dead_from(Env& env, const std::string& directory) {
  const std::string best = join_path(directory, kBestFile);
  TRY_ASSIGN(Checkpoint checkpoint, read_checkpoint(env, best));
  TRY_ASSIGN(const DeadUnits dead, remove_dead(checkpoint.network));
  if (dead.removed == 0) return dead;
  // Beside the graph of the run, which may be one of its own.
  TRY(write_atomic(env, join_path(directory, kPrunedGraphFile),
                   graph_to_lines(checkpoint.network.graph) + "\n"));
  use_graph(checkpoint.info.recipe, kPrunedGraphFile);
  TRY(write_checkpoint(env, best, checkpoint.network, checkpoint.info, false));
  return dead;
}

}  // namespace coppice
