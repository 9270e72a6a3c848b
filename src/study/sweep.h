// SPDX-License-Identifier: Apache-2.0
// Trains what is missing of a study, several runs at a time. Who trains them is not known here: the command
// line starts a process for each, so that a crash costs one run.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "study/sweep_rows.h"

namespace coppice {

// A run that somebody trains. Dropping it stops it and waits for that.
class StartedRun {
 public:
  virtual ~StartedRun() = default;
  // Empty while it goes on, and does not wait; then the sentence with which it ended, "" where all was fine.
  virtual std::optional<std::string> ending() = 0;
  virtual void stop() = 0;  // asks it to save and end
};

class SweepTrainer {
 public:
  virtual ~SweepTrainer() = default;
  // The directory is there; `resume`: so is a checkpoint to go on from.
  virtual Result<std::unique_ptr<StartedRun>> start(const SweepRun& run, const std::string& directory,
                                                    bool resume) = 0;
  virtual std::string command(const SweepRun& run) const = 0;  // for its row
};

struct SweepOptions {
  int jobs = 1;                   // runs at a time
  std::vector<std::string> only;  // names of cells; empty: all
};

struct SweepProgress {
  int64_t done = 0, all = 0, going = 0;  // runs of the cells that are wanted; done or failed
  std::optional<double> left_seconds;    // as it looks
};

struct SweepWatch {
  std::function<void(const SweepRow&, const SweepProgress&)> on_row;
  std::function<void(const SweepProgress&)> on_wait;
  const std::atomic<bool>* stop = nullptr;  // true: stop all runs, with kInterrupted
};

enum class SweepState { kNotRun, kBegun, kFailed, kDone };
const char* state_name(SweepState state);  // "not run"
SweepState state_of(Env& env, const SweepPlan& plan, const SweepRows& rows, const SweepRun& run);

// Runs that failed before are tried again. A failure of this function is one of the study itself; a run that
// fails is a row.
Result<SweepRows> run_sweep(Env& env, const SweepPlan& plan, const SweepOptions& options,
                            SweepTrainer& trainer, const SweepWatch& watch = {});

}  // namespace coppice
