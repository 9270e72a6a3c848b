// SPDX-License-Identifier: Apache-2.0
#include "onnx/export.h"

#include <filesystem>
#include <memory>
#include <optional>

#include "base/text.h"
#include "command.h"
#include "models/json.h"
#include "pack/insert_fake_quantise.h"
#include "ranges.h"
#include "run_directory.h"
#include "structure/fold_batch_norm.h"
#include "structure/remove_identities.h"
#include "terminal.h"
#include "train/checkpoint.h"
#include "train/trainer.h"
#include "train/weights_file.h"

namespace coppice::cli {
namespace {

constexpr char kName[] = "export";

struct ExportArguments {
  std::string run, to, state;
  RangeArguments ranges;
  bool softmax = false, preprocess = false, int8 = false, force = false, json = false;

  bool onnx() const { return to.ends_with(".onnx"); }
};

std::string sizes_text(const std::vector<int64_t>& sizes) {
  std::string text;
  for (const int64_t size : sizes) append_item(text, std::to_string(size), " x ");
  return text;
}

int64_t bytes_of(const ExportArguments& arguments, int64_t weights) {
  return weights * static_cast<int64_t>(arguments.int8 ? sizeof(int8_t) : sizeof(float));
}

// ---- what the file says about itself, for whoever feeds the network

// What ONNX has no place for: what the numbers that go in and come out mean.
std::map<std::string, std::string> metadata_of(const Preprocessing& p, bool with_normalisation) {
  std::map<std::string, std::string> out{{"task", task_name(p.task)},
                                         {"values", p.numbers ? "floats" : "bytes"}};
  const auto add = [&out](const char* key, const auto& list) {
    if (!list.empty()) out[key] = json_text(Json(list));
  };
  if (!with_normalisation) {
    add("mean", p.normalisation.mean);
    add("stddev", p.normalisation.stddev);
  }
  add("classes", p.classes);
  add("targets", p.target_names);
  add("target_mean", p.target_scale.mean);
  add("target_stddev", p.target_scale.stddev);
  add("features", p.columns.features);
  return out;
}

// "0.5" of one channel, "0.485 0.456 0.406" of a few, else where they stand.
std::string numbers_text(const std::vector<float>& numbers, const char* key) {
  constexpr size_t kMostShown = 4;
  if (numbers.size() > kMostShown) return std::string("'") + key + "' of the metadata";
  std::string text;
  for (const float number : numbers) append_item(text, shortest(number), " ");
  return text;
}

std::string input_text(const Preprocessing& p, bool with_normalisation) {
  const std::string value = p.numbers ? "v" : "v / 255";
  if (with_normalisation)
    return p.numbers ? "numbers as they come" : "v / 255 of a byte v; the normalisation is inside";
  return "(" + value + " - mean) / stddev of a " + (p.numbers ? "number" : "byte") + " v, mean " +
         numbers_text(p.normalisation.mean, "mean") + ", stddev " +
         numbers_text(p.normalisation.stddev, "stddev") + "; --preprocess puts that inside";
}

std::string output_text(const Preprocessing& p, const std::string& ending, bool probabilities) {
  if (p.task == Task::kRegression)
    return "quantities once multiplied by " + numbers_text(p.target_scale.stddev, "target_stddev") +
           ", plus " + numbers_text(p.target_scale.mean, "target_mean");
  if (probabilities) return "probabilities";
  return "what goes into the " + ending + " of the loss; --softmax puts that inside";
}

// ---- the command

Result<std::string> state_path(Env& env, const ExportArguments& arguments) {
  if (!arguments.state.empty() && env.exists(arguments.run) && !env.is_directory(arguments.run))
    return invalid("--state: belongs to a run directory; " + arguments.run + " is one state");
  return checkpoint_path(env, arguments.run, arguments.state == "last" ? kLastFile : kBestFile);
}

Status check_place(Env& env, const ExportArguments& arguments, const std::string& state) {
  if (!arguments.onnx() && !arguments.to.ends_with(".safetensors"))
    return invalid("--to: '" + arguments.to + "' should end in .onnx or .safetensors");
  if (!arguments.onnx() && (arguments.softmax || arguments.preprocess || arguments.int8))
    return invalid(std::string(arguments.softmax      ? "--softmax"
                               : arguments.preprocess ? "--preprocess"
                                                      : "--int8") +
                   ": belongs to ONNX files; a safetensors file holds weights alone");
  if (!env.exists(arguments.to)) return {};
  std::error_code ignored;
  if (std::filesystem::equivalent(state, arguments.to, ignored))
    return invalid(arguments.to + ": is the checkpoint itself; choose another place with --to");
  if (!arguments.force) return invalid(arguments.to + ": exists already; --force writes over it");
  return {};
}

void say_export(const ExportArguments& arguments, const std::string& state, const Checkpoint& checkpoint,
                const std::optional<ExportedNetwork>& model, int64_t file_bytes) {
  const Network& network = checkpoint.network;
  const Preprocessing& p = checkpoint.info.preprocessing;
  const int64_t live = network.live_weights(), total = network.total_weights();
  say("network  " + state + ", " + with_commas(live) + " of " + with_commas(total) + " weights live");
  if (model) {
    std::string ops;
    for (const auto& [op, count] : model->ops)
      append_item(ops, op + (count > 1 ? " x " + std::to_string(count) : ""), ", ");
    say("input    input, N x " + sizes_text(model->input_sizes) + ": " + input_text(p, arguments.preprocess));
    say("output   output, N x " + sizes_text(model->output_sizes) + ": " +
        output_text(p, ending_of(network.graph), arguments.softmax));
    say("nodes    " + ops);
  }
  Table table({"weight", "shape", "live", "zeros", "bytes"});
  table.left({0, 1});
  for (const Param& param : network.params)
    if (param.is_weight())
      table.add({param.name(), sizes_text(param.dims()), with_commas(param.live()),
                 with_commas(param.total() - param.live()), with_commas(bytes_of(arguments, param.total()))});
  table.add(
      {"all", "", with_commas(live), with_commas(total - live), with_commas(bytes_of(arguments, total))});
  say("\n" + table.text());
  if (total > live)
    say("zeros are written out: they are " + bytes_text(bytes_of(arguments, total - live)) + " of the file");
  say("\nsaved    " + arguments.to + ", " + bytes_text(file_bytes) +
      (model ? ", IR " + std::to_string(kExportIr) + ", opset " + std::to_string(kExportOpset) : ""));
}

Json export_json(const ExportArguments& arguments, const std::string& state, const Checkpoint& checkpoint,
                 const std::optional<ExportedNetwork>& model, int64_t file_bytes) {
  const Network& network = checkpoint.network;
  const int64_t live = network.live_weights(), total = network.total_weights();
  Json weights = Json::array();
  for (const Param& param : network.params)
    if (param.is_weight())
      weights.push_back(Json{{"name", param.name()},
                             {"shape", param.dims()},
                             {"live", param.live()},
                             {"zeros", param.total() - param.live()},
                             {"bytes", bytes_of(arguments, param.total())}});
  Json json{{"state", state},
            {"file", arguments.to},
            {"bytes", file_bytes},
            {"live_weights", live},
            {"total_weights", total},
            {"zero_bytes", bytes_of(arguments, total - live)},
            {"weights", std::move(weights)}};
  if (!model) return json;
  json["ir"] = kExportIr;
  json["opset"] = kExportOpset;
  json["input"] = Json{{"name", "input"}, {"sizes", model->input_sizes}};
  json["output"] = Json{{"name", "output"}, {"sizes", model->output_sizes}};
  json["nodes"] = model->ops;
  json["ending"] = arguments.softmax ? ending_of(network.graph) : "";
  json["metadata"] = metadata_of(checkpoint.info.preprocessing, arguments.preprocess);
  return json;
}

// The network as it computes in 8-bit integers, in floats that are rounded as its integers are.
Status round_activations(Env& env, const ExportArguments& arguments, Checkpoint& checkpoint) {
  TRY_ASSIGN(const Judge judge, load_judge(env, checkpoint, arguments.ranges));
  Network& network = checkpoint.network;
  TRY(fold_batch_norm(network).status());
  TRY(remove_identities(network).status());
  TRY_ASSIGN(const Ranges ranges,
             ranges_of(network, judge, arguments.ranges, thread_count(checkpoint.info.recipe)));
  return insert_fake_quantise(network, quantisations_of(network.graph, ranges)).status();
}

Status export_state(Env& env, const ExportArguments& arguments) {
  TRY_ASSIGN(const std::string state, state_path(env, arguments));
  TRY(check_place(env, arguments, state));
  TRY_ASSIGN(Checkpoint checkpoint, read_checkpoint(env, state));
  std::optional<ExportedNetwork> model;
  if (arguments.onnx()) {
    ExportOptions options;
    options.probabilities = arguments.softmax;
    if (arguments.preprocess) options.normalisation = checkpoint.info.preprocessing.normalisation;
    options.metadata = metadata_of(checkpoint.info.preprocessing, arguments.preprocess);
    if (arguments.int8) {
      const Status rounded = round_activations(env, arguments, checkpoint);
      if (!rounded.ok()) return rounded.within(state);
      options.integers = ByteKind::kUnsigned;
    }
    auto made = export_onnx(checkpoint.network, options);
    if (!made.ok()) return made.status().within(state);
    model = made.take();
  }
  const std::string folder = std::filesystem::path(arguments.to).parent_path().string();
  if (!folder.empty()) TRY(env.make_directories(folder));
  if (model)
    TRY(write_atomic(env, arguments.to, model->bytes));
  else
    TRY(write_dense_weights(env, arguments.to, checkpoint.network));
  TRY_ASSIGN(const std::unique_ptr<ReadFile> file, env.open_read(arguments.to));
  const auto bytes = static_cast<int64_t>(file->size());
  if (arguments.json)
    say(json_text(export_json(arguments, state, checkpoint, model, bytes)));
  else
    say_export(arguments, state, checkpoint, model, bytes);
  return {};
}

}  // namespace

void add_export_command(CLI::App& app, int& exit) {
  CLI::App* command = app.add_subcommand(kName, "Write a network as an ONNX or safetensors file for others");
  auto arguments = std::make_shared<ExportArguments>();
  command->add_option("run", arguments->run, "a run directory, or one of its checkpoints")
      ->required()
      ->type_name("RUN");
  command->add_option("--to", arguments->to, "where it goes; .onnx: a network, .safetensors: weights alone")
      ->required()
      ->type_name("FILE");
  command->add_option("--state", arguments->state, "which state of a run: best (if not said), or last")
      ->check(CLI::IsMember({"best", "last"}));
  command->add_flag("--softmax", arguments->softmax,
                    "with the softmax or sigmoid of the loss: the output is probabilities");
  command->add_flag("--preprocess", arguments->preprocess,
                    "with the normalisation in front: the input is v / 255 of a byte v, or a plain number");
  CLI::Option* int8 =
      command->add_flag("--int8", arguments->int8,
                        "in 8-bit integers, for ONNX Runtime; ranges of activations are measured on data");
  add_range_options(*command, arguments->ranges);
  add_judge_options(*command, arguments->ranges);
  for (const char* option : {"--range", "--percentile", "--samples", "--data", "--data-dir", "--threads"})
    command->get_option(option)->needs(int8);
  command->add_flag("--force", arguments->force, "write over a file that exists");
  command->add_flag("--json", arguments->json, "print one JSON object");
  command->footer(
      "\nWeights that do not live are written out as zeros (docs/export.md).\n"
      "Examples:\n"
      "  coppice export runs/third --to third.onnx --softmax --preprocess\n"
      "  coppice export runs/third --to third-int8.onnx --int8\n"
      "  coppice export runs/third --state last --to third.safetensors");
  command->callback([arguments, &exit] {
    const Status status = export_state(Env::system(), *arguments);
    exit = status.ok() ? kFine : fail(kName, status);
  });
}

}  // namespace coppice::cli
