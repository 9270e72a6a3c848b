// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <memory>

#include "board.h"
#include "command.h"
#include "judge_split.h"
#include "load_data.h"
#include "models/json.h"
#include "run_directory.h"
#include "stop.h"
#include "study/account.h"
#include "study/metric_text.h"
#include "terminal.h"
#include "train/exact_life.h"
#include "train/trainer.h"

namespace coppice::cli {
namespace {

constexpr char kName[] = "eval";
constexpr size_t kMostWrongDrawn = 8, kMostListed = 40;

struct EvalArguments {
  std::string run, data, data_dir, split = "test", isa, metrics;
  int64_t threads = 0;
  bool json = false, exact_life = false, last = false;
};

const Split* split_of(const Dataset& data, const std::string& name) {
  if (name == "train") return &data.train;
  return name == "validation" ? &data.validation : &data.test;
}

// A line for each: "accuracy 87.95 % (87.30 % to 88.57 %) with 95 % confidence".
void say_usual(const std::vector<const Metric*>& metrics, const Outputs& outputs) {
  for (const Metric* metric : metrics) {
    const Reading reading = metric->read(outputs);
    if (!reading.value) continue;
    std::string name = metric->name;
    name.resize(std::max<size_t>(name.size() + 1, 9), ' ');
    say(name + reading_text(*metric, reading) + (reading.interval ? " with 95 % confidence" : ""));
  }
}

// A table of the metrics, and one with a line for each class, label or quantity.
void say_asked(const std::vector<const Metric*>& metrics, const Outputs& outputs, const Dataset& data) {
  Table table({"metric", "value", "from", "to", "with 95 % confidence by"});
  table.left({0, 4});
  for (const Metric* metric : metrics) {
    const Reading reading = metric->read(outputs);
    const auto bound = [&](double Interval::*end) {
      return reading.interval ? value_text(*metric, (*reading.interval).*end) : "-";
    };
    table.add({metric->name, value_text(*metric, reading.value), bound(&Interval::low),
               bound(&Interval::high), reading.interval ? metric->interval_by : ""});
  }
  say("\n" + table.text());
  const std::optional<Table> each = each_table(metrics, outputs, data, kMostListed);
  if (!each) return;
  say("\n" + each->text());
  if (const int64_t rest = outputs.width - static_cast<int64_t>(kMostListed); rest > 0)
    say("and " + with_commas(rest) + " more; --json has all");
}

Result<int> judge(Env& env, Checkpoint& model, const EvalArguments& arguments) {
  Recipe& recipe = model.info.recipe;
  TRY_ASSIGN(const Dataset data, load_data(env, recipe, &model.info.preprocessing));
  const Split& split = *split_of(data, arguments.split);
  const bool asked = !arguments.metrics.empty();
  auto metrics = metrics_of(asked ? arguments.metrics : usual_metrics(data), data.task);
  if (!metrics.ok()) return metrics.status().within("--metrics");
  const bool keeps = asked || few_outputs(data, split);
  Outputs outputs;
  TRY_ASSIGN(const Evaluation e,
             judge_split(model, data, split, arguments.split, keeps ? &outputs : nullptr));
  if (arguments.json) {
    Json json{{"run", arguments.run}, {"data", data.name}, {"split", arguments.split}};
    json.update(evaluation_json(e));
    json["live_weights"] = model.network.live_weights();
    if (keeps) json["metrics"] = metrics_json(*metrics, outputs);
    if (asked) json["each"] = each_json(*metrics, outputs, data);
    say(json_text(json));
    return kFine;
  }
  say("model    " + recipe.model + ", " + with_commas(model.network.live_weights()) + " of " +
      with_commas(model.network.total_weights()) + " weights live");
  say("data     " + data.name + ", " + arguments.split + ": " + with_commas(e.samples) + " samples");
  if (recipe.test_share == 1)
    say("         all of it; samples that the network learnt from would count too, if they are among them");
  say("loss     " + loss_text(e.loss));
  if (!keeps)
    say("says     " + evaluation_text(e, data.boards()));
  else if (asked)
    say_asked(*metrics, outputs, data);
  else
    say_usual(*metrics, outputs);
  return kFine;
}

void say_wrong(const std::vector<Neighbourhood>& wrong) {
  std::vector<Drawing> drawings;
  for (size_t i = 0; i < std::min(wrong.size(), kMostWrongDrawn); ++i)
    drawings.push_back(
        {wrong[i].next ? "lives" : "dies", {wrong[i].cells.begin(), wrong[i].cells.end()}, {}});
  say("\nThe first it gets wrong, and what the centre really does:\n\n" + draw_boards(drawings, 3, 3, false));
}

// Exit code 1 where a rule is wrong, so that a script can try another seed.
Result<int> judge_life(Checkpoint& model, const EvalArguments& arguments) {
  TRY_ASSIGN(const std::vector<Neighbourhood> wrong, wrong_neighbourhoods(model));
  const size_t all = all_neighbourhoods().size();
  if (arguments.json) {
    say(json_text(Json{
        {"run", arguments.run}, {"neighbourhoods", all}, {"wrong", wrong.size()}, {"exact", wrong.empty()}}));
    return wrong.empty() ? kFine : kFailed;
  }
  TRY_ASSIGN(const LifeAnswer answer, ask_life(model, random_board(model, 0.35, 1)));
  const Features& board = model.info.preprocessing.features;
  say(draw_boards({{"a board", answer.board, {}}, {"the network's next", answer.said, answer.right}},
                  board.height, board.width, colours()));
  if (wrong.empty()) {
    say("exact: all " + std::to_string(all) + " neighbourhoods are right, so every board of any size is");
  } else {
    say("not exact: " + std::to_string(wrong.size()) + " of " + std::to_string(all) +
        " neighbourhoods are wrong");
    say_wrong(wrong);
  }
  return wrong.empty() ? kFine : kFailed;
}

int run_eval(const EvalArguments& arguments) {
  Env& env = Env::system();
  const auto path = checkpoint_path(env, arguments.run, arguments.last ? kLastFile : kBestFile);
  if (!path.ok()) return fail(kName, path.status());
  auto model = read_checkpoint(env, *path);
  if (!model.ok()) return fail(kName, model.status());
  Recipe& recipe = model->info.recipe;
  name_data(recipe, arguments.data, arguments.data_dir);
  recipe.threads = arguments.threads;
  recipe.isa = arguments.isa;
  const auto code = arguments.exact_life ? judge_life(*model, arguments) : judge(env, *model, arguments);
  return code.ok() ? *code : fail(kName, code.status());
}

}  // namespace

void add_eval_command(CLI::App& app, int& exit) {
  CLI::App* command = app.add_subcommand(kName, "Say how good a trained network is");
  auto arguments = std::make_shared<EvalArguments>();
  command->add_option("run", arguments->run, "a run directory, or one of its checkpoints")
      ->required()
      ->type_name("RUN");
  command->add_option("--split", arguments->split, "train, validation or test")
      ->check(CLI::IsMember({"train", "validation", "test"}))
      ->capture_default_str();
  command->add_option("--data", arguments->data, "other data than it was trained on")->type_name("SET");
  command->add_option("--data-dir", arguments->data_dir, "where the named sets lie")->type_name("FOLDER");
  command->add_option("--threads", arguments->threads, "0: one per core")->check(CLI::Range(0, 1024));
  command->add_option("--isa", arguments->isa, "c, avx2, avx512 or neon; else the best here");
  command->add_option("--metrics", arguments->metrics, "names as below with commas between them, or all")
      ->type_name("NAMES");
  command->add_flag("--last", arguments->last, "the last state of the run, not the best");
  command->add_flag("--exact-life", arguments->exact_life, "check all 512 neighbourhoods and draw a board");
  command->add_flag("--json", arguments->json, "print one JSON object");
  command->footer(
      "\nExamples:\n"
      "  coppice eval runs/third\n"
      "  coppice eval runs/third --metrics recall,auc\n"
      "  coppice eval runs/life-life-1-8-density-1-seed-1 --exact-life\n\n" +
      metrics_help());
  command->callback([arguments, &exit] { exit = run_eval(*arguments); });
}

}  // namespace coppice::cli
