// SPDX-License-Identifier: Apache-2.0
#include "study/sweep.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>

#include "command.h"
#include "host/processors.h"
#include "host/usage.h"
#include "stop.h"
#include "study/metric_text.h"
#include "study/sweep_table.h"
#include "sweep_trainer.h"
#include "terminal.h"
#include "train/trainer.h"

namespace coppice::cli {
namespace {

constexpr char kName[] = "sweep";
constexpr char kSuffix[] = ".toml";
constexpr char kExamples[] =
    "\nA study, in TOML (docs/sweep.md):\n"
    "  [study]\n"
    "  question = \"What does a tenth of the weights cost?\"\n"
    "  seeds = 3\n"
    "  baseline = \"dense\"\n"
    "  [recipe]                  # keys as in a recipe, for all cells\n"
    "  data = \"glyphs\"\n"
    "  [[cell]]\n"
    "  name = \"dense\"\n"
    "  [grid]                    # and a cell for each combination\n"
    "  density = [0.2, 0.1]\n"
    "Ctrl-C stops all runs and saves them; the same command goes on with them.\n"
    "Examples:\n"
    "  coppice sweep study.toml --dry-run\n"
    "  coppice sweep study.toml --jobs 4 --threads 2\n"
    "  coppice sweep study.toml --only dense";

struct SweepArguments {
  std::string study, out, html;
  std::vector<std::string> only;
  int jobs = 0, threads = 0;
  bool dry_run = false, table = false, json = false;
};

// A study and its directory have one name.
Result<std::string> directory_of(Env& env, const SweepArguments& arguments) {
  std::string directory = arguments.out;
  if (directory.empty()) {
    if (!arguments.study.ends_with(kSuffix))
      return invalid(arguments.study + ": the directory of a study has its name without " + kSuffix +
                     "; rename it, or choose a place with --out");
    directory = arguments.study.substr(0, arguments.study.size() - std::string(kSuffix).size());
  }
  if (env.exists(join_path(directory, kRecipeFile)))
    return invalid(directory + ": holds a run of `coppice train`; choose another place with --out");
  return directory;
}

// All cores, one for each run, unless somebody says otherwise.
void share_cores(SweepArguments& arguments, size_t runs) {
  const int cores = coppice_host_threads();
  if (arguments.jobs == 0)
    arguments.jobs = arguments.threads > 0 ? std::max(1, cores / arguments.threads)
                                           : std::min(cores, static_cast<int>(runs));
  if (arguments.threads == 0) arguments.threads = std::max(1, cores / arguments.jobs);
}

void say_runs(Env& env, const SweepPlan& plan, const SweepRows& rows, const ProcessTrainer& trainer,
              bool json) {
  Table table({"cell", "seed", "state", "directory"});
  table.left({0, 2, 3});
  Json list = Json::array();
  for (const SweepRun& run : plan.runs) {
    const std::string& cell = plan.study.cells[run.cell].name;
    const char* state = state_name(state_of(env, plan, rows, run));
    table.add({cell, std::to_string(run.seed), state, plan.path_of(run)});
    list.push_back(Json{{"cell", cell},
                        {"seed", run.seed},
                        {"state", state},
                        {"directory", plan.path_of(run)},
                        {"command", trainer.command(run)}});
  }
  say(json ? json_text(list) : table.text());
}

// Lines of the runs that are over, and one that moves; nothing where nobody watches.
class Watcher {
 public:
  Watcher() : terminal_(coppice_host_is_terminal(2) != 0) {}

  SweepWatch watch() {
    SweepWatch watch;
    watch.on_row = [this](const SweepRow& row, const SweepProgress& progress) { over(row, progress); };
    watch.on_wait = [this](const SweepProgress& progress) {
      if (line_.due()) line_.show(progress_text(progress));
    };
    watch.stop = &stop_on_signals();
    return watch;
  }
  void clear() { line_.clear(); }

