// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdlib>
#include <memory>

#include "base/text.h"
#include "board.h"
#include "command.h"
#include "known_sets.h"
#include "load_data.h"
#include "models/json.h"
#include "recipe_flags.h"
#include "sheet.h"
#include "stop.h"
#include "terminal.h"
#include "train/evaluate.h"

namespace coppice::cli {
namespace {

constexpr char kName[] = "data";
constexpr int kWidestDrawn = 64;

constexpr size_t kMostListed = 40;  // classes, or channels

struct DataArguments {
  std::string set = "glyphs", sheet;
  int64_t show = 1;
  bool json = false;
  RecipeFlags flags;
};

const char* kind_of(const Dataset& data) {
  if (data.train.generate) return "made by the program, anew in each epoch";
  if (data.fit) return "pictures of files";
  if (!data.numbers) return "pictures as bytes";
  return data.features.plane() == 1 ? "rows of numbers" : "pictures as numbers";
}

// What is said about a sample: "price 12.5", "spam, urgent" of the labels that it has.
std::string targets_text(const Dataset& data, size_t at) {
  std::string text;
  for (size_t k = 0; k < data.target_names.size(); ++k) {
    const size_t i = at * data.target_names.size() + k;
    if (data.task == Task::kRegression)
      append_item(
          text,
          data.target_names[k] + " " + measure_text(static_cast<double>(data.train.samples->quantities[i])),
          ", ");
    else if (data.train.samples->targets[i] != 0)
      append_item(text, data.target_names[k], ", ");
  }
  return text.empty() ? "none of the labels" : text;
}

std::vector<int64_t> counts_of(const Split& split, size_t classes) {
  std::vector<int64_t> counts(classes);
  for (const int32_t index : split.indices)
    ++counts[static_cast<size_t>(split.samples->labels[static_cast<size_t>(index)])];
  return counts;
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
  shown.label = data.task == Task::kClasses ? data.classes[static_cast<size_t>(split.samples->labels[at])]
                                            : targets_text(data, at);
  return shown;
}

void say_sample(const Dataset& data, int64_t index) {
  const Features& f = data.features;
  Shown shown = sample_of(data, data.train, index);
  if (data.boards()) {
    for (uint8_t& cell : shown.pixels) cell = cell > 127;
    say(draw_boards({{"sample " + std::to_string(index), shown.pixels, {}}, {"its target", shown.target, {}}},
                    f.height, f.width, false));
    return;
  }
  say("sample " + std::to_string(index) + ": " + shown.label);
  say(draw_picture(shown.pixels.data(), f.height, f.width));
}

// [labels]: samples that have each.
std::vector<int64_t> label_counts(const Dataset& data, const Split& split) {
  const auto width = static_cast<size_t>(data.outputs);
  std::vector<int64_t> counts(width);
  for (const int32_t index : split.indices)
    for (size_t k = 0; k < width; ++k)
      counts[k] += split.samples->targets[static_cast<size_t>(index) * width + k];
  return counts;
}

Json data_json(const Dataset& data) {
  Json json{{"name", data.name},
            {"kind", kind_of(data)},
            {"task", task_name(data.task)},
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
  if (data.task == Task::kRegression) {
    json["target_mean"] = data.target_scale.mean;
    json["target_stddev"] = data.target_scale.stddev;
  }
  if (!data.target_names.empty()) json["targets"] = data.target_names;
  if (data.task == Task::kLabels && !data.boards())
    json["counts"] = Json{{"train", label_counts(data, data.train)},
                          {"validation", label_counts(data, data.validation)},
                          {"test", label_counts(data, data.test)}};
  if (data.task == Task::kClasses)
    json["counts"] = Json{{"train", counts_of(data.train, data.classes.size())},
                          {"validation", counts_of(data.validation, data.classes.size())},
                          {"test", counts_of(data.test, data.classes.size())}};
  return json;
}

// Samples of each class, or with each label.
void say_counts(const Dataset& data) {
  const bool classes = data.task == Task::kClasses;
  const std::vector<std::string>& names = classes ? data.classes : data.target_names;
  const size_t shown = std::min(names.size(), kMostListed);
  const auto counts = [&](const Split& split) {
    return classes ? counts_of(split, names.size()) : label_counts(data, split);
  };
  const std::vector<int64_t> train = counts(data.train), validation = counts(data.validation),
                             test = counts(data.test);
  Table table({classes ? "class" : "label", "train", "validation", "test"});
  for (size_t i = 0; i < shown; ++i)
    table.add({names[i], with_commas(train[i]), with_commas(validation[i]), with_commas(test[i])});
  say("\n" + table.text());
  if (shown < names.size()) say("and " + std::to_string(names.size() - shown) + " more");
}

void say_quantities(const Dataset& data) {
  Table table({"quantity", "mean", "standard deviation"});
  for (size_t i = 0; i < std::min(data.target_names.size(), kMostListed); ++i)
    table.add({data.target_names[i], measure_text(static_cast<double>(data.target_scale.mean[i])),
               measure_text(static_cast<double>(data.target_scale.stddev[i]))});
  say("\n" + table.text());
}

std::string list_of(const std::vector<float>& values) {
  std::string out;
  for (size_t i = 0; i < std::min(values.size(), kMostListed); ++i)
    append_item(out, decimal(static_cast<double>(values[i]), 4), ", ");
  return values.size() > kMostListed ? out + ", ..." : out;
}

void say_data(const Dataset& data, int64_t show) {
  const Features& f = data.features;
  say("name     " + data.name);
  say("kind     " + std::string(kind_of(data)));
  say("samples  " + with_commas(data.train.size()) + " train, " + with_commas(data.validation.size()) +
      " validation, " + with_commas(data.test.size()) + " test");
  if (data.numbers && f.plane() == 1)
    say("each     " + with_commas(f.channels) + (f.channels == 1 ? " number" : " numbers"));
  else
    say("each     " + std::to_string(f.channels) + (f.channels == 1 ? " channel of " : " channels of ") +
        std::to_string(f.height) + " x " + std::to_string(f.width));
  say("task     " +
      (data.boards() ? with_commas(data.outputs) + " cells, 0 or 1" : outputs_text(data.task, data.outputs)));
  say("scale    mean " + list_of(data.normalisation.mean) + "; standard deviation " +
      list_of(data.normalisation.stddev) + (data.numbers ? "" : " of pixels from 0 to 1"));
  if (data.task == Task::kRegression) say_quantities(data);
  if (data.task != Task::kRegression && !data.boards()) say_counts(data);
  if (data.numbers || f.width > kWidestDrawn) return;
  for (int64_t index = 0; index < std::min(show, data.train.size()); ++index) {
    say("");
    say_sample(data, index);
  }
}

Status inform(Env& env, const DataArguments& arguments) {
  std::vector<Setting> settings = {{"data", arguments.set, "SET"}, {"model", "any", ""}};
  for (Setting& setting : arguments.flags.settings()) settings.push_back(std::move(setting));
  TRY_ASSIGN(const Recipe recipe, make_recipe(settings));
  TRY_ASSIGN(const Dataset data, load_data(env, recipe, nullptr));
  if (!arguments.sheet.empty() && data.task != Task::kClasses && !data.boards())
    return invalid("--sheet: shows the pictures of each class, and '" + data.name + "' has " +
                   outputs_text(data.task, data.outputs) + "; leave it out");
  if (!arguments.sheet.empty()) TRY(write_sheet(env, arguments.sheet, data));
  if (arguments.json)
    say(json_text(data_json(data)));
  else
    say_data(data, arguments.show);
  return {};
}

void add_info(CLI::App& data, int& exit) {
  CLI::App* command = data.add_subcommand("info", "Say what a data set holds and draw a sample");
  auto arguments = std::make_shared<DataArguments>();
  command->add_option("set", arguments->set, "a set's name, or a path (docs/data.md)")
      ->type_name("SET")
      ->capture_default_str();
  command->add_option("--show", arguments->show, "samples to draw")
      ->check(CLI::Range(0, 1000))
      ->capture_default_str();
  command->add_option("--sheet", arguments->sheet, "write a contact sheet: FILE.html or FILE.png")
      ->type_name("FILE");
  command->add_flag("--json", arguments->json, "print one JSON object");
  arguments->flags.add_group(*command, "Data", "data");
  command->footer(
      "\nExamples:\n"
      "  coppice data info my_pictures --image-size 32 --sheet sheet.html\n"
      "  coppice data info flowers.csv --label kind\n"
      "  coppice data info houses.csv --target price\n"
      "  coppice data info glyphs --show 3");
  command->callback([arguments, &exit] {
    const Status status = inform(Env::system(), *arguments);
    exit = status.ok() ? kFine : fail("data info", status);
  });
}

struct GetArguments {
  std::string set, directory;
};

Status get(Env& env, const GetArguments& arguments) {
  const auto set = std::find_if(known_sets().begin(), known_sets().end(),
                                [&](const KnownSet& known) { return known.name == arguments.set; });
  const std::string directory = data_directory(arguments.directory);
  const char* mirror = std::getenv("COPPICE_MIRROR");
  ProgressLine line;
  DownloadWatch watch;
  watch.stop = &stop_on_signals();
  watch.on_progress = [&](uint64_t done, uint64_t all) {
    if (line.due())
      line.show(arguments.set + " " + bytes_text(static_cast<int64_t>(done)) + " of " +
                bytes_text(static_cast<int64_t>(all)));
  };
  Status status = get_set(env, *set, directory, mirror != nullptr ? mirror : "", watch);
  line.clear();
  if (status.ok()) say(arguments.set + " lies in " + join_path(directory, arguments.set));
  return status;
}

void add_get(CLI::App& data, int& exit) {
  CLI::App* command = data.add_subcommand("get", "Fetch a well-known data set");
  auto arguments = std::make_shared<GetArguments>();
  std::vector<std::string> names;
  for (const KnownSet& set : known_sets()) names.push_back(set.name);
  command->add_option("name", arguments->set, "mnist, fashion-mnist or cifar10")
      ->required()
      ->check(CLI::IsMember(names))
      ->type_name("NAME");
  command
      ->add_option("--data-dir", arguments->directory, "where it goes; else $COPPICE_DATA, else data/ here")
      ->type_name("FOLDER");
  command->footer(
      "\nExamples:\n  coppice data get fashion-mnist\n"
      "Goes on where it was interrupted. What was fetched has to have the SHA-256 that is known.\n"
      "COPPICE_MIRROR=URL takes URL/NAME/FILE instead of the places that are built in.");
  command->callback([arguments, &exit] {
    const Status status = get(Env::system(), *arguments);
    exit = status.ok() ? kFine : fail("data get", status);
  });
}

}  // namespace

void add_data_command(CLI::App& app, int& exit) {
  CLI::App* command = app.add_subcommand(kName, "Look at data, or fetch a well-known set");
  command->require_subcommand(1);
  add_info(*command, exit);
  add_get(*command, exit);
  command->footer(
      "\nExamples:\n  coppice data info my_pictures\n  coppice data get fashion-mnist\n`coppice data info "
      "--help` shows more.");
}

}  // namespace coppice::cli
