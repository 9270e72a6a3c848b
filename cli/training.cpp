// SPDX-License-Identifier: Apache-2.0
#include "training.h"

#include <algorithm>
#include <optional>

#include "base/text.h"
#include "coppice_build.h"
#include "host/cpu.h"
#include "stop.h"
#include "study/metric_text.h"
#include "study/run_page.h"
#include "terminal.h"
#include "tuning.h"

namespace coppice::cli {
namespace {

std::string data_line(const Dataset& data) {
  std::string line = data.name + ": " + with_commas(data.train.size()) + " train, " +
                     with_commas(data.validation.size()) + " validation, " + with_commas(data.test.size()) +
                     " test; ";
  if (data.boards()) return line + with_commas(data.outputs) + " cells";
  line += outputs_text(data.task, data.outputs);
  constexpr size_t kFew = 5;
  std::string names;
  for (const std::string& name : data.target_names) append_item(names, name, ", ");
  return data.target_names.empty() || data.target_names.size() > kFew ? line : line + " (" + names + ")";
}

std::string weights_line(int64_t live, int64_t total) {
  return with_commas(live) + " of " + with_commas(total) + " weights live (" +
         percent(static_cast<double>(live) / static_cast<double>(total)) + ")";
}

// ", blocks of 16x1 and 1x1" of the layers that are not dense: not each one takes the block that was asked
// for.
std::string blocks_text(const Network& network) {
  std::vector<std::string> blocks;
  for (const LayerChoice& layer : network.choices)
    if (layer.density < 1 && std::find(blocks.begin(), blocks.end(), layer.block.text()) == blocks.end())
      blocks.push_back(layer.block.text());
  std::string text;
  for (const std::string& block : blocks) append_item(text, block, " and ");
  return text.empty() ? "" : ", blocks of " + text;
}

// What came from the file and what did not; where all did, a line says so.
void say_init(const std::string& file, const InitReport& init) {
  say("init     " + with_commas(init.taken()) + " of " + with_commas(static_cast<int64_t>(init.rows.size())) +
      " parameters and statistics from " + file);
  Table table({"", "not from the file", "why"});
  table.left({0, 1, 2});
  for (const InitReport::Row& row : init.rows)
    if (!row.taken) table.add({"        ", row.name, row.outcome});
  for (const std::string& name : init.unused)
    table.add({"        ", name, "in the file, but not in the network"});
  if (init.taken() < static_cast<int64_t>(init.rows.size()) || !init.unused.empty()) say(table.text());
}

// What a run prints while it goes. Owns the table's layout: a headline, then one line an epoch.
class Reporter {
 public:
  Reporter(std::string command, std::string directory, bool quiet)
      : command_(std::move(command)), directory_(std::move(directory)), quiet_(quiet) {}

  void loading(int64_t done, int64_t all) {
    if (!quiet_ && line_.due()) line_.show(loading_progress(done, all));
  }

  void pruning(int64_t done, int64_t all) {
    if (!quiet_ && line_.due())
      line_.show("pruning, step " + std::to_string(done + 1) + " of " + std::to_string(all));
  }

  void plan(const PlanEvent& event) {
    line_.clear();
    loses_weights_ = event.recipe.sparsify.schedule.initial_density > event.recipe.sparsity.density;
    choose_columns(event);
    if (!event.warning.empty()) complain(command_, event.warning);
    if (quiet_) return;
    const Recipe& recipe = event.recipe;
    say("data     " + data_line(event.data));
    say("network  " + recipe.model + ": " +
        weights_line(event.network.live_weights(), event.network.total_weights()) +
        blocks_text(event.network));
    if (!event.init.rows.empty()) say_init(recipe.init, event.init);
    say("plan     " + bytes_text(event.planned_bytes()) + " (weights and optimizer " +
        bytes_text(event.training.params) + "), batch " + std::to_string(recipe.batch) + ", " +
        std::to_string(event.threads) + (event.threads == 1 ? " thread, " : " threads, ") + event.isa +
        " kernels");
    if (!event.network.cost_table.same_rates(shipped_cost_table()))
      say("table    " + cost_table_text(event.network.cost_table));
    if (recipe.sparsify.method != SparsifyConfig().method)
      say("method   " + recipe.sparsify.method + ": " + find_method(recipe.sparsify.method)->summary);
    if (!recipe.teacher.empty())
      say("teacher  " + recipe.teacher + ", share " + percent(recipe.teacher_share) + ", temperature " +
          shortest(recipe.temperature));
    say("run      " + directory_ + ": " + with_commas(event.updates) + " updates, seed " +
        std::to_string(recipe.seed) + "\n");
    std::string headline = right("epoch", 7) + right("train loss", 12);
    for (const Column& column : columns_) headline += right(column.title, kColumn);
    if (loses_weights_) headline += right("live", 11);
    say(headline + right("rate", 11) + right("time", 11));
  }

