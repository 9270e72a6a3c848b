// SPDX-License-Identifier: Apache-2.0
#include "study/sweep_study.h"

#include <algorithm>
#include <filesystem>
#include <optional>

#include "base/sha256.h"
#include "base/text.h"
#include "io/toml.h"
#include "train/evaluate.h"
#include "train/usual.h"

namespace coppice {
namespace {

constexpr uint64_t kLongest = 1 << 20;
constexpr size_t kMostCells = 1000, kMostSeeds = 1000, kMostRuns = 10000, kLongestName = 200;
constexpr size_t kIdDigits = 12;  // persisted in rows and names of directories
constexpr const char* kChangeNoResult[] = {"threads", "memory", "save_every", "data_dir"};
constexpr char kPlotted[] = "density";  // what the cells of a line differ in

struct StudyText {
  const std::string& path;
  Status refuse(const TomlNode& node, const std::string& sentence) const {
    return invalid(path + " line " + std::to_string(node.line) + ": " + sentence);
  }
};

Result<std::string> text_of(const StudyText& source, const TomlNode& node, const std::string& key) {
  if (node.kind != TomlNode::Kind::kText || node.text.empty() || node.text.size() > kLongest)
    return source.refuse(node, key + ": should be a text in quotes");
  return node.text;
}

// A name stands in tables, in directories and on one line of a terminal.
Result<std::string> name_of(const StudyText& source, const TomlNode& node, const std::string& key) {
  TRY_ASSIGN(std::string name, text_of(source, node, key));
  const bool plain = std::none_of(name.begin(), name.end(),
                                  [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
  if (!plain || name.size() > kLongestName)
    return source.refuse(
        node, key + ": should be one line of at most " + std::to_string(kLongestName) + " letters");
  return name;
}

Result<std::vector<uint64_t>> seeds_of(const StudyText& source, const TomlNode& node) {
  const std::string wanted = "seeds: should be a number of seeds from 1 to " + std::to_string(kMostSeeds) +
                             ", or a list of different seeds, such as [1, 2, 3]";
  std::vector<uint64_t> seeds;
  uint64_t count = 0;
  if (node.kind == TomlNode::Kind::kPlain && parse_number(node.text, &count) && count >= 1 &&
      count <= kMostSeeds) {
    for (uint64_t seed = 1; seed <= count; ++seed) seeds.push_back(seed);
    return seeds;
  }
  for (const TomlNode& item : node.items) {
    uint64_t seed = 0;
    Recipe scratch;
    // What a seed may be is said where recipes are.
    const bool fine = item.kind == TomlNode::Kind::kPlain && parse_number(item.text, &seed) &&
                      find_recipe_key("seed")->parse(scratch, item.text).ok();
    if (!fine || std::find(seeds.begin(), seeds.end(), seed) != seeds.end())
      return source.refuse(node, wanted);
    seeds.push_back(seed);
  }
  if (seeds.empty() || seeds.size() > kMostSeeds) return source.refuse(node, wanted);
  return seeds;
}

Result<std::vector<Setting>> settings_of(const StudyText& source, const std::string& key,
                                         const TomlNode& node) {
  if (key == "seed") return source.refuse(node, "seed: comes from seeds in [study]; leave it out");
  if (key == "threads") return source.refuse(node, "threads: comes from --threads; leave it out");
  return settings_from_entry(key, node, source.path);
}

// One value of a key in a grid, and how a name tells it.
struct GridValue {
  std::vector<Setting> settings;
  std::string text;
};
struct GridKey {
  std::string key;
  std::vector<GridValue> values;
};

Result<std::vector<GridKey>> grid_of(const StudyText& source, const TomlNode& node) {
  if (node.kind != TomlNode::Kind::kTable || node.entries.empty())
    return source.refuse(
        node, "grid: should be a table of keys with lists of values, such as density = [0.1, 0.05]");
  std::vector<GridKey> grid;
  for (const auto& [key, list] : node.entries) {
    // First, so that a misspelt key is told before what is wrong with its value.
    if (find_recipe_key(key) == nullptr) return source.refuse(list, unknown_key(key));
    if (list.kind != TomlNode::Kind::kList || list.items.empty())
      return source.refuse(list, key + ": should be a list of values here, such as [1, 2]");
    GridKey axis{key, {}};
    for (const TomlNode& item : list.items) {
      TRY_ASSIGN(std::vector<Setting> settings, settings_of(source, key, item));
      std::string text;
      for (const Setting& setting : settings) append_item(text, setting.value, " ");
      axis.values.push_back({std::move(settings), std::move(text)});
    }
    grid.push_back(std::move(axis));
  }
  return grid;
}

// A cell before its settings are put together.
struct Draft {
  std::string name, line;
  std::vector<Setting> settings;
  std::vector<uint64_t> seeds;
  int64_t at = 0;  // line of the file
};

// Every combination of a grid over a draft, the last key changing fastest.
Status expand(const StudyText& source, const TomlNode& node, const std::vector<GridKey>& grid,
              const Draft& draft, std::vector<Draft>& out) {
  std::vector<Draft> made = {draft};
  for (const GridKey& axis : grid) {
    if (made.size() * axis.values.size() > kMostCells)
      return source.refuse(
          node, "grid: makes more than " + std::to_string(kMostCells) + " cells; leave some values out");
    std::vector<Draft> next;
    for (const Draft& before : made)
      for (const GridValue& value : axis.values) {
        Draft one = before;
        const std::string part = axis.key + "=" + value.text;
        append_item(one.name, part, ", ");
        if (axis.key != kPlotted) append_item(one.line, part, ", ");
        one.settings.insert(one.settings.end(), value.settings.begin(), value.settings.end());
        next.push_back(std::move(one));
      }
    made = std::move(next);
  }
  out.insert(out.end(), made.begin(), made.end());
  return {};
}

Status add_cell(const StudyText& source, const TomlNode& node, const Draft& common, std::vector<Draft>& out) {
  const TomlNode* name = node.find("name");
  if (node.kind != TomlNode::Kind::kTable || name == nullptr)
    return source.refuse(node,
                         "cell: should be a table with a name, and with what its recipe has of its own");
  Draft draft = common;
  draft.at = node.line;
  TRY_ASSIGN(draft.name, name_of(source, *name, "name"));
  draft.line = draft.name;
  const TomlNode* grid = nullptr;
  for (const auto& [key, value] : node.entries) {
    if (key == "grid") grid = &value;
    if (key == "seeds") {
      TRY_ASSIGN(draft.seeds, seeds_of(source, value));
    }
    if (key == "grid" || key == "name" || key == "seeds") continue;
    TRY_ASSIGN(const std::vector<Setting> settings, settings_of(source, key, value));
    draft.settings.insert(draft.settings.end(), settings.begin(), settings.end());
  }
  std::vector<GridKey> axes;
  if (grid != nullptr) {
    TRY_ASSIGN(axes, grid_of(source, *grid));
  }
  return expand(source, grid != nullptr ? *grid : node, axes, draft, out);
}

Result<std::vector<Draft>> drafts_of(const StudyText& source, const TomlNode& file,
                                     const std::vector<uint64_t>& seeds) {
  Draft common{"", "", {}, seeds, 0};
  if (const TomlNode* recipe = file.find("recipe")) {
    if (recipe->kind != TomlNode::Kind::kTable)
      return source.refuse(*recipe, "recipe: should be a table, [recipe], of what all cells have in common");
    for (const auto& [key, value] : recipe->entries) {
      TRY_ASSIGN(const std::vector<Setting> settings, settings_of(source, key, value));
      common.settings.insert(common.settings.end(), settings.begin(), settings.end());
    }
  }
  std::vector<Draft> drafts;
  if (const TomlNode* cells = file.find("cell")) {
    if (cells->kind != TomlNode::Kind::kList || cells->items.empty())
      return source.refuse(*cells, "cell: should be a list of tables, each headed [[cell]]");
    for (const TomlNode& cell : cells->items) TRY(add_cell(source, cell, common, drafts));
  }
  if (const TomlNode* grid = file.find("grid")) {
    TRY_ASSIGN(const std::vector<GridKey> axes, grid_of(source, *grid));
    common.at = grid->line;
    TRY(expand(source, *grid, axes, common, drafts));
  }
  if (drafts.empty())
    return invalid(source.path + ": has no cell; give it [[cell]] tables, or a [grid] of values");
  if (drafts.size() > kMostCells)
    return invalid(source.path + ": has more than " + std::to_string(kMostCells) + " cells; leave some out");
  return drafts;
}

Status add_study(const StudyText& source, const TomlNode& node, SweepStudy& study) {
  const std::vector<std::string> known = {"name", "question", "seeds", "baseline"};
  if (node.kind != TomlNode::Kind::kTable)
    return source.refuse(node, "study: should be a table, [study], with name, question, seeds and baseline");
  for (const auto& [key, value] : node.entries) {
    if (std::find(known.begin(), known.end(), key) == known.end())
      return source.refuse(value,
                           "'" + key + "' is no key of [study]; did you mean '" + nearest(key, known) + "'?");
    if (key == "name") {
      TRY_ASSIGN(study.name, name_of(source, value, key));
    } else if (key == "question") {
      TRY_ASSIGN(study.question, text_of(source, value, key));
    } else if (key == "seeds") {
      TRY_ASSIGN(study.seeds, seeds_of(source, value));
    } else {
      TRY_ASSIGN(study.baseline, name_of(source, value, key));
    }
  }
  return {};
}

Status check_tables(const StudyText& source, const TomlNode& file) {
  const std::vector<std::string> known = {"study", "recipe", "grid", "cell"};
  for (const auto& [key, node] : file.entries) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    if (find_recipe_key(key) != nullptr)
      return source.refuse(node, key + ": stands in no table; put it into [recipe]");
    for (const char* of_study : {"name", "question", "seeds", "baseline"})
      if (key == of_study) return source.refuse(node, key + ": stands in no table; put it into [study]");
    return source.refuse(node,
                         "'" + key + "' is no table of a study; did you mean '" + nearest(key, known) + "'?");
  }
  return {};
}

// Two cells of one name would be one line of the table, two of one recipe the same runs.
Status check_cells(Env& env, const StudyText& source, const SweepStudy& study) {
  std::map<std::string, std::string> names, recipes;
  for (const SweepCell& cell : study.cells) {
    if (!names.emplace(cell.name, cell.name).second)
      return invalid(source.path + ": two cells are called '" + cell.name + "'; rename one");
    TRY_ASSIGN(const SweepRecipe recipe, sweep_recipe(env, cell.recipe));
    const auto [same, fresh] = recipes.emplace(sweep_id(recipe, 0), cell.name);
    if (!fresh)
      return invalid(source.path + ": the cells '" + same->second + "' and '" + cell.name +
                     "' have the same recipe; leave one out");
  }
  if (study.baseline.empty() || names.contains(study.baseline)) return {};
  std::vector<std::string> known;
  for (const SweepCell& cell : study.cells) known.push_back(cell.name);
  return invalid(source.path + ": baseline: no cell is called '" + study.baseline + "'; did you mean '" +
                 nearest(study.baseline, known) + "'?");
}

}  // namespace

Result<SweepStudy> read_sweep_study(Env& env, const std::string& path) {
  TRY_ASSIGN(const std::string text, read_all(env, path, kLongest));
  TRY_ASSIGN(const TomlNode file, parse_toml(text, path));
  const StudyText source{path};
  TRY(check_tables(source, file));
  SweepStudy study;
  study.path = path;
  study.name = std::filesystem::path(path).stem().string();
  study.seeds = {1, 2, 3};
  if (const TomlNode* about = file.find("study")) TRY(add_study(source, *about, study));
  TRY_ASSIGN(const std::vector<Draft> drafts, drafts_of(source, file, study.seeds));
  size_t runs = 0;
  for (const Draft& draft : drafts) runs += draft.seeds.size();
  if (runs > kMostRuns)
    return invalid(path + ": has more than " + std::to_string(kMostRuns) +
                   " runs, cells times seeds; leave some out");
  for (const Draft& draft : drafts) {
    auto recipe = make_recipe_for_data(env, draft.settings);
    if (!recipe.ok())
      return recipe.status().message().starts_with(path)
                 ? recipe.status()
                 : recipe.status().within(path + " line " + std::to_string(draft.at) + ": cell '" +
                                          draft.name + "'");
    study.cells.push_back({draft.name, draft.line, recipe.take(), draft.seeds});
  }
  TRY(check_cells(env, source, study));
  return study;
}

bool changes_no_result(const std::string& key) {
  return std::find(std::begin(kChangeNoResult), std::end(kChangeNoResult), key) != std::end(kChangeNoResult);
}

Result<SweepRecipe> sweep_recipe(Env& env, const Recipe& recipe) {
  // What the others are by themselves depends on these.
  const std::string method = recipe.sparsify.method;
  std::vector<Setting> least = {{"data", recipe.data, "recipe"}, {"model", recipe.model, "recipe"}};
  if (method != Recipe().sparsify.method) least.push_back({"method", method, "recipe"});
  if (is_own_data(recipe.data)) {
    DatasetOptions options = dataset_options(recipe);
    options.only_shape = true;
    TRY_ASSIGN(const Dataset shape, load_dataset(env, recipe.data, options));
    const std::vector<Setting> usual = usual_settings(shape);
    least.insert(least.begin(), usual.begin(), usual.end());
  }
  TRY_ASSIGN(const Recipe by_itself, make_recipe(least));
  SweepRecipe out;
  for (const RecipeKey& key : recipe_keys()) {
    const std::string name = key.name;
    if (name == "seed" || changes_no_result(name) || (key.applies && !key.applies(recipe))) continue;
    const std::string value = key.print(recipe);
    const bool said = name == "data" || name == "model" ||
                      (name == "method" && value != Recipe().sparsify.method) ||
                      value != key.print(by_itself);
    (said ? out.chosen : out.usual)[name] = value;
  }
  return out;
}

std::string sweep_id(const SweepRecipe& recipe, uint64_t seed) {
  std::string text;
  for (const auto& [key, value] : recipe.chosen) text += key + "=" + value + "\n";
  return sha256_of_text(text + "seed=" + std::to_string(seed) + "\n").substr(0, kIdDigits);
}

}  // namespace coppice
