// SPDX-License-Identifier: Apache-2.0
#include "study/account.h"

#include <limits>

namespace coppice {
namespace {

constexpr int kFormatVersion = 1;  // persisted: a reader refuses others
constexpr uint64_t kLongest = 64 << 20;
constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
constexpr Stop kStops[] = {Stop::kDone, Stop::kPatience, Stop::kTime, Stop::kInterrupted};

Json optional_json(const std::optional<Evaluation>& e) { return e ? evaluation_json(*e) : Json(); }

Result<Task> task_of(const JsonObject& json) {
  TRY_ASSIGN(const std::string name, json.text("task"));
  for (const Task task : {Task::kClasses, Task::kLabels, Task::kRegression})
    if (name == task_name(task)) return task;
  return corrupt(json.place() + ".task: '" + name + "' is no task");
}

Result<std::optional<Evaluation>> evaluation_of(const JsonObject& account, const char* key) {
  if (!account.has(key) || account.raw().at(key).is_null()) return std::optional<Evaluation>();
  TRY_ASSIGN(const JsonObject json, account.object(key));
  Evaluation e;
  TRY_ASSIGN(e.task, task_of(json));
  TRY_ASSIGN(e.samples, json.integer("samples", 1, kMost));
  TRY_ASSIGN(e.loss, json.number("loss"));
  if (e.task == Task::kRegression) {
    if (!json.has("rmse") || !json.raw().at("rmse").is_null()) {
      TRY_ASSIGN(e.rmse, json.real("rmse"));
    }
    if (json.has("r2") && !json.raw().at("r2").is_null()) {
      TRY_ASSIGN(e.r2, json.real("r2"));
    }
    return std::optional<Evaluation>(e);
  }
  TRY_ASSIGN(e.accuracy, json.number("accuracy"));
  if (json.has("top5")) {
    TRY_ASSIGN(const double top5, json.number("top5"));
    e.top5 = top5;
  }
  if (json.has("exact")) {
    TRY_ASSIGN(e.exact, json.number("exact"));
  }
  return std::optional<Evaluation>(e);
}

Json layer_json(const LayerReport& layer) {
  return Json{{"weight", layer.weight},  {"shape", layer.shape}, {"live", layer.live},
              {"total", layer.total},    {"block", layer.block}, {"format", layer.format},
              {"seconds", layer.seconds}};
}

Result<LayerReport> layer_of(const JsonObject& json) {
  LayerReport layer;
  TRY_ASSIGN(layer.weight, json.text("weight"));
  TRY_ASSIGN(layer.shape, json.text("shape"));
  TRY_ASSIGN(layer.total, json.integer("total", 1, kMost));
  TRY_ASSIGN(layer.live, json.integer("live", 0, layer.total));
  TRY_ASSIGN(layer.block, json.text("block"));
  TRY_ASSIGN(layer.format, json.text("format"));
  TRY_ASSIGN(layer.seconds, json.number("seconds"));
  return layer;
}

Result<Stop> stop_of(const JsonObject& json) {
  TRY_ASSIGN(const std::string name, json.text("stop"));
  for (const Stop stop : kStops)
    if (name == stop_name(stop)) return stop;
  return corrupt(json.place() + ".stop: '" + name + "' is no way to stop");
}

Result<Account> account_of(const JsonObject& json) {
  TRY(json.expect_version("coppice.account", kFormatVersion, "account"));
  TRY_ASSIGN(Account account, figures_of(json));
  TRY_ASSIGN(account.report.network.timed_steps, json.integer("timed_steps", 0, kMost));
  TRY_ASSIGN(account.report.network.other_seconds, json.number("other_seconds"));
  TRY_ASSIGN(const std::vector<JsonObject> layers, json.objects("layers"));
  for (const JsonObject& layer : layers) {
    TRY_ASSIGN(LayerReport read, layer_of(layer));
    account.report.network.layers.push_back(std::move(read));
  }
  return account;
}

}  // namespace

const char* stop_name(Stop stop) {
  switch (stop) {
    case Stop::kDone:
      return "done";
    case Stop::kPatience:
      return "patience";
    case Stop::kTime:
      return "max_time";
    default:
      return "interrupted";
  }
}

Json evaluation_json(const Evaluation& e) {
  Json json{{"task", task_name(e.task)}, {"samples", e.samples}, {"loss", e.loss}};
  if (e.task == Task::kRegression) {
    json["rmse"] = e.rmse ? Json(*e.rmse) : Json();
    json["r2"] = e.r2 ? Json(*e.r2) : Json();
    return json;
  }
  json["accuracy"] = e.accuracy;
  if (e.top5) json["top5"] = *e.top5;
  if (e.task == Task::kLabels) json["exact"] = e.exact;
  return json;
}

Json figures_json(const Account& account) {
  const TrainReport& report = account.report;
  return Json{{"stop", stop_name(report.stop)},
              {"steps", report.progress.step},
              {"best_epoch", report.progress.best_epoch},
              {"validation", optional_json(report.validation)},
              {"test", optional_json(report.test)},
              {"seconds", report.seconds},
              {"cpu_seconds", report.cpu_seconds},
              {"seconds_in_all", report.seconds_in_all},
              {"filling_seconds", report.loading.filling},
              {"waiting_seconds", report.loading.waiting},
              {"edits", report.progress.edits},
              {"edit_seconds", report.progress.edit_seconds},
              {"live_weights", report.live_weights},
              {"total_weights", report.total_weights},
              {"useful_flop", report.work.useful},
              {"executed_flop", report.work.executed},
              {"dense_flop", report.work.dense},
              {"planned_bytes", report.planned_bytes},
              {"peak_bytes", report.peak_bytes},
              {"file_bytes", report.best_file_bytes},
              {"parameter_bytes", report.parameter_bytes},
              {"dense_parameter_bytes", report.dense_parameter_bytes},
              {"threads", report.threads},
              {"isa", report.isa},
              {"program", account.program},
              {"cpu", account.cpu}};
}

Result<Account> figures_of(const JsonObject& json) {
  Account account;
  TrainReport& report = account.report;
  TRY_ASSIGN(report.stop, stop_of(json));
  TRY_ASSIGN(report.progress.step, json.integer("steps", 0, kMost));
  TRY_ASSIGN(report.progress.best_epoch, json.integer("best_epoch", 0, kMost));
  TRY_ASSIGN(report.validation, evaluation_of(json, "validation"));
  TRY_ASSIGN(report.test, evaluation_of(json, "test"));
  TRY_ASSIGN(report.seconds, json.number("seconds"));
  TRY_ASSIGN(report.cpu_seconds, json.number("cpu_seconds"));
  TRY_ASSIGN(report.seconds_in_all, json.number("seconds_in_all"));
  TRY_ASSIGN(report.loading.filling, json.number("filling_seconds"));
  TRY_ASSIGN(report.loading.waiting, json.number("waiting_seconds"));
  if (json.has("edits")) {
    TRY_ASSIGN(report.progress.edits, json.integer("edits", 0, kMost));
    TRY_ASSIGN(report.progress.edit_seconds, json.number("edit_seconds"));
  }
  TRY_ASSIGN(report.total_weights, json.integer("total_weights", 1, kMost));
  TRY_ASSIGN(report.live_weights, json.integer("live_weights", 0, report.total_weights));
  TRY_ASSIGN(report.work.useful, json.number("useful_flop"));
  TRY_ASSIGN(report.work.executed, json.number("executed_flop"));
  TRY_ASSIGN(report.work.dense, json.number("dense_flop"));
  TRY_ASSIGN(report.planned_bytes, json.integer("planned_bytes", 0, kMost));
  TRY_ASSIGN(report.peak_bytes, json.integer("peak_bytes", 0, kMost));
  TRY_ASSIGN(report.best_file_bytes, json.integer("file_bytes", 0, kMost));
  TRY_ASSIGN(report.parameter_bytes, json.integer("parameter_bytes", 0, kMost));
  TRY_ASSIGN(report.dense_parameter_bytes, json.integer("dense_parameter_bytes", 0, kMost));
  TRY_ASSIGN(const int64_t threads, json.integer("threads", 1, 1 << 16));
  report.threads = static_cast<int>(threads);
  TRY_ASSIGN(report.isa, json.text("isa"));
  TRY_ASSIGN(account.program, json.text("program"));
  TRY_ASSIGN(account.cpu, json.text("cpu"));
  return account;
}

Json account_json(const Account& account, const std::string& directory) {
  const TrainReport& report = account.report;
  Json json{{"coppice.account", kFormatVersion}, {"run", directory}};
  json.update(figures_json(account));
  json["timed_steps"] = report.network.timed_steps;
  json["other_seconds"] = report.network.other_seconds;
  json["layers"] = Json::array();
  for (const LayerReport& layer : report.network.layers) json["layers"].push_back(layer_json(layer));
  return json;
}

Status write_account(Env& env, const std::string& directory, const Account& account) {
  return write_atomic(env, join_path(directory, kAccountFile),
                      json_text(account_json(account, directory)) + "\n");
}

Result<Account> read_account(Env& env, const std::string& directory) {
  const std::string path = join_path(directory, kAccountFile);
  TRY_ASSIGN(const std::string text, read_all(env, path, kLongest));
  TRY_ASSIGN(const Json json, parse_json(path, text));
  TRY_ASSIGN(const JsonObject object, JsonObject::of(json, path));
  return account_of(object);
}

}  // namespace coppice
