// SPDX-License-Identifier: Apache-2.0
#include "study/tickets.h"

#include <memory>

#include "command.h"
#include "coppice_build.h"
#include "host/cpu.h"
#include "recipe_flags.h"
#include "run_directory.h"
#include "stop.h"
#include "terminal.h"

namespace coppice::cli {
namespace {

constexpr char kName[] = "tickets";
constexpr char kExamples[] =
    "\nTrains a dense network, takes its smallest weights, lets what is left begin again, and so on.\n"
    "Examples:\n"
    "  coppice tickets --data mnist --rounds 15 --redrawn --shuffled --seeds 3\n"
    "  coppice tickets --data cifar10 --epochs 30 --rewind-to 500 --out runs/tickets\n"
    "  coppice tickets --data glyphs --rewind rate\n"
    "Ctrl-C stops and saves; the same command with the same --out goes on. Each round is a run of its own.";

constexpr char kWeights[] = "weights", kRate[] = "rate", kNone[] = "none";  // of --rewind
constexpr char kNetwork[] = "network", kLayer[] = "layer";                  // of --compete

struct TicketArguments {
  TicketStudy study;
  std::string recipe, rewind = kWeights, compete = kNetwork;
  bool json = false;
  RecipeFlags flags;
};

Status run(Env& env, TicketArguments& arguments) {
  TicketStudy& study = arguments.study;
  TRY_ASSIGN(Recipe recipe, recipe_from(env, arguments.recipe, arguments.flags));
  study.rewind = arguments.rewind == kWeights ? Rewind::kWeights
                 : arguments.rewind == kRate  ? Rewind::kRate
                                              : Rewind::kNone;
  study.ranking = arguments.compete == kLayer ? Ranking::kLayer : Ranking::kNetwork;
  study.recipe = with_whole_paths(env, std::move(recipe));
  if (study.directory.empty()) study.directory = new_run_directory(env, study.recipe, "-tickets");
  coppice_cpu cpu;
  coppice_host_cpu(&cpu);
  study.program = COPPICE_PROGRAM;
  study.cpu = cpu.model;
  ProgressLine line;
  TicketWatch watch;
  watch.stop = &stop_on_signals();
  watch.on_row = [&](const TicketRow& row) {
    line.clear();
    if (!arguments.json)
      say("seed " + std::to_string(row.seed) + "  round " + std::to_string(row.round) + "  " + row.kind +
          ": " + percent(row.density()) + " live, " +
          (row.account.report.test ? percent(row.account.report.test->accuracy) + " right" : "no test"));
  };
  watch.on_step = [&](const TicketProgress& progress, const StepEvent& event) {
    if (line.due())
      line.show("run " + std::to_string(progress.done + 1) + " of " + std::to_string(progress.all) + " (" +
                progress.name + "): epoch " + std::to_string(event.epoch) + "/" +
                std::to_string(event.epochs) + ", " + seconds_text(event.left_seconds) + " left of it");
  };
  const auto rows = run_tickets(env, study, watch);
  line.clear();
  if (rows.status().code() == Code::kInterrupted)
    return {Code::kInterrupted,
            "interrupted; the same command with --out " + study.directory + " goes on from there"};
  TRY(rows.status());
  if (arguments.json) {
    Json json = Json::array();
    for (const TicketRow& row : *rows) json.push_back(ticket_json(row));
    say(json_text(json));
    return {};
  }
  say("\ntest accuracy" +
      std::string(study.seeds > 1 ? ", mean and deviation over " + std::to_string(study.seeds) + " seeds"
                                  : "") +
      "\n" + tickets_table(*rows).text());
  say("runs  " + study.directory);
  return {};
}

}  // namespace

void add_tickets_command(CLI::App& app, int& exit) {
  CLI::App* command =
      app.add_subcommand(kName, "Look for the small network in a large one that learns as well by itself");
  auto arguments = std::make_shared<TicketArguments>();
  TicketStudy& study = arguments->study;
  command->add_option("recipe", arguments->recipe, "a TOML file with keys as below; flags win over it")
      ->type_name("FILE");
  command->add_option("--out", study.directory, "directory of the runs; else one under runs/")
      ->type_name("DIR");
  command->add_option("--rounds", study.rounds, "of pruning")
      ->check(CLI::Range(1, 99))
      ->capture_default_str();
  command->add_option("--share", study.share, "of the live weights that a round takes")
      ->check(CLI::Range(0.001, 0.99))
      ->capture_default_str();
  command
      ->add_option("--rewind", arguments->rewind,
                   "what is left begins with its values of the first run (weights), or goes on with what it "
                   "has learnt, from that point of the schedule (rate) or at a tenth of the rate (none)")
      ->check(CLI::IsMember({kWeights, kRate, kNone}))
      ->capture_default_str();
  command->add_option("--rewind-to", study.rewind_to, "the point of the first run, in updates")
      ->check(CLI::Range(int64_t{0}, int64_t{1000000000}))
      ->type_name("N")
      ->capture_default_str();
  command
      ->add_option("--compete", arguments->compete,
                   "weights with all of the network, or in their layer, whose density --distribution says")
      ->check(CLI::IsMember({kNetwork, kLayer}))
      ->capture_default_str();
  command->add_flag("--redrawn", study.redrawn, "control: the same pattern, other first values");
  command->add_flag("--shuffled", study.shuffled, "control: as many weights of each layer, elsewhere");
  command->add_option("--seeds", study.seeds, "repetitions, counted up from --seed")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command->add_flag("--json", arguments->json, "print a JSON list, one object a run, and nothing else");
  arguments->flags.add_to(*command);
  command->footer(kExamples);
  command->callback([arguments, &exit] {
    const Status status = run(Env::system(), *arguments);
    exit = status.ok() ? kFine : fail(kName, status);
  });
}

}  // namespace coppice::cli
