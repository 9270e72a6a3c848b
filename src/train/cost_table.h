// SPDX-License-Identifier: Apache-2.0
// Cost tables as files (docs/cost-table.md): what `coppice tune` writes, where it lies, and which table a new
// run takes. A run that goes on takes the one in its checkpoint.
#pragma once

#include <string>

#include "base/env.h"
#include "base/result.h"
#include "kernels/choose.h"
#include "models/json.h"

namespace coppice {

// Persisted: a reader refuses others.
inline constexpr int kCostTableFormatVersion = 1;

// On the command line and in recipes: the table that every coppice of a version has.
inline constexpr char kShippedCostTable[] = "default";

Json cost_table_json(const CostTable& table);
// Bounds every number. A failure starts with the place.
Result<CostTable> cost_table_from_json(const std::string& text, const std::string& place);

// The table read has the path as its origin.
Result<CostTable> read_cost_table(Env& env, const std::string& path);
// Atomic: after a failure the old file is whole. Makes the folder if need be.
Status write_cost_table(Env& env, const std::string& path, const CostTable& table);

// Where the table of this CPU and instruction set lies, whether there is one or not: below
// $COPPICE_CONFIG_DIR, $XDG_CONFIG_HOME/coppice or ~/.config/coppice. Its name tells CPUs apart, so that
// machines may share a home. Fails where none of the variables is set.
Result<std::string> tuned_table_path(const std::string& isa);

// What somebody chose: "default", a file, or - empty - the tuned table of this CPU if there is one, else the
// shipped one. isa as in ExecOptions.
Result<CostTable> find_cost_table(Env& env, const std::string& chosen, const std::string& isa);

}  // namespace coppice
