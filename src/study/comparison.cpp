// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <functional>

#include "report/html.h"
#include "report/text.h"
#include "study/metric_text.h"
#include "study/run_page.h"

namespace coppice {
namespace {

constexpr char kUnknown[] = "-";

// A figure of a run, and how it reads. Where `ratio` is set, how it stands to that of the first run is told
// too.
struct Figure {
  const char* name;
  std::function<std::optional<double>(const RunRecord&)> value;
  std::function<std::string(double)> text;
  bool ratio;
};

std::string count_text(double value) { return with_commas(static_cast<int64_t>(value)); }
std::string size_text(double value) { return bytes_text(static_cast<int64_t>(value)); }
std::string flop_text(double value) { return quantity(value, "FLOP"); }
std::string time_text(double value) { return seconds_text(value); }
std::string share_text(double value) { return percent(value); }

// Of the account, which a run has when it is over.
template <class Get>
std::function<std::optional<double>(const RunRecord&)> of_report(Get get) {
  return [get](const RunRecord& run) -> std::optional<double> {
    if (!run.account) return std::nullopt;
    return get(run.account->report);
  };
}

template <class Get>
std::function<std::optional<double>(const RunRecord&)> of_test(Get get) {
  return of_report(
      [get](const TrainReport& report) { return report.test ? get(*report.test) : std::nullopt; });
}

// The best value of each run's metric on the validation samples; in a row for each metric.
void add_best(std::span<const RunRecord> runs, Table& table) {
  std::vector<std::string> done;
  for (const RunRecord& run : runs) {
    const std::string metric = run.metric();
    if (metric.empty() || std::find(done.begin(), done.end(), metric) != done.end()) continue;
    done.push_back(metric);
    std::vector<std::string> row{metric + ", validation"};
    for (const RunRecord& other : runs) {
      std::optional<double> best;
      for (const EpochRow& epoch : other.epochs)
        if (epoch.best && epoch.of(metric)) best = epoch.of(metric);
      row.push_back(best ? value_text(metric, *best) : kUnknown);
    }
    table.add(std::move(row));
  }
}

const std::vector<Figure>& figures() {
  using Report = TrainReport;
  const auto real = [](auto member) {
    return of_report(
        [member](const Report& r) { return std::optional<double>(static_cast<double>(r.*member)); });
  };
  static const std::vector<Figure> kAll = {
      {"right, test", of_test([](const Evaluation& e) {
         return e.task != Task::kRegression ? std::optional<double>(e.accuracy) : std::nullopt;
       }),
       share_text, false},
      {"r2, test", of_test([](const Evaluation& e) { return e.r2; }), loss_text, false},
      {"rmse, test",
       of_test([](const Evaluation& e) { return e.task == Task::kRegression ? e.rmse : std::nullopt; }),
       measure_text, false},
      {"epochs done",
       [](const RunRecord& run) { return std::optional<double>(static_cast<double>(run.epochs.size())); },
       count_text, false},
      {"weights", real(&Report::live_weights), count_text, true},
      {"of the dense weights", of_report([](const Report& r) {
         return std::optional<double>(static_cast<double>(r.live_weights) /
                                      static_cast<double>(r.total_weights));
       }),
       share_text, false},
      {"time", real(&Report::seconds_in_all), time_text, true},
      {"work of the training",
       of_report([](const Report& r) { return std::optional<double>(r.work.useful); }), flop_text, true},
      {"weights and optimizer", real(&Report::parameter_bytes), size_text, true},
      {"planned memory", real(&Report::planned_bytes), size_text, true},
      {"file", of_report([](const Report& r) {
         return r.best_file_bytes > 0 ? std::optional<double>(static_cast<double>(r.best_file_bytes))
                                      : std::nullopt;
       }),
       size_text, true},
      {"threads", real(&Report::threads), count_text, false},
  };
  return kAll;
}

// A row for each key of a recipe that is not the same in all.
void add_differences(std::span<const RunRecord> runs, Table& table) {
  for (const RecipeKey& key : recipe_keys()) {
    std::vector<std::string> row{key.name};
    for (const RunRecord& run : runs) {
      const std::string value = key.applies && !key.applies(run.recipe) ? "" : key.print(run.recipe);
      row.push_back(value.empty() ? kUnknown : value);
    }
    if (std::any_of(row.begin() + 2, row.end(), [&](const std::string& cell) { return cell != row[1]; }))
      table.add(std::move(row));
  }
}

}  // namespace

Table comparison_table(std::span<const RunRecord> runs) {
  std::vector<std::string> headline{""};
  for (const RunRecord& run : runs) headline.push_back(run.name);
  Table table(std::move(headline));
  add_differences(runs, table);
  std::vector<std::string> endings{"ended"};
  for (const RunRecord& run : runs)
    endings.emplace_back(run.account ? stop_name(run.account->report.stop) : "not over, or killed");
  table.add(std::move(endings));
  add_best(runs, table);
  for (const Figure& figure : figures()) {
    // Whoever has no quantities needs no row for them.
    if (std::none_of(runs.begin(), runs.end(),
                     [&](const RunRecord& run) { return figure.value(run).has_value(); }))
      continue;
    std::vector<std::string> row{figure.name};
    const std::optional<double> first = figure.value(runs[0]);
    for (size_t r = 0; r < runs.size(); ++r) {
      const std::optional<double> value = figure.value(runs[r]);
      std::string cell = value ? figure.text(*value) : kUnknown;
      if (figure.ratio && r > 0 && value && first && *first > 0)
        cell += " (" + decimal(*value / *first, 2) + "x)";
      row.push_back(std::move(cell));
    }
    table.add(std::move(row));
  }
  return table;
}

std::string comparison_page(std::span<const RunRecord> runs) {
  std::vector<Bar> right, time, work;
  for (size_t r = 0; r < runs.size(); ++r) {
    if (!runs[r].account) continue;
    const TrainReport& report = runs[r].account->report;
    if (report.test && report.test->task != Task::kRegression)
      right.push_back({runs[r].name, report.test->accuracy, percent(report.test->accuracy), r});
    time.push_back({runs[r].name, report.seconds_in_all, seconds_text(report.seconds_in_all), r});
    work.push_back({runs[r].name, report.work.useful, flop_text(report.work.useful), r});
  }
  const auto block = [](const std::string& title, const std::vector<Bar>& bars) {
    return bars.empty() ? "" : "<div><h3>" + escaped(title) + "</h3>" + html_bars(bars) + "</div>";
  };
  return html_page(
      "Runs side by side",
      html_section(
          "Figures",
          html_scroll(comparison_table(runs).html()) +
              "<p class=\"mute\">Rows of the recipe stand there where they differ; (0.25x): a quarter of "
              "the first run's. A time is that of the machine and its other work.</p>") +
          html_section("Curves", run_charts(runs)) +
          html_section("What it came to and what it took",
                       "<div class=\"charts\">" + block("Right, test", right) + block("Time", time) +
                           block("Work of the training", work) + "</div>"));
}

}  // namespace coppice