  void step(const StepEvent& event) {
    if (quiet_ || !line_.due()) return;
    constexpr int64_t kBar = 24;
    const auto filled = static_cast<size_t>(event.updates > 0 ? kBar * event.step / event.updates : 0);
    line_.show("epoch " + std::to_string(event.epoch) + "/" + std::to_string(event.epochs) + " [" +
               std::string(filled, '=') + std::string(kBar - filled, ' ') + "] loss " +
               decimal(event.loss, 4) + "  " + quantity(event.samples_per_second, "samples/s") + "  " +
               seconds_text(event.left_seconds) + " left");
  }

  void evaluation(const EvaluationEvent& event) {
    if (!quiet_ && line_.due()) line_.show(evaluation_progress(event.split, event.done, event.all));
  }

  void epoch(const EpochEvent& event) {
    if (quiet_) return;
    line_.clear();
    std::string line = right(std::to_string(event.epoch) + "/" + std::to_string(event.epochs), 7) +
                       right(loss_text(event.train_loss), 12);
    for (const Column& column : columns_)
      line += right(event.validation ? value_text(*column.metric, column.value(event)) : "-", kColumn);
    if (loses_weights_)
      line += right(
          percent(static_cast<double>(event.live_weights) / static_cast<double>(event.total_weights)), 11);
    line += right(decimal(event.learning_rate, 6), 11) + right(seconds_text(event.seconds), 11);
    say(line + (event.best && event.validation ? "  best" : ""));
  }

  void done() { line_.clear(); }

 private:
  using Value = std::optional<double> (*)(const EpochEvent&);
  struct Column {
    const Metric* metric;
    std::string title;
    Value value;
  };
  static constexpr size_t kColumn = 11;

  static std::string right(const std::string& text, size_t width) {
    return std::string(width - std::min(width, text.size()), ' ') + text;
  }

  // What an evaluation always says for the task, and the metric by which the best is chosen.
  void choose_columns(const PlanEvent& event) {
    const Task task = event.data.task;
    const auto add = [&](const char* metric, const char* title, Value value) {
      columns_.push_back({*metric_for(metric, task), title, value});
    };
    add("loss", "val loss", [](const EpochEvent& e) -> std::optional<double> { return e.validation->loss; });
    if (task == Task::kRegression) {
      add("rmse", "val rmse", [](const EpochEvent& e) { return e.validation->rmse; });
      add("r2", "val r2", [](const EpochEvent& e) { return e.validation->r2; });
    } else {
      add("accuracy", "val acc",
          [](const EpochEvent& e) -> std::optional<double> { return e.validation->accuracy; });
    }
    if (task == Task::kLabels)
      add("exact", "exact", [](const EpochEvent& e) -> std::optional<double> { return e.validation->exact; });
    for (const Column& column : columns_)
      if (column.metric == event.metric) return;
    columns_.push_back({event.metric, std::string("val ") + event.metric->name,
                        [](const EpochEvent& e) { return e.value; }});
  }

