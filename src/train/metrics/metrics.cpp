// SPDX-License-Identifier: Apache-2.0
#include "train/metrics/metrics.h"

#include <algorithm>

#include "base/text.h"
#include "train/metrics/functions.h"

namespace coppice {
namespace {

constexpr char kWilson[] = "Wilson", kDeLong[] = "DeLong", kNormal[] = "normal", kBootstrap[] = "bootstrap",
               kNone[] = "";

std::vector<Metric> make_table() {
  const std::vector<Task> any = {Task::kClasses, Task::kLabels, Task::kRegression};
  const std::vector<Task> decided = {Task::kClasses, Task::kLabels}, classes = {Task::kClasses},
                          labels = {Task::kLabels}, regression = {Task::kRegression};
  constexpr bool kLarger = true, kSmaller = false;
  return {
      {"accuracy", "top1", "share of samples that are right", kWilson, classes, kLarger, Unit::kShare,
       accuracy, accuracy_interval, nullptr, kNone, ""},
      {"accuracy", "", "share of labels that are right", kNormal, labels, kLarger, Unit::kShare, accuracy,
       accuracy_interval, nullptr, kNone, ""},
      {"top5", "", "share of samples whose class is among the five likeliest, of more than five", kWilson,
       classes, kLarger, Unit::kShare, top5, top5_interval, nullptr, kNone, "more than five classes"},
      {"exact", "", "share of samples with every label right", kWilson, labels, kLarger, Unit::kShare, exact,
       exact_interval, nullptr, kNone, ""},
      {"precision", "", "share that is right of what is taken for a class; mean over classes", kBootstrap,
       decided, kLarger, Unit::kShare, precision, precision_interval, precision_each, kWilson, ""},
      {"recall", "balanced_accuracy", "share of a class that is taken for it; mean over classes", kBootstrap,
       decided, kLarger, Unit::kShare, recall, recall_interval, recall_each, kWilson,
       "samples that have a label"},
      {"f1", "macro_f1", "harmonic mean of precision and recall; mean over classes", kBootstrap, decided,
       kLarger, Unit::kShare, f1, f1_interval, f1_each, kNone, ""},
      {"micro_f1", "", "the same of all labels counted as one", kBootstrap, labels, kLarger, Unit::kShare,
       micro_f1, micro_f1_interval, nullptr, kNone, ""},
      {"auc", "", "chance that a sample of a class scores above one of another; mean over classes", kDeLong,
       decided, kLarger, Unit::kPlain, auc, auc_interval, auc_each, kDeLong, "samples of two kinds"},
      {"loss", "", "what training makes small, mean over samples", kNormal, any, kSmaller, Unit::kPlain, loss,
       loss_interval, nullptr, kNone, ""},
      {"mse", "", "mean of squared errors", kNormal, regression, kSmaller, Unit::kTargetSquared, mse,
       mse_interval, mse_each, kNormal, ""},
      {"rmse", "", "root of the mean of squared errors; mean over quantities", kBootstrap, regression,
       kSmaller, Unit::kTarget, rmse, rmse_interval, rmse_each, kBootstrap, ""},
      {"mae", "", "mean of absolute errors", kNormal, regression, kSmaller, Unit::kTarget, mae, mae_interval,
       mae_each, kNormal, ""},
      {"r2", "", "share of the targets' variance that is explained; mean over quantities", kBootstrap,
       regression, kLarger, Unit::kPlain, r2, r2_interval, r2_each, kBootstrap, "targets that vary"},
  };
}

bool is_called(const Metric& metric, const std::string& name) {
  return !name.empty() && (name == metric.name || name == metric.alias);
}

}  // namespace

bool Metric::suits(Task task) const { return std::find(tasks.begin(), tasks.end(), task) != tasks.end(); }

Reading Metric::read(const Outputs& outputs) const {
  const std::optional<double> found = value(outputs);
  return {found, found ? interval(outputs) : std::nullopt};
}

const std::vector<Metric>& all_metrics() {
  static const std::vector<Metric> kTable = make_table();
  return kTable;
}

std::vector<const Metric*> metrics_for(Task task) {
  std::vector<const Metric*> fitting;
  for (const Metric& metric : all_metrics())
    if (metric.suits(task)) fitting.push_back(&metric);
  return fitting;
}

const Metric* find_metric(const std::string& name) {
  for (const Metric& metric : all_metrics())
    if (is_called(metric, name)) return &metric;
  return nullptr;
}

std::string unknown_metric(const std::string& name) {
  std::vector<std::string> known;
  for (const Metric& metric : all_metrics()) {
    known.emplace_back(metric.name);
    if (*metric.alias != '\0') known.emplace_back(metric.alias);
  }
  return "'" + name + "' is no metric; did you mean '" + nearest(name, known) + "'?";
}

Result<const Metric*> metric_for(const std::string& name, Task task) {
  std::string known;
  for (const Metric* fitting : metrics_for(task)) {
    if (is_called(*fitting, name)) return fitting;
    append_item(known, fitting->name, ", ");
  }
  if (find_metric(name) == nullptr) return invalid(unknown_metric(name));
  return invalid("'" + name + "' means nothing where the task is " + task_name(task) + "; there are " +
                 known);
}

const char* usual_metric(Task task) { return task == Task::kRegression ? "loss" : "accuracy"; }

std::vector<int64_t> support(const Outputs& outputs) {
  std::vector<int64_t> counts(static_cast<size_t>(outputs.width));
  if (outputs.task == Task::kRegression) std::fill(counts.begin(), counts.end(), outputs.samples);
  for (const int32_t label : outputs.labels) ++counts[static_cast<size_t>(label)];
  if (outputs.task == Task::kLabels)
    for (size_t i = 0; i < outputs.targets.size(); ++i)
      counts[i % counts.size()] += outputs.targets[i] > 0.5f;
  return counts;
}

}  // namespace coppice
