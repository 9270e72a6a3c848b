// SPDX-License-Identifier: Apache-2.0
#include "train/prune.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <memory>

#include "base/text.h"
#include "command.h"
#include "load_data.h"
#include "models/json.h"
#include "prune_tolerance.h"
#include "recipe_flags.h"
#include "run_directory.h"
#include "stop.h"
#include "study/metric_text.h"
#include "terminal.h"
#include "train/structure.h"
#include "training.h"

namespace coppice::cli {
namespace {

constexpr char kName[] = "prune";
constexpr char kExamples[] =
    "\nExamples:\n"
    "  coppice prune runs/third --density 0.1\n"
    "  coppice prune resnet20.safetensors --model resnet20 --data cifar10 --density 0.2 --epochs 14\n"
    "  coppice prune runs/third --density 0.1 --block 16x1 --permute\n"
    "  coppice prune runs/third --density 0.3 --structure channels\n"
    "  coppice prune runs/third --density 0.05 --distill\n"
    "  coppice prune runs/third --density 0.5 --no-finetune\n"
    "  coppice prune runs/third --tolerance 0.5\n"
    "The pruned network is a run like any other: coppice eval, report, compare and train --resume take it.";

constexpr char kWeights[] = "weights", kChannels[] = "channels";  // of --structure

struct PruneArguments {
  std::string model, out, structure = kWeights;
  std::optional<double> tolerance;
  int tries = 5;
  bool permute = false, no_finetune = false, distill = false, json = false;
  RecipeFlags flags;
};

// One of the two networks that are compared.
struct Side {
  Network network;
  int64_t file_bytes = 0;
  std::unique_ptr<Executor> evaluator = nullptr;
  Reading reading = {};
  double seconds = 0;  // of a sample, the quickest pass
};

const Split& judged_split(const Dataset& data) { return data.test.size() > 0 ? data.test : data.validation; }

// Both in turn, so that both meet the same neighbours on the machine.
Status measure(const Recipe& recipe, const Dataset& data, const Metric& metric,
               std::initializer_list<Side*> sides) {
  constexpr int kPasses = 3;
  const Split& split = judged_split(data);
  for (Side* side : sides) {
    TRY_ASSIGN(side->evaluator, make_evaluator(side->network, recipe, data.features));
  }
  ProgressLine line;
  Watch watch;
  watch.stop = &stop_on_signals();
  watch.on_progress = [&](int64_t done, int64_t all) {
    if (line.due()) line.show(evaluation_progress("before and after", done, all));
  };
  for (int pass = 0; pass < kPasses; ++pass)
    for (Side* side : sides) {
      Outputs outputs;
      const auto begin = std::chrono::steady_clock::now();
      TRY(evaluate(*side->evaluator, side->network.graph, data, split, watch, pass == 0 ? &outputs : nullptr)
              .status());
      const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count() /
                             static_cast<double>(split.size());
      // The first pass keeps what is said, which takes time of its own.
      if (pass == 0) side->reading = metric.read(outputs);
      if (pass == 1 || (pass > 1 && seconds < side->seconds)) side->seconds = seconds;
    }
  return {};
}

int64_t size_of_file(Env& env, const std::string& path) {
  const auto file = env.open_read(path);
  return file.ok() ? static_cast<int64_t>((*file)->size()) : 0;
}

Json side_json(const Side& side, const Metric& metric) {
  Json json{{"live_weights", side.network.live_weights()},
            {"total_weights", side.network.total_weights()},
            {"file_bytes", side.file_bytes},
            {"flop_per_sample", side.evaluator->cost().useful},
            {"seconds_per_sample", side.seconds}};
  if (side.reading.value) json[metric.name] = *side.reading.value;
  if (side.reading.interval) json["interval"] = {side.reading.interval->low, side.reading.interval->high};
  return json;
}

// "12.3 us": batches make single samples too quick for seconds.
std::string time_text(double seconds) {
  return seconds < 1e-3 ? decimal(1e6 * seconds, 2) + " us" : decimal(1e3 * seconds, 2) + " ms";
}

void say_sides(const Side& before, const Side& after, const Metric& metric, const char* split) {
  const auto ratio = [](double a, double b) { return b > 0 ? decimal(a / b, 1) + "x" : ""; };
  const auto flop = [](const Side& s) { return static_cast<double>(s.evaluator->cost().useful); };
  Table table({"", "before", "after", ""});
  table.left({0});
  table.add({std::string(split) + " " + metric.name, reading_text(metric, before.reading),
             reading_text(metric, after.reading), ""});
  table.add({"live weights", with_commas(before.network.live_weights()),
             with_commas(after.network.live_weights()),
             ratio(static_cast<double>(before.network.live_weights()),
                   static_cast<double>(after.network.live_weights()))});
  table.add({"file", bytes_text(before.file_bytes), bytes_text(after.file_bytes),
             ratio(static_cast<double>(before.file_bytes), static_cast<double>(after.file_bytes))});
  table.add({"work of a sample", quantity(flop(before), "FLOP"), quantity(flop(after), "FLOP"),
             ratio(flop(before), flop(after))});
  table.add({"time of a sample", time_text(before.seconds), time_text(after.seconds),
             ratio(before.seconds, after.seconds)});
  say("\n" + table.text());
  say("95 % confidence in brackets; times are of batches, samples made ready included, the best of two "
      "passes each");
}

void say_dead(const DeadUnits& dead) {
  if (dead.removed > 0)
    say("dead     " + with_commas(dead.removed) +
        " neurons or channels removed that no output depends on, or " + "whose constant a bias took over (" +
        with_commas(dead.folded) + "), and " + with_commas(dead.weights) + " weights with them");
  if (dead.constant > 0)
    say("         " + with_commas(dead.constant) +
        " left that always say the same, as no bias can take that over");
}

Json dead_json(const DeadUnits& dead) {
  return Json{{"removed", dead.removed},
              {"folded", dead.folded},
              {"constant", dead.constant},
              {"weights", dead.weights}};
}

// What is trained, and the network that it is compared with.
Result<CutRun> plan_run(Env& env, const PruneArguments& arguments, const PruneSource& source,
                        const std::vector<Setting>& chosen, const Recipe& recipe,
                        const std::string& directory) {
  if (arguments.structure == kWeights && !arguments.permute) return CutRun{recipe, recipe};
  if (arguments.structure == kWeights) {
    TRY_ASSIGN(const PermutedRun run, permute_into(env, recipe, directory));
    if (!arguments.json)
      say("permute  the best blocks keep " + percent(run.after) + " of the magnitude, " +
          percent(run.before) + " in the order that there was");
    return CutRun{recipe, run.recipe};
  }
  if (arguments.permute)
    return invalid(
        "--permute: puts units in order for blocks, which `--structure channels` has not; leave it out");
  TRY_ASSIGN(CutRun run, cut_into(env, source, chosen, !arguments.no_finetune, directory));
  if (!arguments.json)
    say("cut      " + with_commas(run.removed) + " of " + with_commas(run.all) +
        " channels and neurons; those that a sum joins count as one");
  return run;
}

Result<int> prune(Env& env, const PruneArguments& arguments) {
  TRY_ASSIGN(const PruneSource source, prune_source(env, arguments.model));
  std::vector<Setting> chosen = arguments.flags.settings();
  if (arguments.distill && arguments.no_finetune)
    return invalid("--distill: helps to learn, and --no-finetune learns nothing; leave one of them out");
  if (arguments.distill && arguments.structure != kWeights && !source.from)
    return invalid(
        "--distill: with --structure channels the teacher has to be a run, as the model becomes a smaller "
        "one; "
        "make one of these weights first, with `coppice train --init`");
  if (arguments.distill) chosen.push_back({"teacher", source.file, "--distill"});
  if (!source.from &&
      std::none_of(chosen.begin(), chosen.end(), [](const Setting& s) { return s.key == "model"; }))
    return invalid(
        arguments.model +
        ": holds weights, but does not say of which network; name it with --model, and its data with --data");
  if (arguments.tolerance && (arguments.structure != kWeights || arguments.permute))
    return invalid("--tolerance: looks for a density of weights in the order that there is; leave out " +
                   std::string(arguments.permute ? "--permute" : "--structure channels"));
  Recipe recipe;
  TrainRequest request;
  Json tried;
  if (arguments.tolerance) {
    TRY_ASSIGN(Smallest smallest, find_smallest(env, source, chosen,
                                                {*arguments.tolerance, arguments.tries,
                                                 !arguments.no_finetune, arguments.json, arguments.out}));
    tried = std::move(smallest.tried);
    recipe = std::move(smallest.recipe);
    // It may have been stopped early: what is taken is trained to the end.
    TRY_ASSIGN(Checkpoint from, read_checkpoint(env, join_path(smallest.directory, kLastFile)));
    request = {from.info.recipe, smallest.directory, std::move(from), true};
    if (!arguments.json) say("\nsmallest " + request.directory + ", to its end\n");
  } else {
    TRY_ASSIGN(Recipe asked, prune_recipe(source, chosen, !arguments.no_finetune));
    asked = with_whole_paths(env, std::move(asked));
    const std::string place = arguments.out.empty() ? new_run_directory(env, asked) : arguments.out;
    TRY_ASSIGN(CutRun run, plan_run(env, arguments, source, chosen, asked, place));
    recipe = std::move(run.original);
    request = {std::move(run.recipe), place, std::nullopt, false};
  }
  const std::string directory = request.directory;
  TRY_ASSIGN(const Told told,
             train_and_tell(env, kName, std::move(request), arguments.json ? Tell::kNothing : Tell::kPeople));
  if (told.stopped) return kStopped;
  TRY_ASSIGN(const DeadUnits dead, remove_dead_from(env, directory));
  // Not before the training, which would keep a second copy of the samples beside its own.
  TRY_ASSIGN(const Dataset data, load_data(env, recipe, nullptr));
  TRY_ASSIGN(SavedNetwork original, network_of_file(env, source.file, recipe, data));
  Side before{std::move(original.network), size_of_file(env, source.file)};
  const std::string best = join_path(directory, kBestFile);
  TRY_ASSIGN(Checkpoint pruned, read_checkpoint(env, best));
  Side after{std::move(pruned.network), size_of_file(env, best)};
  TRY_ASSIGN(const Metric* metric, metric_for(usual_metric(data.task), data.task));
  TRY(measure(recipe, data, *metric, {&before, &after}));
  const char* split = data.test.size() > 0 ? "test" : "validation";
  if (!arguments.json) {
    say_dead(dead);
    say_sides(before, after, *metric, split);
    return kFine;
  }
  Json json{{"run", directory},
            {"split", split},
            {"before", side_json(before, *metric)},
            {"after", side_json(after, *metric)},
            {"dead", dead_json(dead)},
            {"account", account_json(told.account, directory)}};
  if (arguments.tolerance) json["tolerance"] = std::move(tried);
  say(json_text(json));
  return kFine;
}

int run_prune(const PruneArguments& arguments) {
  const auto code = prune(Env::system(), arguments);
  return code.ok() ? *code : fail(kName, code.status());
}

}  // namespace

void add_prune_command(CLI::App& app, int& exit) {
  CLI::App* command =
      app.add_subcommand(kName, "Take weights from a trained network, and train what is left");
  auto arguments = std::make_shared<PruneArguments>();
  command
      ->add_option("model", arguments->model,
                   "a run, a checkpoint, or a safetensors file with --model and --data")
      ->required()
      ->type_name("MODEL");
  command->add_option("--out", arguments->out, "directory of the new run; else one under runs/")
      ->type_name("DIR");
  command
      ->add_option(
          "--structure", arguments->structure,
          "weights: single ones or blocks; channels: whole ones and neurons, for a smaller dense network")
      ->check(CLI::IsMember({kWeights, kChannels}));
  command->add_flag("--permute", arguments->permute,
                    "with --block: first put units in an order in which what matters shares blocks");
  command->add_flag("--no-finetune", arguments->no_finetune,
                    "all at once, and no training: only batch norm is measured anew");
  command
      ->add_option("--tolerance", arguments->tolerance,
                   "instead of a density: the smallest one that loses at most so many points on the "
                   "validation samples; --density is then the least that is tried, else 0.01")
      ->check(CLI::Range(0.0, 100.0))
      ->type_name("POINTS");
  command->add_option("--tries", arguments->tries, "densities that --tolerance tries")
      ->check(CLI::Range(1, 20))
      ->capture_default_str()
      ->type_name("N");
  command->add_flag("--distill", arguments->distill,
                    "the trained network teaches what is left of it (--teacher-share, --temperature)");
  command->add_flag("--json", arguments->json, "print one JSON object at the end, and nothing else");
  arguments->flags.add_to(*command);
  command->footer(kExamples);
  command->callback([arguments, &exit] { exit = run_prune(*arguments); });
}

}  // namespace coppice::cli