  std::string command_, directory_;
  bool quiet_, loses_weights_ = false;
  std::vector<Column> columns_;
  ProgressLine line_;
};

std::string evaluation_line(const Evaluation& e, bool boards) {
  return evaluation_text(e, boards) + " (loss " + loss_text(e.loss) + ", " + with_commas(e.samples) +
         " samples)";
}

void say_account(const TrainReport& report, const std::string& directory, bool boards) {
  if (report.stop == Stop::kInterrupted) {
    say("\nstopped  after update " + with_commas(report.progress.step) + "; `coppice train --resume " +
        directory + "` goes on from there");
    return;
  }
  say(std::string("\nended    ") +
      (report.stop == Stop::kDone       ? "as planned"
       : report.stop == Stop::kPatience ? "early: validation stopped getting better"
                                        : "as its time was over") +
      (report.progress.best_epoch > 0 ? "; the best epoch was " + std::to_string(report.progress.best_epoch)
                                      : "; no epoch was whole"));
  if (report.test) say("test     " + evaluation_line(*report.test, boards));
  // The work is that of the whole run, and so is the time that it is divided by.
  const double rate = report.work.useful / report.seconds_in_all;
  const bool resumed = report.seconds_in_all > report.seconds + 0.1;
  say("time     " + seconds_text(report.seconds) + ", of processors " + seconds_text(report.cpu_seconds) +
      (resumed ? ", since it went on; " + seconds_text(report.seconds_in_all) + " in all" : "") + "; " +
      quantity(rate, "FLOP/s") + " on live weights, evaluation and files included");
  if (report.progress.edits > 0)
    say("edits    " + with_commas(report.progress.edits) + " of the pattern, in " +
        seconds_text(report.progress.edit_seconds) + " (" +
        percent(report.progress.edit_seconds / report.seconds_in_all) + " of the time)");
  if (report.loading.waiting > 0.05 * report.seconds)
    say("data     " + seconds_text(report.loading.waiting) + " of that went by waiting for samples");
  say("weights  " + weights_line(report.live_weights, report.total_weights));
  say("work     " + quantity(report.work.useful, "FLOP") + " useful, " +
      quantity(report.work.executed, "FLOP") + " executed; the dense network takes " +
      quantity(report.work.dense, "FLOP") + " (" + decimal(report.work.dense / report.work.useful, 1) + "x)");
  say("memory   " + bytes_text(report.planned_bytes) + " planned for the network; " +
      bytes_text(report.peak_bytes) + " at most in use, data and program included");
  say("file     " + directory + "/" + kBestFile + ", " + bytes_text(report.best_file_bytes));
  say("page     " + directory + "/" + kPageFile);
}

// The account and the page; without them the run is whole all the same.
Status keep_account(Env& env, const std::string& directory, const Account& account,
                    const Judgement* judgement) {
  TRY(write_account(env, directory, account));
  TRY_ASSIGN(const RunRecord run, read_run(env, directory));
  return write_atomic(env, join_path(directory, kPageFile), run_page(run, judgement));
}

}  // namespace

Result<Told> train_and_tell(Env& env, const std::string& command, TrainRequest request, Tell tell) {
  const std::string directory = request.directory;
  Reporter reporter(command, directory, tell != Tell::kPeople);
  bool boards = false;
  TrainCallbacks callbacks;
  callbacks.on_loading = [&](int64_t done, int64_t all) { reporter.loading(done, all); };
  callbacks.on_pruning = [&](int64_t done, int64_t all) { reporter.pruning(done, all); };
  callbacks.on_plan = [&](const PlanEvent& event) {
    boards = event.data.boards();
    reporter.plan(event);
  };
  callbacks.on_step = [&](const StepEvent& event) { reporter.step(event); };
  callbacks.on_evaluation = [&](const EvaluationEvent& event) { reporter.evaluation(event); };
  callbacks.on_epoch = [&](const EpochEvent& event) { reporter.epoch(event); };
  std::optional<Judgement> judgement;
  callbacks.on_judged = [&](const JudgedEvent& event) {
    if (auto judged = judge(event); judged.ok()) judgement = judged.take();
  };
  callbacks.stop = &stop_on_signals();
  auto report = train(env, std::move(request), callbacks);
  reporter.done();
  TRY(report.status());
  const bool stopped = callbacks.stop->load();
  coppice_cpu cpu;
  coppice_host_cpu(&cpu);
  const Account account{report.take(), COPPICE_PROGRAM, cpu.model};
  const Status kept = keep_account(env, directory, account, judgement ? &*judgement : nullptr);
  if (!kept.ok()) complain(command, kept.message() + "; the run itself is saved");
  if (tell == Tell::kJson)
    say(json_text(account_json(account, directory)));
  else if (tell == Tell::kPeople)
    say_account(account.report, directory, boards);
  return Told{account, stopped};
}

}  // namespace coppice::cli
