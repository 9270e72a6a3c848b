// SPDX-License-Identifier: Apache-2.0
// The runs of a study: where each lies, and the row of each that is over. rows.jsonl in the study's directory
// is the whole result: a study whose runs were deleted, or never came along, is not trained again.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "study/account.h"
#include "study/sweep_study.h"

namespace coppice {

inline constexpr char kSweepRowsFile[] = "rows.jsonl", kSweepRunsFolder[] = "runs";

struct SweepRun {
  size_t cell = 0;  // of the study
  uint64_t seed = 0;
  SweepRecipe recipe;
  std::string id;
  std::string directory;  // "runs/dense-seed-1-0123456789ab", in that of the study
};

struct SweepPlan {
  SweepStudy study;
  std::string directory;
  // The first seed of every cell, then the second: an interrupted study has compared all cells.
  std::vector<SweepRun> runs;

  std::string path_of(const SweepRun& run) const { return join_path(directory, run.directory); }
};

// A run is found by its identity, also where its cell was called otherwise.
Result<SweepPlan> plan_sweep(Env& env, SweepStudy study, std::string directory);

// What a run came to, or why it failed.
struct SweepRow {
  std::string cell, id, run;  // run: its directory, in that of the study
  uint64_t seed = 0;
  SweepRecipe recipe;
  std::string command;             // that trains it again
  int jobs = 0;                    // runs at a time, which share what is faster than a core; 0: not known
  std::string failed;              // a sentence, or empty
  std::optional<Account> account;  // where it did not fail
};

Json sweep_row_json(const SweepRow& row);

class SweepRows {
 public:
  // Reads what is there, and makes rows of runs that are over and have none. Refuses rows whose recipe was
  // another one than the study means today, as a default was changed.
  static Result<SweepRows> read(Env& env, const SweepPlan& plan);

  const SweepRow* of(const SweepRun& run) const;  // null: not over
  // The file is whole at any moment: old or new.
  Status put(Env& env, const SweepPlan& plan, SweepRow row);
  // Of rows that were made from what runs left behind.
  Status add_commands(Env& env, const SweepPlan& plan,
                      const std::function<std::string(const SweepRun&)>& command);

 private:
  Status save(Env& env, const SweepPlan& plan) const;
  Status take(const SweepPlan& plan, const std::string& path, const std::string& text);
  std::map<std::string, SweepRow> rows_;  // by identity
  std::vector<std::string> others_;       // lines of cells that the study does not have any more
};

// The row of a run that is over; empty where it is not. Knows neither command nor jobs.
Result<std::optional<SweepRow>> row_of_run(Env& env, const SweepPlan& plan, const SweepRun& run);

}  // namespace coppice
