// SPDX-License-Identifier: Apache-2.0
#include <memory>

#include "board.h"
#include "command.h"
#include "models/json.h"
#include "recipe_flags.h"
#include "terminal.h"
#include "train/evaluate.h"
#include "train/text.h"

namespace coppice::cli {
namespace {

constexpr char kName[] = "data";
constexpr int kWidestDrawn = 64;

struct DataArguments {
  std::string set = "glyphs", dir;
  int64_t show = 1;
  bool json = false;
};

std::string classes_text(const Dataset& data) {
  std::string out;
  for (const std::string& name : data.classes) append_item(out, name, ", ");
  return out;
}

// The bytes of a sample, and its target where that is a board.
struct Shown {
  std::vector<uint8_t> pixels, target;
  std::string label;
};

Shown sample_of(const Dataset& data, const Split& split, int64_t index) {
  const auto features = static_cast<size_t>(data.features.size());
  Shown shown;
  if (split.generate) {
    shown.pixels.resize(features);
    shown.target.resize(static_cast<size_t>(data.outputs));
    split.generate(0, index, shown.pixels.data(), shown.target.data());
    return shown;
  }
  const auto at = static_cast<size_t>(split.indices[static_cast<size_t>(index)]);
  const auto begin = split.samples->pixels.begin() + static_cast<std::ptrdiff_t>(at * features);
  shown.pixels.assign(begin, begin + static_cast<std::ptrdiff_t>(features));
  if (!split.samples->labels.empty())
    shown.label = data.classes[static_cast<size_t>(split.samples->labels[at])];
  return shown;
}

void say_sample(const Dataset& data, int64_t index) {
  const Features& f = data.features;
  Shown shown = sample_of(data, data.train, index);
  if (data.dense_targets()) {
    for (uint8_t& cell : shown.pixels) cell = cell > 127;
    say(draw_boards({{"sample " + std::to_string(index), shown.pixels, {}}, {"its target", shown.target, {}}},
                    f.height, f.width, false));
    return;
  }
  say("sample " + std::to_string(index) + ": " + shown.label);
  say(draw_picture(shown.pixels.data(), f.height, f.width));
}

Json data_json(const Dataset& data) {
  return Json{{"name", data.name},
              {"channels", data.features.channels},
              {"height", data.features.height},
              {"width", data.features.width},
              {"outputs", data.outputs},
              {"classes", data.classes},
              {"mean", data.normalisation.mean},
              {"stddev", data.normalisation.stddev},
              {"train", data.train.size()},
              {"validation", data.validation.size()},
              {"test", data.test.size()}};
}

void say_data(const Dataset& data, int64_t show) {
  const Features& f = data.features;
  say("name     " + data.name);
  say("samples  " + with_commas(data.train.size()) + " train, " + with_commas(data.validation.size()) +
      " validation, " + with_commas(data.test.size()) + " test" +
      (data.train.generate ? ", made anew in each epoch" : ""));
  say("each     " + std::to_string(f.channels) + (f.channels == 1 ? " channel of " : " channels of ") +
      std::to_string(f.height) + " x " + std::to_string(f.width));
  say(data.dense_targets() ? "target   " + with_commas(data.outputs) + " numbers, 0 or 1"
                           : "classes  " + classes_text(data));
  std::string mean, deviation;
  for (const float value : data.normalisation.mean)
    append_item(mean, decimal(static_cast<double>(value), 4), ", ");
  for (const float value : data.normalisation.stddev)
    append_item(deviation, decimal(static_cast<double>(value), 4), ", ");
  say("scale    mean " + mean + "; standard deviation " + deviation + " of pixels from 0 to 1");
  if (f.width > kWidestDrawn) return;
  for (int64_t index = 0; index < std::min(show, data.train.size()); ++index) {
    say("");
    say_sample(data, index);
  }
}

int run_data(const DataArguments& arguments) {
  const auto recipe = make_recipe(
      {{"data", arguments.set, "SET"}, {"data_dir", arguments.dir, "--data-dir"}, {"model", "any", ""}});
  if (!recipe.ok()) return fail(kName, recipe.status());
  const auto data = load_recipe_data(Env::system(), *recipe, nullptr);
  if (!data.ok()) return fail(kName, data.status());
  if (arguments.json)
    say(json_text(data_json(*data)));
  else
    say_data(*data, arguments.show);
  return kFine;
}

}  // namespace

void add_data_command(CLI::App& app, int& exit) {
  CLI::App* command = app.add_subcommand(kName, "Say what a data set holds and draw a sample");
  auto arguments = std::make_shared<DataArguments>();
  command
      ->add_option("set", arguments->set, "glyphs, life, mnist, fashion-mnist, cifar10, cifar100 or a folder")
      ->type_name("SET")
      ->capture_default_str();
  command->add_option("--data-dir", arguments->dir, "where the named sets lie")->type_name("FOLDER");
  command->add_option("--show", arguments->show, "samples to draw")
      ->check(CLI::Range(0, 1000))
      ->capture_default_str();
  command->add_flag("--json", arguments->json, "print one JSON object");
  command->footer(
      "\nExamples:\n  coppice data glyphs --show 3\n  coppice data fashion-mnist --data-dir ../shared/data");
  command->callback([arguments, &exit] { exit = run_data(*arguments); });
}

}  // namespace coppice::cli
