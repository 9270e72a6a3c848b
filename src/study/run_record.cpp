// SPDX-License-Identifier: Apache-2.0
#include "study/run_record.h"

#include <filesystem>
#include <limits>
#include <sstream>

namespace coppice {
namespace {

constexpr uint64_t kLongestRecipe = 1 << 20, kLongestDiary = 1 << 28;

Result<std::optional<double>> optional_real(const JsonObject& json, const char* key) {
  if (!json.has(key)) return std::optional<double>();
  TRY_ASSIGN(const double value, json.real(key));
  return std::optional<double>(value);
}

Result<EpochRow> row_of(const JsonObject& json) {
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  EpochRow row;
  TRY_ASSIGN(row.epoch, json.integer("epoch", 1, kMost));
  TRY_ASSIGN(row.step, json.integer("step", 0, kMost));
  TRY_ASSIGN(row.seconds, json.real("seconds"));
  TRY_ASSIGN(row.learning_rate, json.real("learning_rate"));
  TRY_ASSIGN(row.train_loss, json.real("train_loss"));
  TRY_ASSIGN(row.validation_loss, optional_real(json, "validation_loss"));
  TRY_ASSIGN(row.validation_accuracy, optional_real(json, "validation_accuracy"));
  TRY_ASSIGN(row.best, json.flag("best"));
  return row;
}

Result<std::vector<EpochRow>> rows_of(const std::string& path, const std::string& text) {
  std::vector<EpochRow> rows;
  std::istringstream lines(text);
  int64_t number = 0;
  for (std::string line; std::getline(lines, line);) {
    if (lines.eof()) break;  // no line end: it was cut short
    const std::string place = path + " line " + std::to_string(++number);
    TRY_ASSIGN(const Json json, parse_json(place, line));
    TRY_ASSIGN(const JsonObject object, JsonObject::of(json, place));
    TRY_ASSIGN(EpochRow row, row_of(object));
    rows.push_back(row);
  }
  return rows;
}

}  // namespace

Result<RunRecord> read_run(Env& env, const std::string& directory) {
  RunRecord run;
  run.directory = directory;
  const std::filesystem::path path = std::filesystem::path(directory).lexically_normal();
  run.name = (path.has_filename() ? path : path.parent_path()).filename().string();
  const std::string recipe = join_path(directory, kRecipeFile);
  if (!env.exists(recipe))
    return not_found(directory + ": holds no " + kRecipeFile +
                     "; is it a directory that `coppice train` made?");
  TRY_ASSIGN(const std::string toml, read_all(env, recipe, kLongestRecipe));
  TRY_ASSIGN(const std::vector<Setting> settings, settings_from_toml(toml, recipe));
  TRY_ASSIGN(run.recipe, make_recipe(settings));
  const std::string diary = join_path(directory, kMetricsFile);
  if (env.exists(diary)) {
    TRY_ASSIGN(const std::string text, read_all(env, diary, kLongestDiary));
    TRY_ASSIGN(run.epochs, rows_of(diary, text));
  }
  if (env.exists(join_path(directory, kAccountFile))) {
    TRY_ASSIGN(run.account, read_account(env, directory));
    // It went on since.
    if (!run.epochs.empty() && run.epochs.back().step > run.account->report.progress.step)
      run.account.reset();
  }
  return run;
}

}  // namespace coppice
