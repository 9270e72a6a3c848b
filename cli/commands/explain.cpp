// SPDX-License-Identifier: Apache-2.0
#include <memory>

#include "base/text.h"
#include "command.h"
#include "exec/layers.h"
#include "graph/op.h"
#include "load_data.h"
#include "models/graph_json.h"
#include "packed.h"
#include "recipe_flags.h"
#include "run_directory.h"
#include "terminal.h"
#include "train/trainer.h"
#include "tuning.h"

namespace coppice::cli {
namespace {

constexpr char kName[] = "explain";

struct ExplainArguments {
  std::string subject;  // a recipe file or a run
  bool calls = false, graph = false;
  RecipeFlags flags;
};

struct Subject {
  Recipe recipe;
  Network network;
};

bool is_recipe(const std::string& path) { return path.size() > 5 && path.substr(path.size() - 5) == ".toml"; }

bool is_run(const ExplainArguments& arguments) {
  return !arguments.subject.empty() && !is_recipe(arguments.subject);
}

Result<Subject> subject_of(Env& env, const ExplainArguments& arguments) {
  if (is_run(arguments)) {
    // An imported network has one state, the best.
    const bool last = env.exists(join_path(arguments.subject, kLastFile));
    TRY_ASSIGN(const std::string path, checkpoint_path(env, arguments.subject, last ? kLastFile : kBestFile));
    TRY_ASSIGN(Checkpoint run, read_checkpoint(env, path));
    TRY_ASSIGN(run.info.recipe, recipe_of_run(run.info.recipe, arguments.flags));
    return Subject{run.info.recipe, std::move(run.network)};
  }
  TRY_ASSIGN(Recipe recipe, recipe_from(env, arguments.subject, arguments.flags));
  TRY_ASSIGN(const Dataset data, load_data(env, recipe, nullptr));
  TRY_ASSIGN(Network network, make_network(env, recipe, data));
  return Subject{std::move(recipe), std::move(network)};
}

void say_layers(const Network& network, const Executor& executor) {
  const std::vector<LayerReport> layers = report_network(network, executor).layers;
  Table table({"weight", "shape", "live", "of", "density", "block", "format"});
  table.left({0, 1, 6});
  for (const LayerReport& layer : layers)
    table.add({layer.weight, layer.shape, with_commas(layer.live), with_commas(layer.total),
               percent(layer.density()), layer.block, layer.format});
  table.add(
      {"all", "", with_commas(network.live_weights()), with_commas(network.total_weights()),
       percent(static_cast<double>(network.live_weights()) / static_cast<double>(network.total_weights()))});
  say(table.text());
  say("\nWhy");
  for (const LayerReport& layer : layers) {
    say("  " + layer.weight);
    say("    pattern  " + layer.pattern_why);
    say("    kernels  " + layer.format_why);
  }
}

const char* kind_name(int32_t kind) {
  switch (kind) {
    case COPPICE_ITEM_TILE:
      return "a tile";
    case COPPICE_ITEM_PART:
      return "a part, all tiles";
    default:
      return "a part of a tile";
  }
}

void say_calls(const Schedule& schedule) {
  say("\nCalls of a step; a thread takes one item at a time, and waits at the end of a phase");
  Table table({"phase", "item", "parts", "S", "calls"});
  table.left({1, 4});
  for (size_t p = 0; p < schedule.phases.size(); ++p)
    for (int32_t g = schedule.phases[p].group_begin; g < schedule.phases[p].group_end; ++g) {
      const coppice_group& group = schedule.groups[static_cast<size_t>(g)];
      std::string names;
      for (int32_t c = group.call_begin; c < group.call_end; ++c)
        append_item(names, schedule.calls[static_cast<size_t>(c)].name, " > ");
      table.add({std::to_string(p + 1), kind_name(group.kind), std::to_string(group.parts),
                 std::to_string(group.width), names});
    }
  say(table.text());
}

// Of a network that is to lose weights in training: what is shown is how that begins.
void say_start(const Recipe& recipe) {
  const double initial = Sparsifier::initial(recipe.sparsify, recipe.sparsity).density;
  if (initial <= recipe.sparsity.density) return;
  const double end = recipe.sparsify.schedule.prune_end;
  say("This is the start: " + recipe.sparsify.method + " takes the density from " + percent(initial) +
      " to " + percent(recipe.sparsity.density) +
      (end > 0 ? " within " + percent(end) + " of the run" : " before the first update") +
      ".\nWith --method static you see a random network of the final density.\n");
}

Result<int> explain(const ExplainArguments& arguments) {
  if (is_packed(arguments.subject)) return explain_packed(Env::system(), arguments.subject);
  TRY_ASSIGN(Subject subject, subject_of(Env::system(), arguments));
  if (arguments.graph) {
    say(graph_to_lines(subject.network.graph));
    return kFine;
  }
  const ExecOptions options = training_options(subject.recipe);
  TRY_ASSIGN(const std::unique_ptr<Executor> executor, Executor::create(subject.network, options));
  say(subject.recipe.model + " on " + subject.recipe.data + ", batch " + std::to_string(options.batch) +
      ", " + std::to_string(options.threads) + (options.threads == 1 ? " thread, " : " threads, ") +
      executor->isa() + " kernels\n");
  if (!is_run(arguments)) say_start(subject.recipe);
  say_layers(subject.network, *executor);
  say("\nFormats are chosen by the cost table " + cost_table_text(subject.network.cost_table) +
      (is_run(arguments) ? "; the run keeps it" : ""));
  if (arguments.calls) say_calls(executor->schedule());
  const MemoryReport memory = executor->memory();
  say("\nMemory of a training step: " + bytes_text(memory.total()) + " (weights, gradients and optimizer " +
      bytes_text(memory.params) + ", activations " + bytes_text(memory.activations) + ", scratch " +
      bytes_text(memory.scratch) + ")");
  const Cost cost = executor->cost();
  say("Work of a training sample: " + quantity(static_cast<double>(cost.useful), "FLOP") +
      " on live weights; dense " + quantity(static_cast<double>(cost.dense), "FLOP") + " (" +
      decimal(static_cast<double>(cost.dense) / static_cast<double>(cost.useful), 1) + "x)");
  return kFine;
}

int run_explain(const ExplainArguments& arguments) {
  const auto code = explain(arguments);
  return code.ok() ? *code : fail(kName, code.status());
}

}  // namespace

void add_explain_command(CLI::App& app, int& exit) {
  CLI::App* command = app.add_subcommand(kName, "Say how a network would run, and why so");
  auto arguments = std::make_shared<ExplainArguments>();
  command
      ->add_option("subject", arguments->subject,
                   "a run, a packed network (.cpk), or a recipe (.toml); else the flags say")
      ->type_name("RUN|FILE");
  command->add_flag("--calls", arguments->calls, "list the calls of a step");
  command->add_flag("--graph", arguments->graph,
                    "print only the graph, as JSON that --model FILE.json takes");
  arguments->flags.add_to(*command);
  command->footer(
      "\nExamples:\n"
      "  coppice explain --data glyphs --density 0.05 --block 16x1 --calls\n"
      "  coppice explain runs/third\n"
      "  coppice explain --data cifar10 --model resnet8 --graph > mine.json");
  command->callback([arguments, &exit] { exit = run_explain(*arguments); });
}

}  // namespace coppice::cli
