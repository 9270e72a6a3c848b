// SPDX-License-Identifier: Apache-2.0
// The targets as a table, for tests. CMake writes it from the files in fuzz/.
#pragma once

#include <string_view>
#include <vector>

namespace coppice::fuzz {

struct Target {
  const char* name;
  bool (*run)(std::string_view input);  // whether the reader took it
};

const std::vector<Target>& all_targets();

}  // namespace coppice::fuzz
