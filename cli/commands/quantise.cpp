// SPDX-License-Identifier: Apache-2.0
#include <memory>

#include "command.h"
#include "judge_split.h"
#include "load_data.h"
#include "models/json.h"
#include "pack/pack.h"
#include "ranges.h"
#include "recipe_flags.h"
#include "report/table.h"
#include "run_directory.h"
#include "simplify.h"
#include "study/metric_text.h"
#include "terminal.h"
#include "train/structure.h"
#include "training.h"

namespace coppice::cli {
namespace {

constexpr char kName[] = "quantise";

struct QuantiseArguments {
  std::string model, out;
  bool distill = false, json = false;
  RangeArguments ranges;
  RecipeFlags flags;
};

// What the network says as a packed image in 8-bit integers.
Result<Outputs> in_integers(const Network& network, const Ranges& ranges, const Judge& judge,
                            const std::string& isa, int threads) {
  PackOptions options;
  options.arithmetic = Arithmetic::kInt8;
  options.ranges = ranges;
  TRY_ASSIGN(const PackedNetwork packed, pack_network(network, options));
  TRY_ASSIGN(const PackedImage image, PackedImage::of(packed.file, "packed network"));
  return packed_outputs(image, judge, isa, threads);
}

struct Answers {
  Outputs floats, before, after;  // as it was; in integers, before the fine-tuning and after it
};

void say_answers(const std::vector<const Metric*>& metrics, const char* split, const Answers& answers) {
  Table table({std::string(split), "floats, before", "int8, before", "int8, fine-tuned"});
  table.left({0});
  for (const Metric* metric : metrics)
    table.add({metric->name, reading_text(*metric, metric->read(answers.floats)),
               reading_text(*metric, metric->read(answers.before)),
               reading_text(*metric, metric->read(answers.after))});
  say("\n" + table.text());
}

Result<int> quantise(Env& env, const QuantiseArguments& arguments) {
  TRY_ASSIGN(const PruneSource source, prune_source(env, arguments.model));
  if (!source.from)
    return invalid(arguments.model +
                   ": holds weights, but not what they were trained on; make a run of them first, with "
                   "`coppice train --init` or `coppice import`");
  std::vector<Setting> chosen = arguments.flags.settings();
  if (arguments.distill) chosen.push_back({"teacher", source.file, "--distill"});
  TRY_ASSIGN(Recipe recipe, quantise_recipe(source, chosen));
  recipe = with_whole_paths(env, std::move(recipe));
  const std::string directory =
      arguments.out.empty() ? new_run_directory(env, recipe, "-int8") : arguments.out;
  const int threads = thread_count(recipe);

  TRY_ASSIGN(Checkpoint model, read_checkpoint(env, source.file));
  auto judge = std::make_unique<Judge>();
  TRY_ASSIGN(judge->data, load_data(env, recipe, &model.info.preprocessing));
  TRY_ASSIGN(const std::vector<const Metric*> metrics,
             metrics_of(usual_metrics(judge->data), judge->data.task));
  Answers answers;
  TRY(judge_split(model, judge->data, judge->split(), judge->name(), &answers.floats).status());
  TRY_ASSIGN(const std::vector<std::string> notes, simplify(model.network));
  TRY_ASSIGN(const Ranges ranges, ranges_of(model.network, *judge, arguments.ranges, threads));
  TRY_ASSIGN(answers.before, in_integers(model.network, ranges, *judge, recipe.isa, threads));
  const Quantisations rounded = quantisations_of(model.network.graph, ranges);
  TRY_ASSIGN(recipe, rounded_into(env, std::move(model), rounded, recipe, directory));
  if (!arguments.json) {
    for (const std::string& note : notes) say("note     " + note);
    say("rounded  " + std::to_string(rounded.size()) + " activations, and the weights of each row\n");
  }
  // The training loads its samples itself.
  judge.reset();
  TRY_ASSIGN(const Told told, train_and_tell(env, kName, {recipe, directory, std::nullopt, false},
                                             arguments.json ? Tell::kNothing : Tell::kPeople));
  if (told.stopped) return kStopped;
  TRY_ASSIGN(const Checkpoint best, read_checkpoint(env, join_path(directory, kBestFile)));
  judge = std::make_unique<Judge>();
  TRY_ASSIGN(judge->data, load_data(env, recipe, &best.info.preprocessing));
  TRY_ASSIGN(answers.after, in_integers(best.network, ranges, *judge, recipe.isa, threads));
  if (!arguments.json) {
    say_answers(metrics, judge->name(), answers);
    say("pack it  coppice pack " + directory + " -o NAME.cpk --arithmetic int8");
    return kFine;
  }
  say(json_text(Json{{"run", directory},
                     {"split", judge->name()},
                     {"rounded", rounded.size()},
                     {"notes", notes},
                     {"float", metrics_json(metrics, answers.floats)},
                     {"int8_before", metrics_json(metrics, answers.before)},
                     {"int8_after", metrics_json(metrics, answers.after)},
                     {"account", account_json(told.account, directory)}}));
  return kFine;
}

}  // namespace

void add_quantise_command(CLI::App& app, int& exit) {
  CLI::App* command = app.add_subcommand(kName, "Fine-tune a network until 8-bit integers suit it");
  auto arguments = std::make_shared<QuantiseArguments>();
  command->add_option("model", arguments->model, "a run, or one of its checkpoints")
      ->required()
      ->type_name("RUN");
  command->add_option("--out", arguments->out, "directory of the new run; else one under runs/")
      ->type_name("DIR");
  command->add_flag("--distill", arguments->distill,
                    "the network as it was teaches what it becomes (--teacher-share, --temperature)");
  add_range_options(*command, arguments->ranges);
  command->add_flag("--json", arguments->json, "print one JSON object at the end, and nothing else");
  arguments->flags.add_to(*command);
  command->footer(
      "\nBatch norms go into their layers; then activations and weights are rounded as `coppice pack` "
      "rounds\n"
      "them, while gradients pass as if they were not. Most networks lose next to nothing by packing alone:\n"
      "`coppice pack --arithmetic int8` says so.\n"
      "Examples:\n"
      "  coppice quantise runs/third\n"
      "  coppice quantise runs/third --distill --epochs 5 --out runs/third-int8");
  command->callback([arguments, &exit] {
    const auto code = quantise(Env::system(), *arguments);
    exit = code.ok() ? *code : fail(kName, code.status());
  });
}

}  // namespace coppice::cli
