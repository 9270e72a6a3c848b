// SPDX-License-Identifier: Apache-2.0
#include "study/sweep_rows.h"

#include <algorithm>
#include <cmath>
#include <sstream>

#include "models/models.h"
#include "study/run_record.h"
#include "train/metrics/intervals.h"

namespace coppice {
namespace {

constexpr int kFormatVersion = 1;  // persisted in every row
constexpr uint64_t kLongest = 1 << 28;
constexpr size_t kLongestSlug = 60;

// A name as a part of a path: small letters, digits and points, dashes between them.
std::string slug_of(const std::string& name) {
  std::string out;
  for (const char c : name) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.';
    if (letter)
      out += c;
    else if (c >= 'A' && c <= 'Z')
      out += static_cast<char>(c - 'A' + 'a');
    else if (!out.empty() && out.back() != '-')
      out += '-';
  }
  out.resize(std::min(out.size(), kLongestSlug));
  while (out.ends_with('-')) out.pop_back();
  return out.empty() || out.front() == '.' ? "cell" + out : out;
}

Json values_json(const RecipeValues& values) {
  Json json = Json::object();
  for (const auto& [key, value] : values) json[key] = value;
  return json;
}

Result<RecipeValues> values_of(const JsonObject& json) {
  RecipeValues values;
  for (const auto& [key, value] : json.raw().items()) {
    TRY_ASSIGN(values[key], json.text(key.c_str()));
  }
  return values;
}

// A share of right ones has an interval of its own: so far a run is from one on other samples.
Json judged_json(const Evaluation& evaluation) {
  Json json = evaluation_json(evaluation);
  const bool share = evaluation.accuracy >= 0 && evaluation.accuracy <= 1;
  if (evaluation.task != Task::kClasses || !share) return json;
  const auto interval =
      wilson(std::llround(evaluation.accuracy * static_cast<double>(evaluation.samples)), evaluation.samples);
  json["low"] = interval->low;
  json["high"] = interval->high;
  return json;
}

Result<SweepRow> row_of(const JsonObject& json) {
  TRY(json.expect_version("coppice.sweep", kFormatVersion, "sweep"));
  SweepRow row;
  TRY_ASSIGN(row.cell, json.text("cell"));
  TRY_ASSIGN(row.id, json.text("id"));
  TRY_ASSIGN(row.run, json.text("run"));
  TRY_ASSIGN(const int64_t seed, json.integer("seed", 0, INT64_MAX));
  row.seed = static_cast<uint64_t>(seed);
  TRY_ASSIGN(const JsonObject chosen, json.object("recipe"));
  TRY_ASSIGN(row.recipe.chosen, values_of(chosen));
  TRY_ASSIGN(const JsonObject usual, json.object("usual"));
  TRY_ASSIGN(row.recipe.usual, values_of(usual));
  TRY_ASSIGN(row.command, json.text("command"));
  TRY_ASSIGN(const int64_t jobs, json.integer("jobs", 0, 1 << 16));
  row.jobs = static_cast<int>(jobs);
  if (json.has("failed")) {
    TRY_ASSIGN(row.failed, json.text("failed"));
    return row;
  }
  TRY_ASSIGN(row.account, figures_of(json));
  return row;
}

// The recipe that a row was made with against the one that the study means. Those that both know and nobody
// chose may differ where a default was changed in between.
Status check_same(const SweepRecipe& was, const SweepRecipe& is, const std::string& place) {
  for (const auto& [key, value] : is.usual) {
    const auto before = was.usual.find(key);
    if (before == was.usual.end() || before->second == value) continue;
    return invalid(place + ": was trained with " + key + " = " + before->second +
                   ", which was usual then and is " + value + " now; say " + key +
                   " in the study, or take the row and the run away");
  }
  return {};
}

// A run keeps a table of rates and a graph of one's own beside it, and the full paths of a teacher and of own
// data.
bool kept_otherwise(const std::string& key, const Recipe& recipe) {
  return key == "cost_table" || key == "teacher" || (key == "model" && is_graph_file(recipe.model)) ||
         (key == "data" && is_own_data(recipe.data)) || (key == "val_data" && is_own_data(recipe.val_data));
}

Status check_run(const SweepPlan& plan, const SweepRun& run, const Recipe& made) {
  const Recipe& meant = plan.study.cells[run.cell].recipe;
  for (const RecipeKey& key : recipe_keys()) {
    const std::string name = key.name;
    if (name == "seed" || changes_no_result(name) || kept_otherwise(name, meant) ||
        (key.applies && !key.applies(meant)) || key.print(made) == key.print(meant))
      continue;
    return invalid(plan.path_of(run) + ": was trained with " + name + " = " + key.print(made) +
                   ", and the study means " + key.print(meant) + "; take the run away");
  }
  return {};
}

// Where each identity lies already.
Result<std::map<std::string, std::string>> directories_of(Env& env, const std::string& study) {
  std::map<std::string, std::string> found;
  const std::string folder = join_path(study, kSweepRunsFolder);
  if (!env.is_directory(folder)) return found;
  TRY_ASSIGN(const std::vector<std::string> names, env.list(folder));
  for (const std::string& name : names)
    if (const size_t dash = name.rfind('-'); dash != std::string::npos) found[name.substr(dash + 1)] = name;
  return found;
}

}  // namespace

