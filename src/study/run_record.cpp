// SPDX-License-Identifier: Apache-2.0
#include "study/run_record.h"

#include <filesystem>
#include <sstream>
#include <string_view>

namespace coppice {
namespace {

constexpr std::string_view kValidation = "validation_";
constexpr uint64_t kLongestRecipe = 1 << 20, kLongestDiary = 1 << 28;

Result<EpochRow> row_of(const JsonObject& json) {
  constexpr int64_t kMost = int64_t{1} << 53;  // what a double counts to
  EpochRow row;
  TRY_ASSIGN(row.epoch, json.integer("epoch", 1, kMost));
  TRY_ASSIGN(row.step, json.integer("step", 0, kMost));
  TRY_ASSIGN(row.seconds, json.number("seconds"));
  TRY_ASSIGN(row.learning_rate, json.number("learning_rate"));
  TRY_ASSIGN(row.train_loss, json.number("train_loss"));
  TRY_ASSIGN(row.best, json.flag("best"));
  for (const auto& [key, value] : json.raw().items()) {
    if (!key.starts_with(kValidation) || value.is_null()) continue;
    TRY_ASSIGN(row.validation[key.substr(kValidation.size())], json.number(key.c_str()));
  }
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

std::optional<double> EpochRow::of(const std::string& metric) const {
  const auto found = validation.find(metric);
  return found == validation.end() ? std::nullopt : std::optional<double>(found->second);
}

std::string RunRecord::metric() const {
  for (const std::string& known : {recipe.metric, std::string("accuracy"), std::string("r2")})
    for (const EpochRow& row : epochs)
      if (!known.empty() && row.of(known)) return known;
  return "";
}

Result<RunRecord> read_run(Env& env, const std::string& directory) {
  RunRecord run;
  run.directory = directory;
  const std::filesystem::path path = std::filesystem::path(directory).lexically_normal();
  run.name = (path.has_filename() ? path : path.parent_path()).filename().string();
  const std::string recipe = join_path(directory, kRecipeFile);
  if (!env.exists(recipe))
    return not_found(directory + (env.exists(directory)
                                      ? std::string(": holds no ") + kRecipeFile +
                                            "; is it a directory that `coppice train` made?"
                                      : ": there is no such run; `coppice train` makes runs under runs/"));
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
