// SPDX-License-Identifier: Apache-2.0
#include "train/recipe.h"

#include <sstream>

#include "base/text.h"
#include "io/toml.h"
#include "models/json.h"
#include "models/models.h"

namespace coppice {
namespace {

// What is chosen where nobody chooses: by the data set, then by the family of the model.
struct Defaults {
  const char* name;
  std::vector<Setting> settings;
};

std::vector<Setting> chosen(std::initializer_list<std::pair<const char*, const char*>> pairs) {
  std::vector<Setting> settings;
  for (const auto& [key, value] : pairs) settings.push_back({key, value, "defaults"});
  return settings;
}

const std::vector<Defaults>& data_defaults() {
  static const std::vector<Defaults> kTable = {
      {"glyphs", chosen({{"model", "mlp:784-300-100-10"}, {"epochs", "20"}})},
      {"mnist", chosen({{"model", "mlp:784-300-100-10"}})},
      {"fashion-mnist", chosen({{"model", "mlp:784-300-100-10"}})},
      {"cifar10", chosen({{"model", "resnet20"}, {"crop", "4"}, {"flip", "true"}, {"epochs", "30"}})},
      {"cifar100", chosen({{"model", "resnet20"}, {"crop", "4"}, {"flip", "true"}, {"epochs", "30"}})},
      {"life", chosen({{"model", "life:1,8"}})},
  };
  return kTable;
}

const std::vector<Defaults>& model_defaults() {
  static const std::vector<Defaults> kTable = {
      {"mlp",
       chosen({{"optimizer", "adam"}, {"learning_rate", "0.003"}, {"schedule", "cosine"}, {"batch", "100"}})},
      {"lenet5",
       chosen({{"optimizer", "adam"}, {"learning_rate", "0.001"}, {"schedule", "cosine"}, {"batch", "128"}})},
      // Of networks that nobody here knows.
      {"graph", chosen({{"optimizer", "adam"}, {"learning_rate", "0.001"}, {"schedule", "cosine"}})},
      // The protocol of Springer and Kenyon: small batches of fresh boards, a constant rate.
      {"life", chosen({{"optimizer", "adam"}, {"learning_rate", "0.001"}, {"batch", "8"}, {"epochs", "10"}})},
      {"resnet", chosen({{"optimizer", "sgd"},
                         {"learning_rate", "0.1"},
                         {"schedule", "cosine"},
                         {"warmup", "0.02"},
                         {"momentum", "0.9"},
                         {"nesterov", "true"},
                         {"weight_decay", "0.0005"},
                         {"batch", "128"}})},
  };
  return kTable;
}

Status apply(Recipe& recipe, const Setting& setting) {
  const RecipeKey* key = find_recipe_key(setting.key);
  if (key == nullptr) return invalid(unknown_key(setting.key));
  return key->parse(recipe, setting.value).within(setting.origin);
}

// The last value of a key, `otherwise` if nobody chose one.
std::string last_of(const std::vector<Setting>& settings, const std::string& key, std::string otherwise) {
  for (const Setting& setting : settings)
    if (setting.key == key) otherwise = setting.value;
  return otherwise;
}

Status apply_defaults(Recipe& recipe, const std::vector<Setting>& settings) {
  const std::string data = last_of(settings, "data", recipe.data);
  for (const Defaults& row : data_defaults())
    if (data == row.name)
      for (const Setting& setting : row.settings) TRY(apply(recipe, setting));
  const std::string chosen_model = last_of(settings, "model", recipe.model);
  const std::string model = is_graph_file(chosen_model) ? "graph" : chosen_model;
  for (const Defaults& row : model_defaults())
    if (model.rfind(row.name, 0) == 0)
      for (const Setting& setting : row.settings) TRY(apply(recipe, setting));
  if (const MethodDef* method = find_method(last_of(settings, "method", recipe.sparsify.method)))
    recipe.sparsify.schedule = method->defaults;
  return {};
}

// A value that would mean nothing is a mistake where somebody chose it, and forgotten where nobody did.
Status check_applies(Recipe& recipe, const std::vector<Setting>& settings) {
  for (const Setting& setting : settings) {
    const RecipeKey& key = *find_recipe_key(setting.key);
    if (key.applies && !key.applies(recipe))
      return invalid(setting.origin + ": belongs to " + key.belongs_to + "; leave it out");
  }
  const Recipe fresh;
  for (const RecipeKey& key : recipe_keys())
    if (key.applies && !key.applies(recipe)) TRY(key.parse(recipe, key.print(fresh)));
  return {};
}

Status check(const Recipe& recipe) {
  if (recipe.data.empty()) return invalid("data: is empty; name a set, such as glyphs, or a path");
  if (recipe.model.empty())
    return invalid("model: there is no usual one for the data '" + recipe.data +
                   "'; choose one, such as mlp:784-300-10");
  TRY(recipe.optimizer.check());
  TRY(recipe.rate.check());
  if (recipe.rate.last > recipe.rate.peak)
    return invalid("last_learning_rate: is above learning_rate; lower it");
  if (recipe.patience > 0 && recipe.validation == 0 && recipe.data != "life")
    return invalid("patience: waits for a better validation; give validation a share above 0");
  if (!recipe.metric.empty() && recipe.validation == 0 && recipe.data != "life")
    return invalid("metric: chooses by validation samples; give validation a share above 0");
  if (!recipe.target.empty() && !recipe.label.empty())
    return invalid("target: names the columns that are learnt, and so does label; leave one of them out");
  if (!recipe.target.empty() && recipe.task == Task::kClasses)
    return invalid("target: names columns of labels or quantities; a column of classes is named by label");
  if (!recipe.label.empty() && recipe.task.value_or(Task::kClasses) != Task::kClasses)
    return invalid(std::string("label: names a column of classes; for the task ") + task_name(*recipe.task) +
                   " name columns by target");
  if (recipe.mean.size() != recipe.stddev.size())
    return invalid("mean: has " + std::to_string(recipe.mean.size()) + " numbers and stddev " +
                   std::to_string(recipe.stddev.size()) + "; give one of each for every channel");
  if (!recipe.val_data.empty() && !is_own_data(recipe.val_data))
    return invalid("val_data: '" + recipe.val_data +
                   "' is a set with test samples of its own; give a path to other samples");
  if (!recipe.val_data.empty() && recipe.val_data == recipe.data)
    return invalid("val_data: are the samples that are learnt from; give other ones");
  if (recipe.micro_batch > recipe.batch)
    return invalid("micro_batch: " + std::to_string(recipe.micro_batch) + " is above the batch of " +
                   std::to_string(recipe.batch) + "; choose at most that");
  return {};
}

Result<std::string> text_of(const RecipeKey& key, const TomlNode& node) {
  std::string text = node.text;
  if (node.kind == TomlNode::Kind::kList && key.kind == KeyKind::kNumbers)
    for (const TomlNode& item : node.items) append_item(text, item.text, ",");
  if (node.kind == TomlNode::Kind::kTable || node.kind == TomlNode::Kind::kOther)
    return invalid(std::string(key.name) + ": should be " + (*key.wants ? key.wants : "true or false"));
  return text;
}

// A JSON text is a TOML text.
std::string quoted(const std::string& text) { return json_text(Json(text)); }

}  // namespace

std::string default_text(const RecipeKey& key) {
  std::string text = key.print(Recipe{}), special;
  for (const std::vector<Defaults>* table : {&data_defaults(), &model_defaults()})
    for (const Defaults& row : *table)
      for (const Setting& setting : row.settings)
        if (setting.key == key.name) append_item(special, std::string(row.name) + " " + setting.value, ", ");
  for (const MethodDef& method : all_methods()) {
    Recipe recipe;
    recipe.sparsify.schedule = method.defaults;
    if (const std::string value = key.print(recipe); value != key.print(Recipe{}))
      append_item(special, std::string(method.name) + " " + value, ", ");
  }
  if (!special.empty()) append_item(text, special, "; ");
  return text;
}

Result<Recipe> make_recipe(const std::vector<Setting>& settings) {
  for (const Setting& setting : settings)
    if (find_recipe_key(setting.key) == nullptr) return invalid(unknown_key(setting.key));
  Recipe recipe;
  TRY(apply_defaults(recipe, settings));
  for (const Setting& setting : settings) TRY(apply(recipe, setting));
  TRY(check_applies(recipe, settings));
  TRY(check(recipe));
  return recipe;
}

Result<std::vector<Setting>> settings_from_entry(const std::string& name, const TomlNode& node,
                                                 const std::string& origin) {
  const std::string place = origin + " line " + std::to_string(node.line);
  const RecipeKey* key = find_recipe_key(name);
  if (key == nullptr) return invalid(place + ": " + unknown_key(name));
  std::vector<Setting> settings;
  const std::string chosen_at = place + ": " + key->name;
  if (key->kind == KeyKind::kLayers && node.kind == TomlNode::Kind::kTable) {
    for (const auto& [layer, density] : node.entries)
      settings.push_back({key->name, layer + "=" + density.text, chosen_at});
    return settings;
  }
  auto value = text_of(*key, node);
  if (!value.ok()) return value.status().within(place);
  settings.push_back({key->name, value.take(), chosen_at});
  return settings;
}

Result<std::vector<Setting>> settings_from_toml(const std::string& text, const std::string& origin) {
  TRY_ASSIGN(const TomlNode file, parse_toml(text, origin));
  std::vector<Setting> settings;
  for (const auto& [name, node] : file.entries) {
    TRY_ASSIGN(const std::vector<Setting> more, settings_from_entry(name, node, origin));
    settings.insert(settings.end(), more.begin(), more.end());
  }
  return settings;
}

std::string recipe_to_toml(const Recipe& recipe) {
  std::ostringstream out;
  for (const RecipeKey& key : recipe_keys()) {
    const std::string text = key.print(recipe);
    if (text.empty() || key.kind == KeyKind::kLayers || (key.applies && !key.applies(recipe))) continue;
    out << key.name << " = ";
    if (key.kind == KeyKind::kText)
      out << quoted(text);
    else if (key.kind == KeyKind::kNumbers)
      out << '[' << text << ']';
    else
      out << text;
    out << '\n';
  }
  if (!recipe.sparsity.layers.empty()) out << "\n[layer]\n";
  for (const auto& [layer, density] : recipe.sparsity.layers)
    out << quoted(layer) << " = " << shortest(density) << '\n';
  return out.str();
}

}  // namespace coppice
