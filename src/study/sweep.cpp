// SPDX-License-Identifier: Apache-2.0
#include "study/sweep.h"

#include <algorithm>
#include <chrono>
#include <set>
#include <thread>

#include "base/text.h"

namespace coppice {
namespace {

// Nobody notices so short a pause between two runs, and so many looks a second cost nothing.
constexpr std::chrono::milliseconds kPause(20);

Status check_names(const SweepStudy& study, const std::vector<std::string>& only) {
  std::vector<std::string> known;
  for (const SweepCell& cell : study.cells) known.push_back(cell.name);
  for (const std::string& name : only)
    if (std::find(known.begin(), known.end(), name) == known.end())
      return invalid("--only: no cell is called '" + name + "'; did you mean '" + nearest(name, known) +
                     "'?");
  return {};
}

class Sweep {
 public:
  Sweep(Env& env, const SweepPlan& plan, const SweepOptions& options, SweepTrainer& trainer,
        const SweepWatch& watch, SweepRows rows)
      : env_(env), plan_(plan), options_(options), trainer_(trainer), watch_(watch), rows_(std::move(rows)) {}

  Result<SweepRows> run();

 private:
  struct Going {
    const SweepRun* run;
    std::unique_ptr<StartedRun> started;
  };
  bool stopping() const { return watch_.stop != nullptr && watch_.stop->load(); }
  bool wanted(const SweepRun& run) const;
  const std::string& name_of(const SweepRun& run) const { return plan_.study.cells[run.cell].name; }
  void choose();
  Status start_some();
  Result<bool> start(const SweepRun& run);
  Status look_after(bool stopped);
  Status over(const SweepRun& run, const std::string& sentence, bool stopped);
  Status put(const SweepRow& row);
  SweepProgress progress() const;

