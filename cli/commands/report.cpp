// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <optional>

#include "command.h"
#include "judge_split.h"
#include "load_data.h"
#include "run_directory.h"
#include "study/run_page.h"
#include "terminal.h"

namespace coppice::cli {
namespace {

constexpr char kName[] = "report";

struct ReportArguments {
  std::string run, out, data, data_dir;
};

// What the best network says about the test samples, or about the validation's where there are none.
Result<Judgement> judge_best(Env& env, const ReportArguments& arguments) {
  TRY_ASSIGN(const std::string path, checkpoint_path(env, arguments.run, kBestFile));
  TRY_ASSIGN(Checkpoint best, read_checkpoint(env, path));
  Recipe& recipe = best.info.recipe;
  if (!arguments.data.empty()) recipe.data = arguments.data;
  if (!arguments.data_dir.empty()) recipe.data_dir = arguments.data_dir;
  TRY_ASSIGN(const Dataset data, load_data(env, recipe, &best.info.preprocessing));
  const bool tested = data.test.size() > 0;
  const Split& split = tested ? data.test : data.validation;
  const char* name = tested ? "test" : "validation";
  if (!few_outputs(data, split)) return unsupported("the outputs of this split are too many to keep");
  Outputs outputs;
  TRY_ASSIGN(const Evaluation evaluation, judge_split(best, data, split, name, &outputs));
  return judge({data, name, split, evaluation, outputs});
}

Status report(Env& env, const ReportArguments& arguments) {
  TRY_ASSIGN(const RunRecord run, read_run(env, arguments.run));
  std::optional<Judgement> judgement;
  auto judged = judge_best(env, arguments);
  if (judged.status().code() == Code::kInterrupted) return judged.status();
  const std::string path = arguments.out.empty() ? join_path(arguments.run, kPageFile) : arguments.out;
  if (judged.ok()) {
    judgement = judged.take();
  } else if (env.exists(path)) {
    return {judged.status().code(),
            judged.status().message() + "; " + path +
                " stays as it is; --out FILE makes a page without mistakes elsewhere"};
  } else {
    // The rest of the page needs no data.
    complain(kName, judged.status().message() + "; the page goes without mistakes");
  }
  TRY(write_atomic(env, path, run_page(run, judgement ? &*judgement : nullptr)));
  say("page     " + path);
  return {};
}

}  // namespace

void add_report_command(CLI::App& app, int& exit) {
  CLI::App* command = app.add_subcommand(kName, "Draw a run as a page for the browser");
  auto arguments = std::make_shared<ReportArguments>();
  command->add_option("run", arguments->run, "a run directory; the run may still be going on")
      ->required()
      ->type_name("RUN");
  command->add_option("--out", arguments->out, "where the page goes; else RUN/report.html")
      ->type_name("FILE");
  command->add_option("--data", arguments->data, "where the data lies now, if it was moved")
      ->type_name("SET");
  command->add_option("--data-dir", arguments->data_dir, "where the named sets lie")->type_name("FOLDER");
  command->footer(
      "\n`coppice train` writes the page when a run ends. One file, nothing is fetched: it can be mailed.\n"
      "Examples:\n"
      "  coppice report runs/third\n"
      "  coppice report runs/third --out third.html");
  command->callback([arguments, &exit] {
    const Status status = report(Env::system(), *arguments);
    exit = status.ok() ? kFine : fail(kName, status);
  });
}

}  // namespace coppice::cli
