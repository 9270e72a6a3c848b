// SPDX-License-Identifier: Apache-2.0
#include "io/npy.h"

#include "support/target.h"

namespace coppice::fuzz {

bool fuzz_npy(std::string_view input) {
  testing::MemoryEnv env = env_with(input);
  auto file = read_npy(env, kPath);
  auto memory = parse_npy(std::vector<uint8_t>(input.begin(), input.end()));
  require(taken(file.status()) == taken(memory.status()), "a file and its bytes are judged alike");
  if (!file.ok()) return false;
  require(file->bytes == memory->bytes && file->shape == memory->shape, "a file and its bytes are the same");
  require(write_npy(env, "copy", file->dtype, file->shape, file->bytes.data()).ok(),
          "what was read can be written");
  auto copy = read_npy(env, "copy");
  require(copy.ok() && copy->bytes == file->bytes && copy->shape == file->shape, "a copy holds the same");
  return true;
}

}  // namespace coppice::fuzz
