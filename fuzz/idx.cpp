// SPDX-License-Identifier: Apache-2.0
#include "io/idx.h"

#include "support/target.h"

namespace coppice::fuzz {

bool fuzz_idx(std::string_view input) {
  testing::MemoryEnv env = env_with(input);
  auto array = read_idx(env, kPath);
  if (!taken(array.status())) return false;
  int64_t elements = 1;
  for (const int64_t size : array->shape) elements *= size;
  require(static_cast<uint64_t>(elements) == array->bytes.size(), "an array has as many bytes as its shape");
  return true;
}

}  // namespace coppice::fuzz
