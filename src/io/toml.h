// SPDX-License-Identifier: Apache-2.0
// TOML as a tree that keeps what a person has to be told about it: names, texts, and the lines they stand on.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace coppice {

struct TomlEntry;

struct TomlNode {
  enum class Kind {
    kText,
    kPlain,  // a number, true or false
    kList,
    kTable,
    kOther,  // dates and times, and what lies deeper than anything that is read here
  };
  Kind kind = Kind::kOther;
  int64_t line = 0;
  std::string text;                // as a flag of the command line would have it
  std::vector<TomlNode> items;     // of a list
  std::vector<TomlEntry> entries;  // of a table, in the order of the file

  const TomlNode* find(const std::string& name) const;  // null: no such entry
};

struct TomlEntry {
  std::string name;
  TomlNode node;
};

// The table that a file is; `origin` is its name for sentences.
Result<TomlNode> parse_toml(const std::string& text, const std::string& origin);

}  // namespace coppice
