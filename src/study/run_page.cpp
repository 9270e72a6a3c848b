// SPDX-License-Identifier: Apache-2.0
#include "study/run_page.h"

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "report/chart.h"
#include "report/html.h"
#include "report/text.h"
#include "study/metric_text.h"

namespace coppice {
namespace {

// More classes make a matrix that nobody can read: then the pairs that are mixed up most stand in a list.
constexpr size_t kMostInMatrix = 25, kMostPairs = 30;

std::string share_text(int64_t part, int64_t all) {
  return all > 0 ? percent(static_cast<double>(part) / static_cast<double>(all)) : "-";
}

const char* ending(Stop stop) {
  switch (stop) {
    case Stop::kDone:
      return "ended as planned";
    case Stop::kPatience:
      return "ended early: validation stopped getting better";
    case Stop::kTime:
      return "ended as its time was over";
    default:
      return "stopped; it can go on with --resume";
  }
}

std::string headline(const RunRecord& run) {
  const Recipe& recipe = run.recipe;
  std::string line = recipe.model + " on " + recipe.data + ", density " + shortest(recipe.sparsity.density) +
                     ", seed " + std::to_string(recipe.seed);
  if (run.account) {
    const Account& account = *run.account;
    line += "; " + with_commas(account.report.progress.step) + " updates, " + ending(account.report.stop) +
            ". " + account.program + ", " + account.cpu + ", " + std::to_string(account.report.threads) +
            (account.report.threads == 1 ? " thread, " : " threads, ") + account.report.isa + " kernels";
  } else if (!run.epochs.empty()) {
    line += "; not over yet, or killed, after update " + with_commas(run.epochs.back().step);
  }
  return "<p class=\"mute\">" + escaped(line) + "</p>\n";
}

// Its share of right ones, or how much of the quantities is explained.
std::pair<std::string, std::string> judged(const Evaluation& evaluation, const std::string& split) {
  if (evaluation.task != Task::kRegression) return {percent(evaluation.accuracy), "right, " + split};
  return {evaluation.r2 ? loss_text(*evaluation.r2) : "-", "r2, " + split};
}

std::string tiles(const RunRecord& run) {
  std::vector<std::pair<std::string, std::string>> figures;
  if (run.account) {
    const TrainReport& report = run.account->report;
    if (report.test) figures.push_back(judged(*report.test, "test"));
    if (report.validation) figures.push_back(judged(*report.validation, "validation"));
    figures.emplace_back(
        with_commas(report.live_weights),
        "weights, " + share_text(report.live_weights, report.total_weights) + " of the dense");
    figures.emplace_back(seconds_text(report.seconds_in_all), "in all");
    figures.emplace_back(quantity(report.work.useful, "FLOP"), "of training");
    if (report.best_file_bytes > 0) figures.emplace_back(bytes_text(report.best_file_bytes), "file");
  } else if (!run.epochs.empty()) {
    const EpochRow& last = run.epochs.back();
    const std::string metric = run.metric();
    if (const auto value = last.of(metric))
      figures.emplace_back(value_text(metric, *value), metric + ", validation");
    figures.emplace_back(loss_text(last.train_loss), "loss, training");
    figures.emplace_back(seconds_text(last.seconds), "so far");
  }
  return html_tiles(figures);
}

std::string beside_dense(const TrainReport& report) {
  const auto pair = [](const std::string& title, double ours, double dense, const auto& text) {
    return "<div><h3>" + escaped(title) + "</h3>" +
           html_bars({{"this run", ours, text(ours), 0}, {"dense", dense, text(dense), 7}}) + "</div>";
  };
  const auto bytes = [](double value) { return bytes_text(static_cast<int64_t>(value)); };
  const auto flop = [](double value) { return quantity(value, "FLOP"); };
  const auto count = [](double value) { return with_commas(static_cast<int64_t>(value)); };
  const auto real = [](int64_t value) { return static_cast<double>(value); };
  return html_section("Beside the dense network",
                      "<div class=\"charts\">" +
                          pair("Work of the training", report.work.useful, report.work.dense, flop) +
                          pair("Weights", real(report.live_weights), real(report.total_weights), count) +
                          pair("Weights and optimizer in memory", real(report.parameter_bytes),
                               real(report.dense_parameter_bytes), bytes) +
                          "</div><p class=\"mute\">Counted, not measured: the dense network was not trained "
                          "here, and its memory is that of its "
                          "values alone, while that of this run has indices and padding. With "
                          "activations this run planned " +
                          bytes_text(report.planned_bytes) + ".</p>");
}

std::string layers_section(const TrainReport& report) {
  const NetworkReport& network = report.network;
  const bool timed = network.timed_steps > 0;
  std::vector<Bar> densities, times;
  Table table({"weight", "shape", "live", "of", "density", "block", "format", "ms a step"});
  table.left({0, 1, 6});
  const auto ms = [](double seconds) { return decimal(1000 * seconds, 3); };
  for (const LayerReport& layer : network.layers) {
    densities.push_back({layer.name(), layer.density(), percent(layer.density()), 0});
    times.push_back({layer.name(), layer.seconds, ms(layer.seconds) + " ms", 1});
    table.add({layer.weight, layer.shape, with_commas(layer.live), with_commas(layer.total),
               percent(layer.density()), layer.block, layer.format, timed ? ms(layer.seconds) : "-"});
  }
  std::string body = "<div class=\"charts\"><div><h3>Density</h3>" + html_bars(densities) + "</div>";
  if (timed) {
    times.push_back({"all else", network.other_seconds, ms(network.other_seconds) + " ms", 7});
    body += "<div><h3>Time of processors in a training step</h3>" + html_bars(times) + "</div>";
  }
  body += "</div>";
  if (timed)
    body += "<p class=\"mute\">Forward, gradients and optimizer; the mean of " +
            with_commas(network.timed_steps) +
            " steps. All else: norms, activations, sums, loss. Batches were made beside that, in " +
            seconds_text(report.loading.filling) + " of a processor; the training waited " +
            seconds_text(report.loading.waiting) + " for them.</p>";
  return html_section("Layers", body + html_details("As a table", html_scroll(table.html())));
}

std::string pair_table(const Judgement& judgement) {
  const size_t n = judgement.classes.size();
  std::vector<size_t> pairs;
  for (size_t i = 0; i < n * n; ++i)
    if (i / n != i % n && judgement.confusion[i] > 0) pairs.push_back(i);
  std::stable_sort(pairs.begin(), pairs.end(),
                   [&](size_t a, size_t b) { return judgement.confusion[a] > judgement.confusion[b]; });
  Table table({"is", "said", "samples"});
  table.left({0, 1});
  for (size_t i = 0; i < std::min(pairs.size(), kMostPairs); ++i)
    table.add({judgement.classes[pairs[i] / n], judgement.classes[pairs[i] % n],
               with_commas(judgement.confusion[pairs[i]])});
  return html_scroll(table.html());
}

std::string worst_section(const Judgement& judgement) {
  if (!judgement.worst) return "";
  const bool quantities = judgement.evaluation.task == Task::kRegression;
  return html_section(quantities ? "Its largest errors" : "Its worst mistakes",
                      std::string("<p class=\"mute\">") + (quantities ? "" : "Wrong, and most sure of it. ") +
                          "Samples have the numbers of their places in the data, from 0.</p>" +
                          html_scroll(judgement.worst->html()));
}

std::string judgement_sections(const Judgement& judgement) {
  const std::string samples = "<p class=\"mute\">" + with_commas(judgement.evaluation.samples) +
                              " samples of the " + escaped(judgement.split) + " set";
  std::string out = html_section("How good it is",
                                 samples + ".</p>" + html_scroll(judgement.metrics.html()) +
                                     (judgement.each ? html_scroll("<br>" + judgement.each->html()) : ""));
  if (judgement.classes.empty()) return out + worst_section(judgement);
  const bool matrix = judgement.classes.size() <= kMostInMatrix;
  out += html_section(
      "What it takes for what",
      samples + "; rows are what is true.</p>" +
          (matrix ? html_confusion(judgement.classes, judgement.confusion) : pair_table(judgement)));
  if (judgement.mistakes.empty()) return out + worst_section(judgement);
  std::string pictures = "<div class=\"pictures\">";
  for (const Mistake& mistake : judgement.mistakes)
    pictures += "<div>" + html_picture(mistake.png, mistake.is) + "said <b>" + escaped(mistake.said) +
                "</b>,<br>" + percent(mistake.sure) + " sure<br><span class=\"mute\">is " +
                escaped(mistake.is) + "</span></div>";
  return out + html_section("Its worst mistakes",
                            "<p class=\"mute\">Wrong, and most sure of it.</p>" + pictures + "</div>");
}

}  // namespace

std::string run_charts(std::span<const RunRecord> runs) {
  const bool one = runs.size() == 1;
  LineChart loss{one ? "Loss" : "Loss on validation samples (dashed: training)", "epoch", {}, loss_text};
  std::vector<std::string> metrics;
  for (size_t r = 0; r < runs.size(); ++r) {
    const std::string prefix = one ? "" : runs[r].name + ", ", metric = runs[r].metric();
    Series train{prefix + "training", {}, r, !one}, validation{prefix + "validation", {}, r + one, false};
    for (const EpochRow& row : runs[r].epochs) {
      train.points.emplace_back(row.epoch, row.train_loss);
      if (const auto value = row.of("loss")) validation.points.emplace_back(row.epoch, *value);
    }
    loss.series.push_back(std::move(train));
    if (!validation.points.empty()) loss.series.push_back(std::move(validation));
    if (!metric.empty() && metric != "loss" &&
        std::find(metrics.begin(), metrics.end(), metric) == metrics.end())
      metrics.push_back(metric);
  }
  std::string charts = html_chart(loss);
  for (const std::string& metric : metrics) {
    LineChart chart{
        metric + ", validation", "epoch", {}, [&](double value) { return value_text(metric, value); }};
    for (size_t r = 0; r < runs.size(); ++r) {
      Series series{one ? "validation" : runs[r].name, {}, r + one, false};
      for (const EpochRow& row : runs[r].epochs)
        if (const auto value = row.of(metric)) series.points.emplace_back(row.epoch, *value);
      if (!series.points.empty()) chart.series.push_back(std::move(series));
    }
    charts += html_chart(chart);
  }
  return "<div class=\"charts\">" + charts + "</div>\n";
}

std::string run_page(const RunRecord& run, const Judgement* judgement) {
  std::string body = headline(run) + tiles(run) + html_section("Curves", run_charts({&run, 1}));
  if (run.account) {
    body += beside_dense(run.account->report);
    if (!run.account->report.network.layers.empty()) body += layers_section(run.account->report);
  }
  if (judgement != nullptr) body += judgement_sections(*judgement);
  body += html_details("The recipe", "<p class=\"mute\">coppice train recipe.toml repeats the run.</p><pre>" +
                                         escaped(recipe_to_toml(run.recipe)) + "</pre>");
  return html_page(run.name, body);
}

}  // namespace coppice
