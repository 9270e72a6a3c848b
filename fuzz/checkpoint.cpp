// SPDX-License-Identifier: Apache-2.0
// A whole checkpoint, up to an evaluation where it is small. The input lacks the length of the header: it
// ends with the first line end, so that a change of the header does not make all that follows unreadable.
#include "train/checkpoint.h"

#include "support/step.h"
#include "support/target.h"

namespace coppice::fuzz {

bool fuzz_checkpoint(std::string_view input) {
  std::string file(8, '\0');
  put_number(file, 0, 8, std::min(input.find('\n') + 1, input.size()));
  file.append(input);
  testing::MemoryEnv env = env_with(file);
  auto checkpoint = read_checkpoint(env, kPath);
  if (!taken(checkpoint.status())) return false;
  const Status written = write_checkpoint(env, "copy", checkpoint->network, checkpoint->info, true);
  if (is_small(checkpoint->network.graph)) run_a_step(checkpoint->network, false);
  if (written.code() == Code::kDiverged) return true;
  require(written.ok(), "what was read can be written");
  auto copy = read_checkpoint(env, "copy");
  require(copy.ok(), "what was written can be read");
  require(copy->network.params.size() == checkpoint->network.params.size(), "a copy is the same network");
  require(copy->info.preprocessing.columns == checkpoint->info.preprocessing.columns, "a copy has the names");
  return true;
}

}  // namespace coppice::fuzz
