// SPDX-License-Identifier: Apache-2.0
#include <memory>

#include "base/text.h"
#include "command.h"
#include "io/safetensors.h"
#include "models/json.h"
#include "packed.h"
#include "run_directory.h"
#include "terminal.h"
#include "train/trainer.h"

namespace coppice::cli {
namespace {

constexpr char kName[] = "inspect";
constexpr size_t kLongestShown = 60;  // characters of a metadata entry

struct InspectArguments {
  std::string file;
  bool json = false, all = false, recipe = false;
};

std::string shape_text(const std::vector<int64_t>& shape) {
  std::string out;
  for (const int64_t size : shape) append_item(out, std::to_string(size), " x ");
  return out.empty() ? "scalar" : out;
}

std::string shown(const std::string& text, bool all) {
  std::string line = text;
  if (!all && line.size() > kLongestShown)
    line = line.substr(0, kLongestShown) + "... (" + bytes_text(static_cast<int64_t>(text.size())) + ")";
  if (!all)
    for (char& c : line)
      if (c == '\n') c = ' ';
  return line;
}

Json file_json(const SafetensorsFile& file) {
  Json tensors = Json::array();
  for (const auto& [name, tensor] : file.tensors())
    tensors.push_back(Json{{"name", name},
                           {"dtype", std::string(dtype_name(tensor.dtype))},
                           {"shape", tensor.shape},
                           {"bytes", tensor.bytes()}});
  return Json{{"metadata", file.metadata()}, {"tensors", std::move(tensors)}};
}

void say_file(const std::string& path, const SafetensorsFile& file, bool all) {
  uint64_t bytes = 0;
  Table table({"tensor", "type", "shape", "bytes"});
  for (const auto& [name, tensor] : file.tensors()) {
    bytes += tensor.bytes();
    table.add({name, std::string(dtype_name(tensor.dtype)), shape_text(tensor.shape),
               with_commas(static_cast<int64_t>(tensor.bytes()))});
  }
  say(path + ": " + with_commas(static_cast<int64_t>(file.tensors().size())) + " tensors, " +
      bytes_text(static_cast<int64_t>(bytes)) + "\n");
  for (const auto& [key, text] : file.metadata()) say(key + ": " + shown(text, all));
  if (!file.metadata().empty()) say("");
  say(table.text());
}

int run_inspect(const InspectArguments& arguments) {
  Env& env = Env::system();
  if (is_packed(arguments.file)) {
    const auto code = inspect_packed(env, arguments.file, arguments.json);
    return code.ok() ? *code : fail(kName, code.status());
  }
  const auto path = checkpoint_path(env, arguments.file, kBestFile);
  if (!path.ok()) return fail(kName, path.status());
  if (arguments.recipe) {
    const auto checkpoint = read_checkpoint(env, *path);
    if (!checkpoint.ok()) return fail(kName, checkpoint.status());
    say(recipe_to_toml(checkpoint->info.recipe));
    return kFine;
  }
  const auto file = SafetensorsFile::open(env, *path);
  if (!file.ok()) return fail(kName, file.status());
  if (arguments.json)
    say(json_text(file_json(*file)));
  else
    say_file(*path, *file, arguments.all);
  return kFine;
}

}  // namespace

void add_inspect_command(CLI::App& app, int& exit) {
  CLI::App* command =
      app.add_subcommand(kName, "List what lies in a checkpoint, a safetensors file or a packed network");
  auto arguments = std::make_shared<InspectArguments>();
  command->add_option("file", arguments->file, "a run directory, a .safetensors file or a .cpk file")
      ->required()
      ->type_name("FILE");
  command->add_flag("--all", arguments->all, "show metadata in full");
  command->add_flag("--recipe", arguments->recipe, "print only the recipe of a checkpoint, as TOML");
  command->add_flag("--json", arguments->json, "print one JSON object");
  command->footer(
      "\nExamples:\n  coppice inspect runs/third\n  coppice inspect runs/third/last.safetensors --recipe > "
      "again.toml");
  command->callback([arguments, &exit] { exit = run_inspect(*arguments); });
}

}  // namespace coppice::cli