  Env& env_;
  const SweepPlan& plan_;
  const SweepOptions& options_;
  SweepTrainer& trainer_;
  const SweepWatch& watch_;
  SweepRows rows_;
  std::vector<const SweepRun*> waiting_;
  std::vector<Going> going_;
  std::set<std::string> failed_;  // identities of runs that were tried, and will not be again
};

bool Sweep::wanted(const SweepRun& run) const {
  return options_.only.empty() ||
         std::find(options_.only.begin(), options_.only.end(), name_of(run)) != options_.only.end();
}

void Sweep::choose() {
  for (const SweepRun& run : plan_.runs) {
    const SweepRow* row = rows_.of(run);
    if (wanted(run) && (row == nullptr || !row->account)) waiting_.push_back(&run);
  }
}

Result<SweepRows> Sweep::run() {
  TRY(rows_.add_commands(env_, plan_, [&](const SweepRun& run) { return trainer_.command(run); }));
  choose();
  bool stopped = false;
  while (true) {
    if (stopping() && !stopped) {
      stopped = true;
      for (const Going& going : going_) going.started->stop();
    }
    if (!stopped) TRY(start_some());
    TRY(look_after(stopped));
    if (going_.empty() && (stopped || waiting_.empty())) break;
    if (watch_.on_wait) watch_.on_wait(progress());
    std::this_thread::sleep_for(kPause);
  }
  if (stopped) return Status(Code::kInterrupted, "interrupted");
  return std::move(rows_);
}

Status Sweep::start_some() {
  for (size_t i = 0; i < waiting_.size() && going_.size() < static_cast<size_t>(options_.jobs);) {
    TRY_ASSIGN(const bool started, start(*waiting_[i]));
    if (started)
      waiting_.erase(waiting_.begin() + static_cast<std::ptrdiff_t>(i));
    else
      ++i;
  }
  return {};
}

// False where another process trains it: a sweep that was killed leaves such ones behind. Once that is over
// the run is looked at again.
Result<bool> Sweep::start(const SweepRun& run) {
  const std::string directory = plan_.path_of(run);
  TRY(env_.make_directories(directory));
  {
    TRY_ASSIGN(const std::unique_ptr<Lock> lock, env_.lock_directory(directory));
    if (!lock) return false;
  }
  TRY_ASSIGN(std::optional<SweepRow> row, row_of_run(env_, plan_, run));
  if (row) {
    row->command = trainer_.command(run);
    TRY(put(*row));
    return true;
  }
  TRY_ASSIGN(auto started, trainer_.start(run, directory, env_.exists(join_path(directory, kLastFile))));
  going_.push_back({&run, std::move(started)});
  return true;
}

Status Sweep::look_after(bool stopped) {
  for (size_t i = 0; i < going_.size();) {
    const std::optional<std::string> sentence = going_[i].started->ending();
    if (!sentence) {
      ++i;
      continue;
    }
    const SweepRun& run = *going_[i].run;
    going_.erase(going_.begin() + static_cast<std::ptrdiff_t>(i));
    TRY(over(run, *sentence, stopped));
  }
  return {};
}

// Rows are read elsewhere: a sentence names the run as the study's directory does.
std::string told_from(const SweepPlan& plan, const SweepRun& run, std::string sentence) {
  const std::string path = plan.path_of(run);
  for (size_t at = sentence.find(path); at != std::string::npos; at = sentence.find(path, at + 1))
    sentence.replace(at, path.size(), run.directory);
  return sentence;
}

// The account decides: a run may have been over already when it was stopped.
Status Sweep::over(const SweepRun& run, const std::string& sentence, bool stopped) {
  TRY_ASSIGN(std::optional<SweepRow> row, row_of_run(env_, plan_, run));
  if (!row && stopped) return {};
  if (!row) {
    failed_.insert(run.id);
    const std::string why = sentence.empty() ? "it ended without an account of what it came to" : sentence;
    row = SweepRow{
        name_of(run), run.id, run.directory, run.seed, run.recipe, "", 0, told_from(plan_, run, why), {}};
  }
  row->command = trainer_.command(run);
  row->jobs = options_.jobs;
  return put(*row);
}

Status Sweep::put(const SweepRow& row) {
  TRY(rows_.put(env_, plan_, row));
  if (watch_.on_row) watch_.on_row(row, progress());
  return {};
}

// A run takes what other seeds of its cell took, or else what the runs took that there are.
SweepProgress Sweep::progress() const {
  struct Times {
    double sum = 0;
    int64_t count = 0;
    double mean() const { return sum / static_cast<double>(count); }
  };
  SweepProgress out;
  std::vector<Times> cells(plan_.study.cells.size());
  std::vector<const SweepRun*> left;
  Times all;
  for (const SweepRun& run : plan_.runs) {
    const SweepRow* row = rows_.of(run);
    const bool done = row != nullptr && row->account;
    if (done)
      for (Times* times : {&cells[run.cell], &all}) {
        times->sum += row->account->report.seconds_in_all;
        ++times->count;
      }
    if (!wanted(run)) continue;
    ++out.all;
    const bool over = done || failed_.contains(run.id);
    out.done += over;
    if (!over) left.push_back(&run);
  }
  out.going = static_cast<int64_t>(going_.size());
  if (all.count == 0) return out;
  double seconds = 0;
  for (const SweepRun* run : left) seconds += (cells[run->cell].count > 0 ? cells[run->cell] : all).mean();
  out.left_seconds = seconds / options_.jobs;
  return out;
}

}  // namespace

const char* state_name(SweepState state) {
  switch (state) {
    case SweepState::kDone:
      return "done";
    case SweepState::kBegun:
      return "begun";
    case SweepState::kFailed:
      return "failed";
    default:
      return "not run";
  }
}

SweepState state_of(Env& env, const SweepPlan& plan, const SweepRows& rows, const SweepRun& run) {
  if (const SweepRow* row = rows.of(run)) return row->account ? SweepState::kDone : SweepState::kFailed;
  return env.exists(join_path(plan.path_of(run), kLastFile)) ? SweepState::kBegun : SweepState::kNotRun;
}

Result<SweepRows> run_sweep(Env& env, const SweepPlan& plan, const SweepOptions& options,
                            SweepTrainer& trainer, const SweepWatch& watch) {
  TRY(check_names(plan.study, options.only));
  TRY(env.make_directories(plan.directory));
  TRY_ASSIGN(const std::unique_ptr<Lock> lock, env.lock_directory(plan.directory));
  if (!lock)
    return Status(Code::kIo, plan.directory +
                                 ": another process sweeps here; wait for it, stop it, or choose another "
                                 "place with --out");
  TRY_ASSIGN(SweepRows rows, SweepRows::read(env, plan));
  return Sweep(env, plan, options, trainer, watch, std::move(rows)).run();
}

}  // namespace coppice
