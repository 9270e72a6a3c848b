// SPDX-License-Identifier: Apache-2.0
#include "train/run_log.h"

#include <sstream>

#include "models/json.h"

namespace coppice {
namespace {
constexpr uint64_t kLongest = 1 << 28;

// Rows up to `step`; a last line that a crash cut short is dropped with them.
std::string kept_rows(const std::string& text, int64_t step) {
  std::istringstream lines(text);
  std::string kept;
  for (std::string line; std::getline(lines, line);) {
    const auto row = parse_json("run log", line);
    if (row.ok() && row->is_object() && row->contains("step") && (*row)["step"].is_number_integer() &&
        (*row)["step"].get<int64_t>() <= step)
      kept += line + "\n";
  }
  return kept;
}
}  // namespace

Result<RunLog> RunLog::open(Env& env, const std::string& path, int64_t step) {
  if (step > 0 && env.exists(path)) {
    TRY_ASSIGN(const std::string text, read_all(env, path, kLongest));
    TRY(write_atomic(env, path, kept_rows(text, step)));
  }
  const Env::Mode mode = step > 0 ? Env::Mode::kAppend : Env::Mode::kTruncate;
  TRY_ASSIGN(std::unique_ptr<WriteFile> file, env.open_write(path, mode));
  return RunLog(std::move(file));
}

Status RunLog::append(const EpochEvent& event, Task task, const Metric& metric) {
  Json row{{"epoch", event.epoch},           {"step", event.step},
           {"seconds", event.seconds},       {"learning_rate", event.learning_rate},
           {"train_loss", event.train_loss}, {"live_weights", event.live_weights}};
  if (event.validation) {
    row["validation_loss"] = event.validation->loss;
    if (task == Task::kRegression) {
      row["validation_rmse"] = event.validation->rmse ? Json(*event.validation->rmse) : Json();
      row["validation_r2"] = event.validation->r2 ? Json(*event.validation->r2) : Json();
    } else {
      row["validation_accuracy"] = event.validation->accuracy;
      if (task == Task::kLabels) row["validation_exact"] = event.validation->exact;
    }
    // Also where it is one of those: it has the same value.
    row[std::string("validation_") + metric.name] = event.value ? Json(*event.value) : Json();
  }
  row["best"] = event.best;
  const std::string line = json_text(row) + "\n";
  return file_->append(line.data(), line.size());
}

}  // namespace coppice