 private:
  static std::string progress_text(const SweepProgress& progress) {
    std::string text = with_commas(progress.done) + " of " + with_commas(progress.all) + " runs";
    if (progress.going > 0) text += ", " + with_commas(progress.going) + " going on";
    if (progress.left_seconds && progress.done < progress.all)
      text += ", about " + seconds_text(*progress.left_seconds) + " left";
    return text;
  }
  void over(const SweepRow& row, const SweepProgress& progress) {
    if (!terminal_) return;
    line_.clear();
    std::string text = row.cell + ", seed " + std::to_string(row.seed) + ": ";
    if (row.account) {
      const TrainReport& report = row.account->report;
      if (const auto& judged = report.test ? report.test : report.validation)
        text += evaluation_text(*judged, false) + " in ";
      text += seconds_text(report.seconds_in_all);
    } else {
      text += "failed: " + row.failed;
    }
    std::fprintf(stderr, "%s (%s)\n", text.c_str(), progress_text(progress).c_str());
  }

  bool terminal_;
  ProgressLine line_;
};

// The sentences of what failed; true if there are any.
bool complain_of_failures(const SweepPlan& plan, const SweepRows& rows) {
  bool any = false;
  for (const SweepRun& run : plan.runs) {
    const SweepRow* row = rows.of(run);
    if (row == nullptr || row->account) continue;
    any = true;
    complain(kName, "cell '" + plan.study.cells[run.cell].name + "', seed " + std::to_string(run.seed) +
                        " failed: " + row->failed + "; the same command tries it again");
  }
  return any;
}

Result<Exit> sweep(Env& env, SweepArguments arguments) {
  TRY_ASSIGN(SweepStudy study, read_sweep_study(env, arguments.study));
  TRY_ASSIGN(const std::string directory, directory_of(env, arguments));
  TRY_ASSIGN(const SweepPlan plan, plan_sweep(env, std::move(study), directory));
  share_cores(arguments, plan.runs.size());
  ProcessTrainer trainer(env, plan.study, arguments.threads);
  if (arguments.dry_run) {
    TRY_ASSIGN(const SweepRows rows, SweepRows::read(env, plan));
    say_runs(env, plan, rows, trainer, arguments.json);
    return kFine;
  }
  Watcher watcher;
  auto swept = arguments.table
                   ? SweepRows::read(env, plan)
                   : run_sweep(env, plan, {arguments.jobs, arguments.only}, trainer, watcher.watch());
  watcher.clear();
  if (swept.status().code() == Code::kInterrupted)
    return Status(Code::kInterrupted, "interrupted; what is done lies in " + directory +
                                          ", and the same command goes on from there");
  TRY(swept.status());
  const SweepResult result = sweep_result(plan, *swept);
  const std::string page = arguments.html.empty() ? join_path(directory, kSweepPageFile) : arguments.html;
  const bool draws = !arguments.table || !arguments.html.empty();
  if (draws) TRY(write_atomic(env, page, sweep_page(plan, result, *swept)));
  if (arguments.json) {
    say(json_text(sweep_json(plan, result, *swept)));
  } else {
    say(sweep_table(plan, result).text());
    if (draws) say("\nrows  " + join_path(directory, kSweepRowsFile) + "\npage  " + page);
  }
  return complain_of_failures(plan, *swept) ? kFailed : kFine;
}

}  // namespace

void add_sweep_command(CLI::App& app, int& exit) {
  CLI::App* command = app.add_subcommand(kName, "Train a study: recipes and seeds, several at a time");
  auto arguments = std::make_shared<SweepArguments>();
  command->add_option("study", arguments->study, "a TOML file")->required()->type_name("STUDY.toml");
  command
      ->add_option("--out", arguments->out,
                   "rows, page and runs; else STUDY. A study that lies there goes on")
      ->type_name("DIR");
  command->add_option("--jobs", arguments->jobs, "runs at a time; else as many as have cores")
      ->check(CLI::Range(1, 1024));
  command->add_option("--threads", arguments->threads, "of each run; else its share of the cores")
      ->check(CLI::Range(1, 1024));
  command->add_option("--only", arguments->only, "train this cell only; may be given several times")
      ->type_name("CELL")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  command->add_flag("--dry-run", arguments->dry_run, "list the runs, where they lie and which are done");
  command->add_flag("--table", arguments->table, "train nothing: the table of what is there");
  command->add_option("--html", arguments->html, "where the page goes; else into the directory")
      ->type_name("FILE");
  command->add_flag("--json", arguments->json, "print the table with all rows as JSON");
  command->footer(kExamples);
  command->callback([arguments, &exit] {
    const auto code = sweep(Env::system(), *arguments);
    exit = code.ok() ? *code : fail(kName, code.status());
  });
}

}  // namespace coppice::cli
