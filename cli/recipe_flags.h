// SPDX-License-Identifier: Apache-2.0
// The flags that are keys of a recipe. Made from the table of keys, so a new key is a new flag.
#pragma once

#include <CLI/CLI.hpp>
#include <map>
#include <string>
#include <vector>

#include "base/env.h"
#include "train/recipe.h"

namespace coppice::cli {

class RecipeFlags {
 public:
  // Adds one option per key to `command`; the object must outlive the parsing.
  void add_to(CLI::App& command);

  // Those of a group, such as "Data", but for the key that the command takes without a flag.
  void add_group(CLI::App& command, const std::string& group, const std::string& but);

  // What was given, in the order of the table.
  std::vector<Setting> settings() const;

 private:
  void add(CLI::App& command, const RecipeKey& key);

  std::map<std::string, std::vector<std::string>> given_;
};

// "learning_rate" as a flag: "--learning-rate".
std::string flag_of(const std::string& key);

// A file with recipes names a table or a graph by its place beside it: the value as it is named from here.
std::string value_beside(const std::string& file, const std::string& key, const std::string& value);

// A recipe file, if a path is given, and the flags over it.
Result<Recipe> recipe_from(Env& env, const std::string& path, const RecipeFlags& flags);

}  // namespace coppice::cli