Result<SweepPlan> plan_sweep(Env& env, SweepStudy study, std::string directory) {
  SweepPlan plan{std::move(study), std::move(directory), {}};
  TRY_ASSIGN(const auto known, directories_of(env, plan.directory));
  std::vector<SweepRecipe> recipes;
  size_t rounds = 0;
  for (const SweepCell& cell : plan.study.cells) {
    TRY_ASSIGN(SweepRecipe recipe, sweep_recipe(env, cell.recipe));
    recipes.push_back(std::move(recipe));
    rounds = std::max(rounds, cell.seeds.size());
  }
  for (size_t round = 0; round < rounds; ++round)
    for (size_t c = 0; c < recipes.size(); ++c) {
      if (round >= plan.study.cells[c].seeds.size()) continue;
      const uint64_t seed = plan.study.cells[c].seeds[round];
      SweepRun run{c, seed, recipes[c], sweep_id(recipes[c], seed), ""};
      const auto there = known.find(run.id);
      const std::string name = there != known.end() ? there->second
                                                    : slug_of(plan.study.cells[c].name) + "-seed-" +
                                                          std::to_string(seed) + "-" + run.id;
      run.directory = join_path(kSweepRunsFolder, name);
      plan.runs.push_back(std::move(run));
    }
  return plan;
}

Json sweep_row_json(const SweepRow& row) {
  Json json{{"coppice.sweep", kFormatVersion},
            {"cell", row.cell},
            {"seed", row.seed},
            {"id", row.id},
            {"recipe", values_json(row.recipe.chosen)},
            {"usual", values_json(row.recipe.usual)},
            {"command", row.command},
            {"run", row.run},
            {"jobs", row.jobs}};
  if (!row.account) {
    json["failed"] = row.failed;
    return json;
  }
  json.update(figures_json(*row.account));
  const TrainReport& report = row.account->report;
  json["density"] = static_cast<double>(report.live_weights) / static_cast<double>(report.total_weights);
  if (report.validation) json["validation"] = judged_json(*report.validation);
  if (report.test) json["test"] = judged_json(*report.test);
  return json;
}

Result<std::optional<SweepRow>> row_of_run(Env& env, const SweepPlan& plan, const SweepRun& run) {
  const std::string path = plan.path_of(run);
  if (!env.exists(join_path(path, kAccountFile))) return std::optional<SweepRow>();
  TRY_ASSIGN(RunRecord record, read_run(env, path));
  if (!record.account || record.account->report.stop == Stop::kInterrupted) return std::optional<SweepRow>();
  TRY(check_run(plan, run, record.recipe));
  SweepRow row;
  row.cell = plan.study.cells[run.cell].name;
  row.id = run.id;
  row.run = run.directory;
  row.seed = run.seed;
  row.recipe = run.recipe;
  row.account = std::move(record.account);
  return std::optional(std::move(row));
}

Result<SweepRows> SweepRows::read(Env& env, const SweepPlan& plan) {
  SweepRows rows;
  const std::string path = join_path(plan.directory, kSweepRowsFile);
  if (env.exists(path)) {
    TRY_ASSIGN(const std::string text, read_all(env, path, kLongest));
    TRY(rows.take(plan, path, text));
  }
  for (const SweepRun& run : plan.runs) {
    const SweepRow* known = rows.of(run);
    if (known != nullptr && known->account) continue;
    TRY_ASSIGN(std::optional<SweepRow> made, row_of_run(env, plan, run));
    if (!made) continue;
    rows.rows_[run.id] = std::move(*made);
  }
  return rows;
}

Status SweepRows::take(const SweepPlan& plan, const std::string& path, const std::string& text) {
  std::map<std::string, const SweepRun*> runs;
  for (const SweepRun& run : plan.runs) runs[run.id] = &run;
  std::istringstream lines(text);
  int64_t number = 0;
  for (std::string line; std::getline(lines, line);) {
    const std::string place = path + " line " + std::to_string(++number);
    TRY_ASSIGN(const Json json, parse_json(place, line));
    TRY_ASSIGN(const JsonObject object, JsonObject::of(json, place));
    TRY_ASSIGN(SweepRow row, row_of(object));
    const auto run = runs.find(row.id);
    if (run == runs.end()) {
      others_.push_back(line);
      continue;
    }
    TRY(check_same(row.recipe, run->second->recipe, place));
    // The study may call it otherwise by now.
    row.cell = plan.study.cells[run->second->cell].name;
    rows_[row.id] = std::move(row);
  }
  return {};
}

const SweepRow* SweepRows::of(const SweepRun& run) const {
  const auto found = rows_.find(run.id);
  return found == rows_.end() ? nullptr : &found->second;
}

Status SweepRows::put(Env& env, const SweepPlan& plan, SweepRow row) {
  rows_[row.id] = std::move(row);
  return save(env, plan);
}

Status SweepRows::add_commands(Env& env, const SweepPlan& plan,
                               const std::function<std::string(const SweepRun&)>& command) {
  bool added = false;
  for (const SweepRun& run : plan.runs) {
    const auto row = rows_.find(run.id);
    if (row == rows_.end() || !row->second.command.empty()) continue;
    row->second.command = command(run);
    added = true;
  }
  return added ? save(env, plan) : Status();
}

// Cell by cell, whatever was over first: the same rows for any number of jobs.
Status SweepRows::save(Env& env, const SweepPlan& plan) const {
  std::string text;
  for (size_t cell = 0; cell < plan.study.cells.size(); ++cell)
    for (const SweepRun& run : plan.runs) {
      const SweepRow* row = run.cell == cell ? of(run) : nullptr;
      if (row != nullptr) text += json_text(sweep_row_json(*row)) + "\n";
    }
  for (const std::string& line : others_) text += line + "\n";
  return write_atomic(env, join_path(plan.directory, kSweepRowsFile), text);
}

}  // namespace coppice
