// SPDX-License-Identifier: Apache-2.0
#include <filesystem>
#include <memory>

#include "command.h"
#include "models/models.h"
#include "recipe_flags.h"
#include "run_directory.h"
#include "study/account.h"
#include "terminal.h"
#include "training.h"

namespace coppice::cli {
namespace {

constexpr char kName[] = "train";
constexpr char kExamples[] =
    "\nExamples:\n"
    "  coppice train --data glyphs --model mlp:784-300-100-10 --density 0.1\n"
    "  coppice train --data life --model life:1,8 --epochs 20\n"
    "  coppice train --data houses.csv --target price --density 0.2 --metric mae\n"
    "  coppice train recipe.toml --seed 3 --out runs/third\n"
    "  coppice train --resume runs/third\n"
    "Ctrl-C stops after the step at hand and saves; --resume goes on with the same bits.";

struct TrainArguments {
  std::string recipe, out, resume;
  bool json = false, models = false, methods = false;
  RecipeFlags flags;
};

void say_models() {
  Table table({"model", "what it is"});
  table.left({0, 1});
  for (const ModelDef& def : all_models()) table.add({def.example, def.summary});
  say(table.text());
}

void say_methods() {
  Table table({"method", "what it is"});
  table.left({0, 1});
  for (const MethodDef& def : all_methods()) table.add({def.name, def.summary});
  say(table.text());
}

Result<TrainRequest> new_run(Env& env, const TrainArguments& arguments) {
  TRY_ASSIGN(Recipe recipe, recipe_from(env, arguments.recipe, arguments.flags));
  std::string directory = arguments.out.empty() ? new_run_directory(env, recipe) : arguments.out;
  return TrainRequest{with_whole_paths(env, std::move(recipe)), std::move(directory), std::nullopt, false};
}

Result<TrainRequest> resumed_run(Env& env, const TrainArguments& arguments) {
  if (!arguments.recipe.empty() || !arguments.out.empty())
    return invalid("--resume: takes recipe and place from the run; leave the others out");
  TRY_ASSIGN(const std::string path, checkpoint_path(env, arguments.resume, kLastFile));
  TRY_ASSIGN(Checkpoint from, read_checkpoint(env, path));
  TRY_ASSIGN(Recipe recipe, recipe_of_run(from.info.recipe, arguments.flags));
  // The file of a run stands for the run.
  const std::filesystem::path run(arguments.resume);
  std::string directory = env.is_directory(arguments.resume) ? arguments.resume : run.parent_path().string();
  if (directory.empty()) directory = ".";
  const auto account = read_account(env, directory);
  const bool told = account.ok() && account->report.stop != Stop::kInterrupted;
  return TrainRequest{std::move(recipe), std::move(directory), std::move(from), !told};
}

int run_train(const TrainArguments& arguments) {
  if (arguments.methods) {
    say_methods();
    return kFine;
  }
  if (arguments.models) {
    say_models();
    return kFine;
  }
  Env& env = Env::system();
  auto request = arguments.resume.empty() ? new_run(env, arguments) : resumed_run(env, arguments);
  if (!request.ok()) return fail(kName, request.status());

  const auto told = train_and_tell(env, kName, request.take(), arguments.json ? Tell::kJson : Tell::kPeople);
  return told.ok() ? (told->stopped ? kStopped : kFine) : fail(kName, told.status());
}

}  // namespace

void add_train_command(CLI::App& app, int& exit) {
  CLI::App* command = app.add_subcommand(kName, "Train a network, dense or with most of its weights away");
  auto arguments = std::make_shared<TrainArguments>();
  command->add_option("recipe", arguments->recipe, "a TOML file with keys as below; flags win over it")
      ->type_name("FILE");
  command->add_option("--out", arguments->out, "directory of the run; else one under runs/")
      ->type_name("DIR");
  command->add_option("--resume", arguments->resume, "go on with a run that was stopped")->type_name("RUN");
  command->add_flag("--json", arguments->json, "print the account at the end as JSON, and nothing else");
  command->add_flag("--models", arguments->models, "list the named networks and stop");
  command->add_flag("--methods", arguments->methods, "list the methods that change a pattern and stop");
  arguments->flags.add_to(*command);
  command->footer(kExamples);
  command->callback([arguments, &exit] { exit = run_train(*arguments); });
}

}  // namespace coppice::cli
