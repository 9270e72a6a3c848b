// SPDX-License-Identifier: Apache-2.0
#include "train/checkpoint.h"

#include <algorithm>
#include <cmath>

#include "coppice.h"
#include "io/safetensors.h"
#include "models/graph_json.h"
#include "models/json.h"
#include "train/checkpoint_tensors.h"
#include "train/cost_table.h"
#include "train/metrics/metrics.h"

namespace coppice {
namespace {

// Keys of the metadata. Persisted.
constexpr char kVersionKey[] = "coppice.checkpoint", kProgramKey[] = "coppice.version", kGraphKey[] = "graph",
               kRecipeKey[] = "recipe", kPreprocessingKey[] = "preprocessing", kWeightsKey[] = "weights",
               kProgressKey[] = "progress", kIsaKey[] = "isa", kCostTableKey[] = "cost_table";

constexpr char kNumberValues[] = "floats", kByteValues[] = "bytes";  // what samples are made of. Persisted.

constexpr int64_t kMost = int64_t{1} << 53;  // counters that JSON readers keep exact

// ---- writing

Json preprocessing_json(const Preprocessing& p) {
  Json json{{"channels", p.features.channels},
            {"height", p.features.height},
            {"width", p.features.width},
            {"mean", p.normalisation.mean},
            {"stddev", p.normalisation.stddev},
            {"outputs", p.outputs},
            {"classes", p.classes}};
  if (p.numbers) json["values"] = kNumberValues;
  if (p.fit) json["resize"] = fit_name(*p.fit);
  if (!p.columns.features.empty()) json["features"] = p.columns.features;
  if (!p.columns.label.empty()) json["label"] = p.columns.label;
  // Classes and boards are what files from before there were other tasks hold.
  if (p.task == Task::kClasses || p.target_names.empty()) return json;
  json["task"] = task_name(p.task);
  json["targets"] = p.target_names;
  if (p.task == Task::kRegression) {
    json["target_mean"] = p.target_scale.mean;
    json["target_stddev"] = p.target_scale.stddev;
  }
  return json;
}

Json progress_json(const Progress& p) {
  Json json{{"epoch", p.epoch},
            {"batch", p.batch},
            {"step", p.step},
            {"judged_step", p.judged_step},
            {"loss_sum", p.loss_sum},
            {"loss_samples", p.loss_samples},
            {"best_metric", p.best.metric},
            {"best_loss", p.best.loss},
            {"best_epoch", p.best_epoch},
            {"epochs_since_best", p.epochs_since_best},
            {"seconds", p.seconds},
            {"useful_flops", p.work.useful},
            {"executed_flops", p.work.executed},
            {"dense_flops", p.work.dense},
            {"edits", p.edits},
            {"edit_seconds", p.edit_seconds}};
  if (p.best.value) json["best_value"] = *p.best.value;
  return json;
}

Json weights_json(const Network& network) {
  Json list = Json::array();
  for (const LayerChoice& choice : network.choices) {
    Json row{{"name", choice.weight},
             {"block", choice.block.text()},
             {"density", choice.density},
             {"reason", choice.reason}};
    std::string format = choice.format;
    for (const Param& param : network.params)
      if (param.name() == choice.weight && param.format()) format = param.format()->name;
    if (!format.empty()) row["format"] = format;
    list.push_back(std::move(row));
  }
  return list;
}

Status check_finite(const Network& network, bool with_optimizer) {
  for (const std::vector<Param>* list : {&network.params, &network.states})
    for (const Param& param : *list)
      for (const Floats* array : {&param.value, &param.moment1, &param.moment2, &param.born}) {
        if (array != &param.value && !with_optimizer) continue;
        if (!std::all_of(array->begin(), array->end(), [](float v) { return std::isfinite(v); }))
          return {Code::kDiverged,
                  "'" + param.name() + "' has " + (array == &param.value ? "values" : "optimizer state") +
                      " that are not finite; lower the learning rate or clip gradients with --clip"};
      }
  return {};
}

// ---- reading

Result<std::string> metadata_text(const SafetensorsFile& file, const char* key) {
  const auto at = file.metadata().find(key);
  if (at == file.metadata().end()) return corrupt(std::string("metadata '") + key + "' is missing");
  return at->second;
}

Status check_version(const SafetensorsFile& file) {
  const auto at = file.metadata().find(kVersionKey);
  if (at == file.metadata().end())
    return invalid(
        "is a safetensors file, but not a checkpoint that coppice wrote; point at best.safetensors of a run");
  if (at->second == std::to_string(kCheckpointFormatVersion)) return {};
  return unsupported("has checkpoint format version " + at->second +
                     ", this coppice " COPPICE_VERSION_STRING " reads up to " +
                     std::to_string(kCheckpointFormatVersion) + "; use the coppice that wrote it");
}

Result<Normalisation> read_scale(const JsonObject& json, const char* mean_key, const char* stddev_key,
                                 size_t count) {
  TRY_ASSIGN(const std::vector<double> mean, json.reals(mean_key));
  TRY_ASSIGN(const std::vector<double> stddev, json.reals(stddev_key));
  if (mean.size() != count || stddev.size() != count)
    return corrupt(json.place() + ": " + mean_key + " and " + stddev_key + " should have " +
                   std::to_string(count) + (count == 1 ? " number" : " numbers"));
  Normalisation scale;
  scale.mean.assign(mean.begin(), mean.end());
  scale.stddev.assign(stddev.begin(), stddev.end());
  for (size_t i = 0; i < count; ++i)
    if (!(scale.stddev[i] > 0) || !std::isfinite(scale.stddev[i]) || !std::isfinite(scale.mean[i]))
      return corrupt(json.place() + "." + stddev_key + ": should be above 0, and " + mean_key + " finite");
  return scale;
}

// Files from before there was a task hold classes with names, or else boards.
Status read_task(const JsonObject& json, Preprocessing& p) {
  p.task = p.classes.empty() ? Task::kLabels : Task::kClasses;
  if (!json.has("task")) return {};
  TRY_ASSIGN(const std::string name, json.text("task"));
  if (name == task_name(Task::kRegression))
    p.task = Task::kRegression;
  else if (name != task_name(Task::kLabels))
    return corrupt("preprocessing.task: should be labels or regression, not '" + name + "'");
  TRY_ASSIGN(p.target_names, json.texts("targets"));
  if (!p.classes.empty() || p.target_names.size() != static_cast<size_t>(p.outputs))
    return corrupt("preprocessing.targets: should name each of the " + std::to_string(p.outputs) +
                   " outputs, and classes none");
  if (p.task == Task::kLabels) return {};
  TRY_ASSIGN(p.target_scale, read_scale(json, "target_mean", "target_stddev", p.target_names.size()));
  return {};
}

Status read_columns(const JsonObject& json, Preprocessing& p) {
  if (json.has("features")) {
    TRY_ASSIGN(p.columns.features, json.texts("features"));
    if (!p.numbers || p.features.plane() != 1 ||
        p.columns.features.size() != static_cast<size_t>(p.features.channels))
      return corrupt("preprocessing.features: should name each of the " +
                     std::to_string(p.features.channels) + " columns of a table");
  }
  if (!json.has("label")) return {};
  TRY_ASSIGN(p.columns.label, json.text("label"));
  if (p.columns.features.empty() || p.task != Task::kClasses)
    return corrupt("preprocessing.label: should name a column of classes of a table");
  return {};
}

Result<Score> read_score(const JsonObject& json) {
  Score score;
  TRY_ASSIGN(score.loss, json.real("best_loss"));
  if (!json.has("best_metric")) {
    // From before there was a choice; -1 stood for a run that nobody had judged.
    score.metric = usual_metric(Task::kClasses);
    TRY_ASSIGN(const double accuracy, json.real("best_accuracy"));
    if (accuracy >= 0) score.value = accuracy;
    return score;
  }
  TRY_ASSIGN(score.metric, json.text("best_metric"));
  const Metric* metric = find_metric(score.metric);
  if (metric == nullptr) return corrupt(json.place() + ".best_metric: " + unknown_metric(score.metric));
  score.larger_is_better = metric->larger_is_better;
  if (json.has("best_value")) {
    TRY_ASSIGN(const double value, json.real("best_value"));
    if (std::isnan(value)) return corrupt(json.place() + ".best_value: should be a number");
    score.value = value;
  }
  return score;
}

Result<Progress> read_progress(const std::string& text) {
  TRY_ASSIGN(const Json parsed, parse_json(kProgressKey, text));
  TRY_ASSIGN(const JsonObject json, JsonObject::of(parsed, kProgressKey));
  Progress p;
  const std::pair<const char*, int64_t*> counters[] = {{"epoch", &p.epoch},
                                                       {"batch", &p.batch},
                                                       {"step", &p.step},
                                                       {"judged_step", &p.judged_step},
                                                       {"loss_samples", &p.loss_samples},
                                                       {"best_epoch", &p.best_epoch},
                                                       {"epochs_since_best", &p.epochs_since_best}};
  for (const auto& [key, counter] : counters) {
    TRY_ASSIGN(*counter, json.integer(key, 0, kMost));
  }
  const std::pair<const char*, double*> numbers[] = {{"loss_sum", &p.loss_sum}, {"seconds", &p.seconds}};
  for (const auto& [key, number] : numbers) {
    TRY_ASSIGN(*number, json.real(key));
  }
  TRY_ASSIGN(p.best, read_score(json));
  if (!json.has("edits")) return p;  // from before patterns could change
  TRY_ASSIGN(p.edits, json.integer("edits", 0, kMost));
  const std::pair<const char*, double*> later[] = {{"useful_flops", &p.work.useful},
                                                   {"executed_flops", &p.work.executed},
                                                   {"dense_flops", &p.work.dense},
                                                   {"edit_seconds", &p.edit_seconds}};
  for (const auto& [key, number] : later) {
    TRY_ASSIGN(*number, json.real(key));
  }
  return p;
}

Result<std::vector<LayerChoice>> read_weights(const std::string& text) {
  TRY_ASSIGN(const Json parsed, parse_json(kWeightsKey, text));
  const Json wrapped{{"list", parsed}};
  TRY_ASSIGN(const JsonObject json, JsonObject::of(wrapped, kWeightsKey));
  TRY_ASSIGN(const std::vector<JsonObject> list, json.objects("list"));
  std::vector<LayerChoice> choices;
  for (const JsonObject& item : list) {
    LayerChoice choice;
    TRY_ASSIGN(choice.weight, item.text("name"));
    TRY_ASSIGN(const std::string block, item.text("block"));
    TRY_ASSIGN(choice.block, BlockShape::parse(block));
    TRY_ASSIGN(choice.density, item.real("density"));
    TRY_ASSIGN(choice.reason, item.text("reason"));
    if (item.has("format")) {
      TRY_ASSIGN(choice.format, item.text("format"));
    }
    choices.push_back(std::move(choice));
  }
  return choices;
}

Result<Network> read_network(const SafetensorsFile& file) {
  Network network;
  TRY_ASSIGN(const std::string graph, metadata_text(file, kGraphKey));
  TRY_ASSIGN(network.graph, graph_from_json(graph));
  TRY_ASSIGN(const std::string weights, metadata_text(file, kWeightsKey));
  TRY_ASSIGN(network.choices, read_weights(weights));
  TRY_ASSIGN(const std::string table, metadata_text(file, kCostTableKey));
  TRY_ASSIGN(network.cost_table, cost_table_from_json(table, kCostTableKey));
  std::vector<std::string> used;
  for (const Value& value : network.graph.values()) {
    if (value.kind != ValueKind::kParam && value.kind != ValueKind::kState) continue;
    const auto choice = std::find_if(network.choices.begin(), network.choices.end(),
                                     [&](const LayerChoice& c) { return c.weight == value.name; });
    const bool is_weight = value.kind == ValueKind::kParam && value.role == ParamRole::kWeight;
    if (is_weight && choice == network.choices.end())
      return corrupt("weights: there is no entry for '" + value.name + "'");
    const BlockShape block = is_weight ? choice->block : BlockShape{};
    TRY_ASSIGN(Param param, read_param(file, value, block, &used));
    (value.kind == ValueKind::kParam ? network.params : network.states).push_back(std::move(param));
  }
  for (const auto& [name, tensor] : file.tensors())
    if (std::find(used.begin(), used.end(), name) == used.end())
      return corrupt("tensor '" + name + "' belongs to nothing in the graph");
  return network;
}

Result<Checkpoint> read_verified(const SafetensorsFile& file, const std::string& path) {
  TRY(check_version(file));
  TRY_ASSIGN(Network network, read_network(file));
  RunInfo info;
  TRY_ASSIGN(const std::string preprocessing, metadata_text(file, kPreprocessingKey));
  TRY_ASSIGN(info.preprocessing, read_preprocessing(preprocessing));
  TRY_ASSIGN(const std::string progress, metadata_text(file, kProgressKey));
  TRY_ASSIGN(info.progress, read_progress(progress));
  TRY_ASSIGN(const std::string recipe, metadata_text(file, kRecipeKey));
  TRY_ASSIGN(const std::vector<Setting> settings, settings_from_toml(recipe, "recipe in " + path));
  TRY_ASSIGN(info.recipe, make_recipe(settings));
  TRY_ASSIGN(info.isa, metadata_text(file, kIsaKey));
  const Graph& graph = network.graph;
  if (graph.value(graph.input).shape.elements() != info.preprocessing.features.size())
    return corrupt("the graph takes " + graph.value(graph.input).shape.text() +
                   ", which is not the sample that the " + "preprocessing makes");
  const Preprocessing& said = info.preprocessing;
  if (graph.value(graph.logits).shape.elements() != said.outputs ||
      graph.value(graph.target).integer != (said.task == Task::kClasses))
    return corrupt("the graph says " + graph.value(graph.logits).shape.text() +
                   ", which is not what the preprocessing calls " + outputs_text(said.task, said.outputs));
  return Checkpoint{std::move(network), std::move(info)};
}

}  // namespace

std::string preprocessing_text(const Preprocessing& p) { return json_text(preprocessing_json(p)); }

Result<Preprocessing> read_preprocessing(const std::string& text) {
  TRY_ASSIGN(const Json parsed, parse_json(kPreprocessingKey, text));
  TRY_ASSIGN(const JsonObject json, JsonObject::of(parsed, kPreprocessingKey));
  constexpr int64_t kSide = 1 << 16;
  Preprocessing p;
  TRY_ASSIGN(const int64_t channels, json.integer("channels", 1, kSide));
  TRY_ASSIGN(const int64_t height, json.integer("height", 1, kSide));
  TRY_ASSIGN(const int64_t width, json.integer("width", 1, kSide));
  TRY_ASSIGN(const int64_t outputs, json.integer("outputs", 1, 1 << 30));
  if (channels * height * width > INT32_MAX)
    return corrupt("preprocessing: a sample has more than 2^31 numbers");
  p.features = {static_cast<int>(channels), static_cast<int>(height), static_cast<int>(width)};
  p.outputs = static_cast<int>(outputs);
  TRY_ASSIGN(p.normalisation, read_scale(json, "mean", "stddev", static_cast<size_t>(channels)));
  TRY_ASSIGN(p.classes, json.texts("classes"));
  if (!p.classes.empty() && p.classes.size() != static_cast<size_t>(outputs))
    return corrupt("preprocessing.classes: should name each of the " + std::to_string(outputs) + " outputs");
  TRY(read_task(json, p));
  if (json.has("values")) {
    TRY_ASSIGN(const std::string values, json.text("values"));
    if (values != kNumberValues && values != kByteValues)
      return corrupt("preprocessing.values: should be bytes or floats, not '" + values + "'");
    p.numbers = values == kNumberValues;
  }
  TRY(read_columns(json, p));
  if (json.has("resize")) {
    TRY_ASSIGN(const std::string name, json.text("resize"));
    for (const Fit fit : {Fit::kCrop, Fit::kStretch})
      if (name == fit_name(fit)) p.fit = fit;
    if (!p.fit) return corrupt("preprocessing.resize: should be crop or stretch, not '" + name + "'");
  }
  return p;
}

bool Score::better_than(const Score& other) const {
  if (value == other.value) return loss < other.loss;
  if (!value || !other.value) return value.has_value();
  return larger_is_better ? *value > *other.value : *value < *other.value;
}

Status write_checkpoint(Env& env, const std::string& path, const Network& network, const RunInfo& info,
                        bool with_optimizer) {
  TRY(check_finite(network, with_optimizer));
  TensorSink sink;
  for (const std::vector<Param>* list : {&network.params, &network.states})
    for (const Param& param : *list) sink.add(param, with_optimizer);
  Metadata metadata;
  metadata[kVersionKey] = std::to_string(kCheckpointFormatVersion);
  metadata[kProgramKey] = COPPICE_VERSION_STRING;
  metadata[kGraphKey] = graph_to_json(network.graph);
  metadata[kRecipeKey] = recipe_to_toml(info.recipe);
  metadata[kPreprocessingKey] = preprocessing_text(info.preprocessing);
  metadata[kWeightsKey] = json_text(weights_json(network));
  metadata[kProgressKey] = json_text(progress_json(info.progress));
  metadata[kIsaKey] = info.isa;
  metadata[kCostTableKey] = json_text(cost_table_json(network.cost_table));
  return write_safetensors(env, path, sink.views(), metadata);
}

Result<ColumnNames> read_column_names(const SafetensorsFile& file) {
  if (!check_version(file).ok()) return ColumnNames{};
  TRY_ASSIGN(const std::string text, metadata_text(file, kPreprocessingKey));
  TRY_ASSIGN(Preprocessing preprocessing, read_preprocessing(text));
  return std::move(preprocessing.columns);
}

Result<Checkpoint> read_checkpoint(Env& env, const std::string& path) {
  TRY_ASSIGN(const SafetensorsFile file, SafetensorsFile::open(env, path));
  auto checkpoint = read_verified(file, path);
  if (!checkpoint.ok()) return checkpoint.status().within(path);
  return checkpoint;
}

}  // namespace coppice
