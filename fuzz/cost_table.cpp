// SPDX-License-Identifier: Apache-2.0
#include "train/cost_table.h"

#include "support/target.h"

namespace coppice::fuzz {

bool fuzz_cost_table(std::string_view input) {
  testing::MemoryEnv env = env_with(input);
  auto table = read_cost_table(env, kPath);
  if (!taken(table.status())) return false;
  require(write_cost_table(env, "copy", *table).ok(), "what was read can be written");
  auto copy = read_cost_table(env, "copy");
  require(copy.ok() && copy->same_rates(*table), "a copy is the same table");
  return true;
}

}  // namespace coppice::fuzz
