// SPDX-License-Identifier: Apache-2.0
#include "study/metric_text.h"

#include <algorithm>

#include "base/text.h"
#include "report/text.h"

namespace coppice {
namespace {

Json number_json(const std::optional<double>& number) { return number ? Json(*number) : Json(); }

Json reading_json(const Reading& reading, const char* by) {
  Json json{{"value", number_json(reading.value)}};
  json["low"] = reading.interval ? Json(reading.interval->low) : Json();
  json["high"] = reading.interval ? Json(reading.interval->high) : Json();
  json["by"] = reading.interval ? Json(by) : Json();
  return json;
}

const std::vector<std::string>& names_of(const Dataset& data) {
  return data.task == Task::kClasses ? data.classes : data.target_names;
}

std::string name_of(const Dataset& data, size_t output) {
  const std::vector<std::string>& names = names_of(data);
  return names.empty() ? "cell " + std::to_string(output) : names[output];
}

}  // namespace

std::string value_text(const Metric& metric, const std::optional<double>& value) {
  if (!value) return "-";
  if (metric.unit == Unit::kShare) return percent(*value);
  return metric.unit == Unit::kPlain ? loss_text(*value) : measure_text(*value);
}

std::string value_text(const std::string& metric, double value) {
  const Metric* known = find_metric(metric);
  return known != nullptr ? value_text(*known, value) : loss_text(value);
}

std::string reading_text(const Metric& metric, const Reading& reading) {
  std::string text = value_text(metric, reading.value);
  if (reading.interval)
    text += " (" + value_text(metric, reading.interval->low) + " to " +
            value_text(metric, reading.interval->high) + ")";
  return text;
}

Result<std::vector<const Metric*>> metrics_of(const std::string& list, Task task) {
  constexpr char kAll[] = "all";
  if (list == kAll) return metrics_for(task);
  std::vector<const Metric*> metrics;
  for (size_t begin = 0; begin <= list.size();) {
    const size_t end = std::min(list.find(',', begin), list.size());
    const std::string name = list.substr(begin, end - begin);
    if (name == kAll) return invalid("'all' stands alone, as it names every metric; leave the others out");
    TRY_ASSIGN(const Metric* metric, metric_for(name, task));
    if (std::find(metrics.begin(), metrics.end(), metric) == metrics.end()) metrics.push_back(metric);
    begin = end + 1;
  }
  return metrics;
}

std::optional<Table> each_table(const std::vector<const Metric*>& metrics, const Outputs& outputs,
                                const Dataset& data, size_t most) {
  std::vector<std::string> headline = {data.task == Task::kClasses  ? "class"
                                       : data.task == Task::kLabels ? "label"
                                                                    : "quantity",
                                       "samples"};
  std::vector<std::pair<const Metric*, std::vector<Reading>>> columns;
  for (const Metric* metric : metrics) {
    if (metric->each == nullptr) continue;
    headline.emplace_back(metric->name);
    columns.emplace_back(metric, metric->each(outputs, false));
  }
  if (columns.empty()) return std::nullopt;
  Table table(std::move(headline));
  const std::vector<int64_t> samples = support(outputs);
  for (size_t k = 0; k < std::min(samples.size(), most); ++k) {
    std::vector<std::string> row = {name_of(data, k), with_commas(samples[k])};
    for (const auto& [metric, readings] : columns) row.push_back(value_text(*metric, readings[k].value));
    table.add(std::move(row));
  }
  return table;
}

Json metrics_json(const std::vector<const Metric*>& metrics, const Outputs& outputs) {
  Json json = Json::object();
  for (const Metric* metric : metrics)
    json[metric->name] = reading_json(metric->read(outputs), metric->interval_by);
  return json;
}

Json each_json(const std::vector<const Metric*>& metrics, const Outputs& outputs, const Dataset& data) {
  Json list = Json::array();
  const std::vector<int64_t> samples = support(outputs);
  for (size_t k = 0; k < samples.size(); ++k)
    list.push_back(Json{{"name", name_of(data, k)}, {"samples", samples[k]}});
  for (const Metric* metric : metrics) {
    if (metric->each == nullptr) continue;
    const std::vector<Reading> readings = metric->each(outputs, true);
    for (size_t k = 0; k < readings.size(); ++k)
      list[k][metric->name] = reading_json(readings[k], metric->each_by);
  }
  return list;
}

std::string metrics_help() {
  Table table({"metric", "what it is", "task"});
  table.left({0, 1, 2});
  for (const Metric& metric : all_metrics()) {
    std::string name = metric.name, tasks;
    if (*metric.alias != '\0') name += std::string(", ") + metric.alias;
    for (const Task task : metric.tasks) append_item(tasks, task_name(task), ", ");
    table.add({name, metric.summary, metric.tasks.size() == 3 ? "any" : tasks});
  }
  return table.text();
}

std::string evaluation_text(const Evaluation& e, bool boards) {
  switch (e.task) {
    case Task::kClasses:
      return percent(e.accuracy) + " right" + (e.top5 ? ", " + percent(*e.top5) + " among five" : "");
    case Task::kLabels:
      return percent(e.accuracy) + (boards ? " of cells right, " : " of labels right, ") + percent(e.exact) +
             (boards ? " of boards exactly" : " of samples exactly");
    default:
      return "root mean square error " + (e.rmse ? measure_text(*e.rmse) : "-") + ", r2 " +
             (e.r2 ? loss_text(*e.r2) : "-");
  }
}

}  // namespace coppice
