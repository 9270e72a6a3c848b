// SPDX-License-Identifier: Apache-2.0
#include "study/sweep_table.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "report/text.h"
#include "study/metric_text.h"

namespace coppice {
namespace {

constexpr char kUnknown[] = "-", kTest[] = "test", kValidation[] = "validation";

// Rows of a cell that did not fail, in the order of the seeds; and how many failed.
struct CellRows {
  std::vector<const SweepRow*> done;
  int64_t failed = 0;
};

std::vector<CellRows> rows_by_cell(const SweepPlan& plan, const SweepRows& rows) {
  std::vector<CellRows> cells(plan.study.cells.size());
  for (const SweepRun& run : plan.runs) {
    const SweepRow* row = rows.of(run);
    if (row == nullptr) continue;
    if (row->account)
      cells[run.cell].done.push_back(row);
    else
      ++cells[run.cell].failed;
  }
  return cells;
}

const std::optional<Evaluation>& evaluation_of(const SweepRow& row, const std::string& split) {
  const TrainReport& report = row.account->report;
  return split == kTest ? report.test : report.validation;
}

std::optional<double> value_of(const SweepRow& row, const SweepResult& result) {
  const std::optional<Evaluation>& evaluation = evaluation_of(row, result.split);
  if (!evaluation) return std::nullopt;
  return result.metric == "r2" ? evaluation->r2 : std::optional(evaluation->accuracy);
}

template <class Get>
std::optional<double> mean_over(const std::vector<const SweepRow*>& rows, Get get) {
  if (rows.empty()) return std::nullopt;
  double sum = 0;
  for (const SweepRow* row : rows) sum += get(row->account->report);
  return sum / static_cast<double>(rows.size());
}

// Each seed of a cell less the same seed of the baseline.
std::optional<Spread> difference_of(const CellRows& cell, const CellRows& baseline,
                                    const SweepResult& result) {
  std::vector<double> differences;
  for (const SweepRow* row : cell.done)
    for (const SweepRow* other : baseline.done) {
      if (row->seed != other->seed) continue;
      const auto a = value_of(*row, result), b = value_of(*other, result);
      if (a && b) differences.push_back(*a - *b);
    }
  return differences.empty() ? std::nullopt : std::optional(spread_of(differences));
}

bool is_share(const SweepResult& result) { return result.metric == "accuracy"; }

// How far values lie apart: of shares in points of percent.
std::string width_text(const SweepResult& result, double width) {
  return is_share(result) ? decimal(100 * width, 2) : loss_text(width);
}

std::string runs_text(const SweepLine& line) {
  if (line.done == 0 && line.failed == 0) return "not run";
  std::string text = std::to_string(line.done) + " of " + std::to_string(line.cell->seeds.size());
  if (line.failed > 0) text += ", " + std::to_string(line.failed) + " failed";
  return text;
}

std::string value_cell(const SweepResult& result, const Spread& spread) {
  const std::string mean = sweep_value_text(result, spread.mean);
  return spread.deviation ? mean + " ± " + width_text(result, *spread.deviation) : mean;
}

std::string interval_text(const SweepResult& result, const std::optional<Spread>& spread) {
  if (!spread) return kUnknown;
  if (!spread->interval) return "one seed";
  return sweep_value_text(result, spread->interval->low) + " to " +
         sweep_value_text(result, spread->interval->high);
}

std::string difference_cell(const SweepPlan& plan, const SweepResult& result, const SweepLine& line) {
  if (line.cell->name == plan.study.baseline || !line.difference) return kUnknown;
  const Spread& spread = *line.difference;
  std::string text = sweep_difference_text(result, spread.mean);
  if (!spread.interval) return text + " (one pair)";
  text += " (" + sweep_difference_text(result, spread.interval->low) + " to " +
          sweep_difference_text(result, spread.interval->high) + ")";
  return spread.count == line.done ? text : text + ", " + std::to_string(spread.count) + " pairs";
}

Json spread_json(const std::optional<Spread>& spread) {
  if (!spread) return {};
  return Json{{"count", spread->count},
              {"mean", spread->mean},
              {"deviation", spread->deviation ? Json(*spread->deviation) : Json()},
              {"low", spread->interval ? Json(spread->interval->low) : Json()},
              {"high", spread->interval ? Json(spread->interval->high) : Json()}};
}

Json number_json(const std::optional<double>& number) { return number ? Json(*number) : Json(); }

}  // namespace

Spread spread_of(const std::vector<double>& values) {
  Spread spread;
  spread.count = static_cast<int64_t>(values.size());
  spread.mean = std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
  if (values.size() >= 2) spread.deviation = deviation_of(values);
  spread.interval = student_interval(values);
  return spread;
}

SweepResult sweep_result(const SweepPlan& plan, const SweepRows& rows) {
  const std::vector<CellRows> cells = rows_by_cell(plan, rows);
  SweepResult result{"accuracy", kValidation, {}};
  for (const CellRows& cell : cells)
    for (const SweepRow* row : cell.done) {
      if (row->account->report.test) result.split = kTest;
      for (const char* split : {kTest, kValidation})
        if (const auto& judged = evaluation_of(*row, split); judged && judged->task == Task::kRegression)
          result.metric = "r2";
    }
  const CellRows* baseline = nullptr;
  for (size_t c = 0; c < cells.size(); ++c)
    if (plan.study.cells[c].name == plan.study.baseline) baseline = &cells[c];
  for (size_t c = 0; c < cells.size(); ++c) {
    const CellRows& cell = cells[c];
    SweepLine line{
        &plan.study.cells[c], static_cast<int64_t>(cell.done.size()), cell.failed, {}, {}, {}, {}, {}, {}};
    std::vector<double> values;
    for (const SweepRow* row : cell.done)
      if (const auto value = value_of(*row, result)) values.push_back(*value);
    if (!values.empty()) line.value = spread_of(values);
    if (baseline != nullptr) line.difference = difference_of(cell, *baseline, result);
    line.density = mean_over(cell.done, [](const TrainReport& r) {
      return static_cast<double>(r.live_weights) / static_cast<double>(r.total_weights);
    });
    line.useful_flop = mean_over(cell.done, [](const TrainReport& r) { return r.work.useful; });
    line.share_of_dense_flop = mean_over(
        cell.done, [](const TrainReport& r) { return r.work.dense > 0 ? r.work.useful / r.work.dense : 0; });
    line.seconds = mean_over(cell.done, [](const TrainReport& r) { return r.seconds_in_all; });
    result.lines.push_back(line);
  }
  return result;
}

std::string sweep_value_text(const SweepResult& result, double value) {
  return value_text(result.metric, value);
}

std::string sweep_difference_text(const SweepResult& result, double difference) {
  return (difference >= 0 ? "+" : "") + width_text(result, difference);
}

Table sweep_table(const SweepPlan& plan, const SweepResult& result) {
  const bool compares = !plan.study.baseline.empty();
  std::vector<std::string> headline = {"cell", "runs", result.split + " " + result.metric, "95 % interval"};
  if (compares) headline.push_back("against " + plan.study.baseline);
  for (const char* name : {"density", "of dense FLOP", "FLOP", "time"}) headline.emplace_back(name);
  Table table(headline);
  for (const SweepLine& line : result.lines) {
    const auto text = [](const std::optional<double>& value, const auto& as) {
      return value ? as(*value) : std::string(kUnknown);
    };
    std::vector<std::string> row = {line.cell->name, runs_text(line),
                                    line.value ? value_cell(result, *line.value) : kUnknown,
                                    interval_text(result, line.value)};
    if (compares) row.push_back(difference_cell(plan, result, line));
    row.push_back(text(line.density, percent));
    row.push_back(text(line.share_of_dense_flop, percent));
    row.push_back(text(line.useful_flop, [](double flop) { return quantity(flop, ""); }));
    row.push_back(text(line.seconds, seconds_text));
    table.add(std::move(row));
  }
  return table;
}

Json sweep_json(const SweepPlan& plan, const SweepResult& result, const SweepRows& rows) {
  Json cells = Json::array();
  for (size_t c = 0; c < result.lines.size(); ++c) {
    const SweepLine& line = result.lines[c];
    Json own = Json::array();
    for (const SweepRun& run : plan.runs)
      if (const SweepRow* row = run.cell == c ? rows.of(run) : nullptr) own.push_back(sweep_row_json(*row));
    cells.push_back(Json{{"cell", line.cell->name},
                         {"seeds", line.cell->seeds},
                         {"done", line.done},
                         {"failed", line.failed},
                         {"not_run", static_cast<int64_t>(line.cell->seeds.size()) - line.done - line.failed},
                         {"value", spread_json(line.value)},
                         {"difference", spread_json(line.difference)},
                         {"density", number_json(line.density)},
                         {"share_of_dense_flop", number_json(line.share_of_dense_flop)},
                         {"useful_flop", number_json(line.useful_flop)},
                         {"seconds", number_json(line.seconds)},
                         {"rows", std::move(own)}});
  }
  return Json{{"study", plan.study.name},
              {"question", plan.study.question},
              {"baseline", plan.study.baseline.empty() ? Json() : Json(plan.study.baseline)},
              {"metric", result.metric},
              {"split", result.split},
              {"cells", std::move(cells)}};
}

}  // namespace coppice
