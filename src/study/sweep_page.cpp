// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <set>

#include "base/text.h"
#include "report/chart.h"
#include "report/html.h"
#include "report/text.h"
#include "study/metric_text.h"
#include "study/sweep_table.h"

namespace coppice {
namespace {

using Figure = std::optional<double> SweepLine::*;

// Shares as short as they were chosen: 5 %, 0.25 %.
std::string share_text(double share) { return shortest(std::round(1e5 * share) / 1e3) + " %"; }

std::string tick_seconds(double seconds) {
  constexpr double kShort = 10;
  return seconds < kShort ? decimal(seconds, 2) + " s" : seconds_text(seconds);
}

// Accuracy against a figure: cells that differ in their density only are joined to a line, in the order of
// that.
std::string plot(const SweepResult& result, const std::string& title, const std::string& x_name, Figure x,
                 std::function<std::string(double)> x_text) {
  LineChart chart{title, x_name, {}, [&](double value) { return sweep_value_text(result, value); }};
  chart.counts = false;
  chart.logarithmic = true;
  chart.x_text = std::move(x_text);
  std::map<std::string, std::vector<const SweepLine*>> lines;
  std::vector<std::string> order;
  for (const SweepLine& line : result.lines) {
    if (!line.value || !(line.*x) || *(line.*x) <= 0) continue;
    if (lines[line.cell->line].empty()) order.push_back(line.cell->line);
    lines[line.cell->line].push_back(&line);
  }
  for (const std::string& name : order) {
    std::vector<const SweepLine*>& points = lines[name];
    std::stable_sort(points.begin(), points.end(),
                     [](const SweepLine* a, const SweepLine* b) { return a->density < b->density; });
    Series series{name.empty() ? "grid" : name, {}, chart.series.size()};
    series.spots = true;
    for (const SweepLine* point : points) {
      const double mean = point->value->mean, around = point->value->deviation.value_or(0);
      series.points.emplace_back(*(point->*x), mean);
      series.intervals.emplace_back(mean - around, mean + around);
    }
    chart.series.push_back(std::move(series));
  }
  return html_chart(chart);
}

std::string seeds_text(const std::vector<uint64_t>& seeds) {
  std::string text;
  for (const uint64_t seed : seeds) append_item(text, std::to_string(seed), ", ");
  return text;
}

// What every cell says alike, and a table of what they differ in.
std::string protocol(const SweepPlan& plan) {
  std::vector<const SweepRecipe*> recipes(plan.study.cells.size());
  for (const SweepRun& run : plan.runs) recipes[run.cell] = &run.recipe;
  std::set<std::string> keys;
  for (const SweepRecipe* recipe : recipes)
    for (const auto& [key, value] : recipe->chosen) keys.insert(key);
  const auto value_in = [](const SweepRecipe& recipe, const std::string& key) -> std::string {
    for (const RecipeValues* values : {&recipe.chosen, &recipe.usual})
      if (const auto at = values->find(key); at != values->end()) return at->second;
    return "-";
  };
  std::string common;
  std::vector<std::string> differing;
  for (const std::string& key : keys) {
    const std::string first = value_in(*recipes[0], key);
    if (std::all_of(recipes.begin(), recipes.end(),
                    [&](const SweepRecipe* recipe) { return value_in(*recipe, key) == first; }))
      append_item(common, key + " " + first, ", ");
    else
      differing.push_back(key);
  }
  std::string out = "<p>All cells: " + escaped(common) + ". Seeds " + seeds_text(plan.study.seeds);
  for (const SweepCell& cell : plan.study.cells)
    if (cell.seeds != plan.study.seeds) out += "; of " + escaped(cell.name) + " " + seeds_text(cell.seeds);
  out += ". What is not said is as usual for the data and the model.</p>";
  if (differing.empty()) return out;
  std::vector<std::string> headline = {"cell"};
  headline.insert(headline.end(), differing.begin(), differing.end());
  Table table(headline);
  for (size_t c = 0; c < recipes.size(); ++c) {
    std::vector<std::string> row = {plan.study.cells[c].name};
    for (const std::string& key : differing) row.push_back(value_in(*recipes[c], key));
    table.add(std::move(row));
  }
  return out + html_scroll(table.html());
}

std::string judged_text(const SweepResult& result, const std::optional<Evaluation>& evaluation) {
  if (!evaluation) return "-";
  if (result.metric == "r2") return evaluation->r2 ? sweep_value_text(result, *evaluation->r2) : "-";
  return sweep_value_text(result, evaluation->accuracy);
}

// Each run with what made it.
std::string runs_table(const SweepPlan& plan, const SweepResult& result, const SweepRows& rows) {
  Table table({"cell", "seed", "validation", "test", "time", "threads", "runs at a time", "program",
               "processor", "command"});
  table.left({0, 7, 8, 9});
  for (size_t cell = 0; cell < plan.study.cells.size(); ++cell)
    for (const SweepRun& run : plan.runs) {
      const SweepRow* row = run.cell == cell ? rows.of(run) : nullptr;
      if (row == nullptr) continue;
      const std::string& name = plan.study.cells[cell].name;
      if (!row->account) {
        table.add(
            {name, std::to_string(row->seed), "-", "failed", "-", "-", "-", "-", row->failed, row->command});
        continue;
      }
      const Account& account = *row->account;
      table.add({name, std::to_string(row->seed), judged_text(result, account.report.validation),
                 judged_text(result, account.report.test), seconds_text(account.report.seconds_in_all),
                 std::to_string(account.report.threads), row->jobs > 0 ? std::to_string(row->jobs) : "-",
                 account.program, account.cpu, row->command});
    }
  return html_details("Every run, with what made it", html_scroll(table.html()));
}

}  // namespace

std::string sweep_page(const SweepPlan& plan, const SweepResult& result, const SweepRows& rows) {
  const std::string what = (result.split == "test" ? "Test " : "Validation ") + result.metric;
  const std::string plots =
      "<div class=\"charts\">" +
      plot(result, what + " against density", "density", &SweepLine::density, share_text) +
      plot(result, what + " against the work of training", "FLOP", &SweepLine::useful_flop,
           [](double flop) { return quantity(flop, ""); }) +
      plot(result, what + " against time", "time", &SweepLine::seconds, tick_seconds) + "</div>";
  std::string body;
  if (!plan.study.question.empty()) body += "<p>" + escaped(plan.study.question) + "</p>\n";
  body += html_section(
      "What was found",
      html_scroll(sweep_table(plan, result).html()) +
          "<p class=\"mute\">Mean and deviation over the seeds; Student's interval of the mean." +
          (plan.study.baseline.empty()
               ? ""
               : " Against " + escaped(plan.study.baseline) +
                     ": the mean of the differences seed by seed, with its interval.") +
          " FLOP is the work of the training on live weights. A time is that of the machine and its other "
          "work.</p>");
  body +=
      html_section("Plots", "<p class=\"mute\">Bars are one deviation of the seeds up and down.</p>" + plots);
  body += html_section("Protocol", protocol(plan) + runs_table(plan, result, rows));
  return html_page(plan.study.name, body);
}

}  // namespace coppice
