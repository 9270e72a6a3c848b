// SPDX-License-Identifier: Apache-2.0
#include "onnx/import.h"

#include <algorithm>
#include <map>
#include <memory>
#include <numeric>

#include "base/text.h"
#include "command.h"
#include "exec/layers.h"
#include "load_data.h"
#include "models/graph_json.h"
#include "models/json.h"
#include "run_directory.h"
#include "terminal.h"
#include "train/cost_table.h"
#include "train/trainer.h"

namespace coppice::cli {
namespace {

constexpr char kName[] = "import";

struct ImportArguments {
  std::string model, out, data, data_dir, mean, stddev, task;
  bool json = false, external_data = false;
};

std::string sizes_text(const std::vector<int64_t>& sizes) {
  std::string text;
  for (const int64_t size : sizes) append_item(text, std::to_string(size), " x ");
  return text;
}

Features features_of(const Shape& shape) {
  const auto size = [](int64_t value) { return static_cast<int>(value); };
  if (shape.axes == "f") return {size(shape.size('f')), 1, 1};
  return {size(shape.size('c')), size(shape.size('h')), size(shape.size('w'))};
}

Result<Recipe> recipe_of(const ImportArguments& arguments) {
  std::vector<Setting> settings = {
      {"model", kNetworkFile, kName},
      {"data", arguments.data.empty() ? kUnknownData : arguments.data, "--data"}};
  const std::pair<const char*, const std::string*> chosen[] = {
      {"data_dir", &arguments.data_dir}, {"mean", &arguments.mean}, {"stddev", &arguments.stddev}};
  for (const auto& [key, value] : chosen)
    if (!value->empty()) settings.push_back({key, *value, std::string("--") + key});
  return make_recipe(settings);
}

Status check_fits(const Dataset& data, const ImportedNetwork& imported, const Features& features) {
  const auto outputs = imported.network.graph.value(imported.network.graph.logits).shape.elements();
  if (data.features.size() != features.size() || (features.plane() > 1 && !(data.features == features)))
    return invalid("--data: samples of '" + data.name + "' are " + std::to_string(data.features.channels) +
                   " x " + std::to_string(data.features.height) + " x " +
                   std::to_string(data.features.width) + ", the network takes " +
                   sizes_text(imported.input_sizes));
  if (data.outputs != outputs)
    return invalid("--data: '" + data.name + "' has " + outputs_text(data.task, data.outputs) +
                   ", the network says " + std::to_string(outputs) + " numbers");
  return {};
}

// What a sample is where no data says it: pictures of one or three channels are bytes, all else are numbers
// as they come.
Result<Preprocessing> plain(const ImportedNetwork& imported, const Recipe& recipe, const Features& features) {
  Preprocessing p;
  p.features = features;
  const auto channels = static_cast<size_t>(features.channels);
  p.numbers = features.height == 1 || (channels != 1 && channels != 3);
  p.normalisation = {std::vector<float>(channels, 0.0F), std::vector<float>(channels, 1.0F)};
  if (!recipe.mean.empty()) {
    if (recipe.mean.size() != channels)
      return invalid("--mean: has " + std::to_string(recipe.mean.size()) + " numbers, the network takes " +
                     std::to_string(channels) + " channels; give one for each");
    p.normalisation.mean.assign(recipe.mean.begin(), recipe.mean.end());
    p.normalisation.stddev.assign(recipe.stddev.begin(), recipe.stddev.end());
  }
  const Graph& graph = imported.network.graph;
  p.outputs = static_cast<int>(graph.value(graph.logits).shape.elements());
  p.task = imported.task;
  std::vector<std::string>& names = p.task == Task::kClasses ? p.classes : p.target_names;
  for (int i = 0; i < p.outputs; ++i) names.push_back(std::to_string(i));
  if (p.task == Task::kRegression)
    p.target_scale = {std::vector<float>(names.size(), 0.0F), std::vector<float>(names.size(), 1.0F)};
  return p;
}

std::string ending_text(const ImportedNetwork& imported) {
  return imported.ending.empty()
             ? ""
             : "; the " + imported.ending + " at the end is part of the loss, outputs are what goes into it";
}

// "conv2d 19, batch_norm 19, ..."
std::map<std::string, int64_t> count_ops(const Graph& graph) {
  std::map<std::string, int64_t> counts;
  for (const Node& node : graph.nodes())
    if (node.outputs[0] != graph.loss) ++counts[node.op->name];
  return counts;
}

void say_import(const ImportedNetwork& imported, const std::vector<LayerReport>& layers, double flop,
                const std::string& out) {
  const Network& network = imported.network;
  std::string ops;
  for (const auto& [op, count] : count_ops(network.graph))
    append_item(ops, op + (count > 1 ? " x " + std::to_string(count) : ""), ", ");
  say("file     opset " + std::to_string(imported.opset) + ", IR " + std::to_string(imported.ir) +
      (imported.producer.empty() ? "" : ", by " + imported.producer) + ", " + with_commas(imported.nodes) +
      " nodes, " + with_commas(imported.folded) + " of them computed now");
  say("input    " + imported.input + ", " + sizes_text(imported.input_sizes));
  say("output   " + imported.output + ", " + sizes_text(imported.output_sizes) + ", " +
      task_name(imported.task) + ending_text(imported));
  say("ops      " + ops);
  Table table({"weight", "shape", "numbers"});
  table.left({0, 1});
  for (const LayerReport& layer : layers) table.add({layer.weight, layer.shape, with_commas(layer.total)});
  table.add({"all", "", with_commas(network.total_weights())});
  say("\n" + table.text());
  say("work of a sample " + quantity(flop, "FLOP"));
  if (!imported.removed.empty()) say("\nNot nodes here");
  for (const ImportedNetwork::Removed& node : imported.removed)
    say("  " + node.op + " " + node.name + " " + node.why);
  say("\nsaved    " + out);
}

Json import_json(const ImportedNetwork& imported, const std::vector<LayerReport>& layers, double flop,
                 const std::string& out) {
  Json removed = Json::array(), weights = Json::array();
  for (const ImportedNetwork::Removed& node : imported.removed)
    removed.push_back(Json{{"op", node.op}, {"name", node.name}, {"why", node.why}});
  for (const LayerReport& layer : layers)
    weights.push_back(Json{{"name", layer.weight}, {"shape", layer.shape}, {"numbers", layer.total}});
  return Json{{"run", out},
              {"opset", imported.opset},
              {"ir", imported.ir},
              {"producer", imported.producer},
              {"input", Json{{"name", imported.input}, {"sizes", imported.input_sizes}}},
              {"output", Json{{"name", imported.output}, {"sizes", imported.output_sizes}}},
              {"task", task_name(imported.task)},
              {"ending", imported.ending},
              {"nodes", imported.nodes},
              {"folded", imported.folded},
              {"ops", count_ops(imported.network.graph)},
              {"weights", std::move(weights)},
              {"total_weights", imported.network.total_weights()},
              {"flop_per_sample", flop},
              {"removed", std::move(removed)}};
}

std::optional<Task> task_of(const std::string& name) {
  for (const Task task : {Task::kClasses, Task::kLabels, Task::kRegression})
    if (name == task_name(task)) return task;
  return std::nullopt;
}

Status import_model(Env& env, const ImportArguments& arguments) {
  if (const std::string advice = how_to_convert(arguments.model); !advice.empty())
    return unsupported(arguments.model + ": " + advice);
  if (env.exists(join_path(arguments.out, kBestFile)))
    return invalid(arguments.out + ": holds a run already; choose another place with --out");
  TRY_ASSIGN(Recipe recipe, recipe_of(arguments));
  ImportOptions options;
  options.task = task_of(arguments.task);
  options.external_data = arguments.external_data;
  std::optional<Dataset> data;
  if (!arguments.data.empty()) {
    TRY_ASSIGN(data, load_data(env, recipe, nullptr));
    options.task = data->task;
  }
  TRY_ASSIGN(ImportedNetwork imported, import_onnx_file(env, arguments.model, options));
  Network& network = imported.network;
  const Features features = features_of(network.graph.value(network.graph.input).shape);
  RunInfo info;
  if (data) {
    TRY(check_fits(*data, imported, features));
    info.preprocessing = preprocessing_of(*data);
  } else {
    TRY_ASSIGN(info.preprocessing, plain(imported, recipe, features));
  }
  TRY_ASSIGN(network.cost_table, find_cost_table(env, recipe.cost_table, recipe.isa));
  TRY_ASSIGN(const std::unique_ptr<Executor> evaluator, make_evaluator(network, recipe, features));
  info.recipe = with_whole_paths(env, std::move(recipe));
  info.progress.best.metric = usual_metric(imported.task);
  info.isa = evaluator->isa();
  TRY(env.make_directories(arguments.out));
  TRY(write_atomic(env, join_path(arguments.out, kNetworkFile), graph_to_lines(network.graph) + "\n"));
  const std::string file = join_path(arguments.out, kBestFile);
  TRY(write_checkpoint(env, file, network, info, false).within(arguments.model));
  const std::vector<LayerReport> layers = report_network(network, *evaluator).layers;
  const auto flop = static_cast<double>(evaluator->cost().useful);
  if (arguments.json)
    say(json_text(import_json(imported, layers, flop, arguments.out)));
  else
    say_import(imported, layers, flop, file);
  return {};
}

int run_import(const ImportArguments& arguments) {
  const Status status = import_model(Env::system(), arguments);
  return status.ok() ? kFine : fail(kName, status);
}

}  // namespace

void add_import_command(CLI::App& app, int& exit) {
  CLI::App* command = app.add_subcommand(kName, "Take in a trained network as an ONNX file");
  auto arguments = std::make_shared<ImportArguments>();
  command->add_option("model", arguments->model, "an ONNX file, opset 7 to 21 (docs/import.md)")
      ->required()
      ->type_name("MODEL");
  command->add_option("--out", arguments->out, "directory of the network, which every command takes as a run")
      ->required()
      ->type_name("DIR");
  command->add_option("--data", arguments->data, "what it learnt from: classes and kind of its samples")
      ->type_name("SET");
  command->add_option("--data-dir", arguments->data_dir, "where the named sets lie")->type_name("FOLDER");
  command
      ->add_option("--mean", arguments->mean,
                   "what it was trained to have taken from each channel: v / 255 of a byte, v of a number")
      ->type_name("NUMBERS");
  command->add_option("--stddev", arguments->stddev, "what each channel is divided by after that")
      ->type_name("NUMBERS");
  command->add_option("--task", arguments->task, "what its outputs mean, where --data does not say it")
      ->check(CLI::IsMember({"classes", "labels", "regression"}));
  command->add_flag("--external-data", arguments->external_data,
                    "read weights from files that the model names, in its directory");
  command->add_flag("--json", arguments->json, "print one JSON object");
  command->footer(
      "\nExamples:\n"
      "  coppice import resnet20.onnx --out runs/resnet20 --data cifar10 --mean .485,.456,.406 --stddev "
      ".229,.224,.225\n"
      "  coppice eval runs/resnet20\n"
      "  coppice prune runs/resnet20 --density 0.1");
  command->callback([arguments, &exit] { exit = run_import(*arguments); });
}

}  // namespace coppice::cli
