// SPDX-License-Identifier: Apache-2.0
#include <map>
#include <memory>
#include <vector>

#include "command.h"
#include "study/run_page.h"
#include "terminal.h"

namespace coppice::cli {
namespace {

constexpr char kName[] = "compare";

struct CompareArguments {
  std::vector<std::string> runs;
  std::string html;
  bool json = false;
};

Json run_json(const RunRecord& run) {
  Json json = run.account ? account_json(*run.account, run.directory) : Json{{"run", run.directory}};
  json["recipe"] = recipe_to_toml(run.recipe);
  Json epochs = Json::array();
  for (const EpochRow& row : run.epochs) {
    Json epoch{{"epoch", row.epoch}, {"train_loss", row.train_loss}};
    for (const auto& [metric, value] : row.validation) epoch["validation_" + metric] = value;
    epochs.push_back(std::move(epoch));
  }
  json["epochs"] = std::move(epochs);
  return json;
}

Status compare(Env& env, const CompareArguments& arguments) {
  std::vector<RunRecord> runs;
  for (const std::string& directory : arguments.runs) {
    // Of `runs/*` not everything has to be a run.
    if (arguments.runs.size() > 1 && env.exists(directory) &&
        !env.exists(join_path(directory, kRecipeFile))) {
      complain(kName, directory + ": is no run, and is left out");
      continue;
    }
    TRY_ASSIGN(RunRecord run, read_run(env, directory));
    runs.push_back(std::move(run));
  }
  if (runs.empty()) return not_found("none of these is a run; `coppice train` makes runs under runs/");
  // What has the name of another one is called by its place.
  std::map<std::string, int> names;
  for (const RunRecord& run : runs) ++names[run.name];
  for (RunRecord& run : runs)
    if (names[run.name] > 1) run.name = run.directory;
  if (!arguments.html.empty()) TRY(write_atomic(env, arguments.html, comparison_page(runs)));
  if (arguments.json) {
    Json json = Json::array();
    for (const RunRecord& run : runs) json.push_back(run_json(run));
    say(json_text(json));
    return {};
  }
  say(comparison_table(runs).text());
  if (!arguments.html.empty()) say("\npage  " + arguments.html);
  return {};
}

}  // namespace

void add_compare_command(CLI::App& app, int& exit) {
  CLI::App* command = app.add_subcommand(kName, "Put runs side by side");
  auto arguments = std::make_shared<CompareArguments>();
  command->add_option("runs", arguments->runs, "run directories; the first is what others are compared with")
      ->required()
      ->type_name("RUN");
  command->add_option("--html", arguments->html, "also write a page with curves")->type_name("FILE");
  command->add_flag("--json", arguments->json, "print a JSON list, one object a run");
  command->footer(
      "\nA figure that is not known yet, or was not measured, is a -.\n"
      "Examples:\n"
      "  coppice compare runs/dense runs/tenth\n"
      "  coppice compare runs/* --html runs.html");
  command->callback([arguments, &exit] {
    const Status status = compare(Env::system(), *arguments);
    exit = status.ok() ? kFine : fail(kName, status);
  });
}

}  // namespace coppice::cli
