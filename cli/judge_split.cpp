// SPDX-License-Identifier: Apache-2.0
#include "judge_split.h"

#include "stop.h"
#include "terminal.h"
#include "train/metrics/said.h"

namespace coppice::cli {

Result<Evaluation> judge_split(Checkpoint& model, const Dataset& data, const Split& split,
                               const std::string& name, Outputs* outputs) {
  TRY_ASSIGN(const std::unique_ptr<Executor> evaluator,
             make_evaluator(model.network, model.info.recipe, data.features));
  ProgressLine line;
  Watch watch;
  watch.stop = &stop_on_signals();
  watch.on_progress = [&](int64_t done, int64_t all) {
    if (line.due()) line.show(evaluation_progress(name, done, all));
  };
  return evaluate(*evaluator, model.network.graph, data, split, watch, outputs);
}

const char* usual_metrics(const Dataset& data) {
  if (data.task == Task::kClasses) return data.outputs < kLeastForTop5 ? "accuracy" : "accuracy,top5";
  return data.task == Task::kLabels ? "accuracy,exact" : "rmse,mae,r2";
}

}  // namespace coppice::cli
