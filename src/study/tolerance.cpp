// SPDX-License-Identifier: Apache-2.0
#include "study/tolerance.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "base/text.h"
#include "study/sweep_study.h"

namespace coppice {
namespace {

Trial trial_of(const TrialRequest& request, const std::vector<EpochRow>& rows) {
  Trial trial;
  trial.directory = request.directory;
  trial.density = request.recipe.sparsity.density;
  trial.epochs = static_cast<int64_t>(rows.size());
  trial.of = request.recipe.epochs;
  bool final = false;
  for (const EpochRow& row : rows) {
    final |= row.best;
    if (const auto value = row.of(request.metric); final && value)
      trial.value = std::max(*value, trial.value.value_or(*value));
  }
  if (request.wanted)
    trial.verdict = verdict_of(rows, request.metric, *request.wanted, request.recipe.epochs);
  return trial;
}

bool is_over(const Trial& trial) { return trial.verdict != Verdict::kOpen || trial.epochs >= trial.of; }

// The checkpoint of a run that lies there already.
Result<std::optional<Checkpoint>> begun(Env& env, const TrialRequest& request) {
  const std::string last = join_path(request.directory, kLastFile);
  if (!env.exists(last)) return std::optional<Checkpoint>();
  TRY_ASSIGN(Checkpoint from, read_checkpoint(env, last));
  // Of the graph and the table the run has copies; all else that decides about bits has to be the same.
  for (const RecipeKey& key : recipe_keys())
    if (!changes_no_result(key.name) && key.name != std::string("model") &&
        key.name != std::string("cost_table") && key.print(from.info.recipe) != key.print(request.recipe))
      return invalid(request.directory + ": holds a run with another " + key.name +
                     "; choose another place with --out");
  return std::optional<Checkpoint>(std::move(from));
}

}  // namespace

std::optional<double> DensitySearch::next() const {
  if (left_ <= 0) return std::nullopt;
  // Two digits say as much as anybody wants to know, and make readable names.
  char text[32];
  std::snprintf(text, sizeof text, "%.2g", std::sqrt(bad_ * good_));
  double rounded = 0;
  parse_number(std::string(text), &rounded);
  return rounded > bad_ && rounded < good_ ? std::optional(rounded) : std::nullopt;
}

void DensitySearch::tell(double density, bool enough) {
  (enough ? good_ : bad_) = density;
  --left_;
}

Verdict verdict_of(const std::vector<EpochRow>& rows, const std::string& metric, double wanted,
                   int64_t epochs) {
  const auto first = std::find_if(rows.begin(), rows.end(), [](const EpochRow& row) { return row.best; });
  if (first == rows.end()) return Verdict::kOpen;
  double best = first->of(metric).value_or(0);
  const double begin = best;
  for (auto row = first; row != rows.end(); ++row) best = std::max(best, row->of(metric).value_or(0));
  if (best >= wanted) return Verdict::kEnough;
  const auto done = rows.end() - first - 1;
  const auto left = epochs - static_cast<int64_t>(rows.size());
  if (done < 1 || done < left || left == 0) return Verdict::kOpen;
  const double gain = (best - begin) / static_cast<double>(done);
  return best + 2 * gain * static_cast<double>(left) < wanted ? Verdict::kHopeless : Verdict::kOpen;
}

Result<Trial> run_trial(Env& env, const TrialRequest& request, const std::atomic<bool>* stop,
                        const std::function<void(const StepEvent&)>& on_step) {
  TRY_ASSIGN(std::optional<Checkpoint> from, begun(env, request));
  std::vector<EpochRow> rows;
  if (from) {
    TRY_ASSIGN(RunRecord record, read_run(env, request.directory));
    rows = std::move(record.epochs);
    // Those that were written before a crash kept the state from being saved are trained again.
    std::erase_if(rows, [&](const EpochRow& row) { return row.step > from->info.progress.step; });
    if (const Trial trial = trial_of(request, rows); is_over(trial)) return trial;
  }
  std::atomic<bool> ended{false};
  TrainCallbacks callbacks;
  callbacks.stop = &ended;
  const auto obey = [&] {
    if (stop != nullptr && stop->load(std::memory_order_relaxed)) ended = true;
  };
  callbacks.on_step = [&](const StepEvent& event) {
    if (on_step) on_step(event);
    obey();
  };
  callbacks.on_evaluation = [&](const EvaluationEvent&) { obey(); };
  callbacks.on_loading = callbacks.on_pruning = [&](int64_t, int64_t) { obey(); };
  callbacks.on_epoch = [&](const EpochEvent& event) {
    EpochRow row;
    row.epoch = event.epoch;
    row.best = event.best;
    if (event.value) row.validation[request.metric] = *event.value;
    rows.push_back(row);
    if (is_over(trial_of(request, rows))) ended = true;
  };
  TRY_ASSIGN(const TrainReport report,
             train(env, {request.recipe, request.directory, std::move(from), true}, callbacks));
  Trial trial = trial_of(request, rows);
  if (report.stop != Stop::kInterrupted) trial.of = trial.epochs;  // patience, or a limit of time or steps
  if (is_over(trial)) return trial;
  return Status(Code::kInterrupted, "interrupted");
}

}  // namespace coppice
