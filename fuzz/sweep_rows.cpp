// SPDX-License-Identifier: Apache-2.0
#include "study/sweep_rows.h"

#include "study/sweep_table.h"
#include "support/sweep_plan.h"
#include "support/target.h"

namespace coppice::fuzz {

bool fuzz_sweep_rows(std::string_view input) {
  const SweepPlan& plan = small_sweep();
  testing::MemoryEnv env(
      testing::MemoryEnv::Files{{join_path(plan.directory, kSweepRowsFile), std::string(input)}});
  auto rows = SweepRows::read(env, plan);
  if (!taken(rows.status())) return false;
  const SweepResult result = sweep_result(plan, *rows);
  require(!sweep_table(plan, result).text().empty(), "whatever was read is a table");
  require(!sweep_page(plan, result, *rows).empty(), "and a page");
  return true;
}

}  // namespace coppice::fuzz
