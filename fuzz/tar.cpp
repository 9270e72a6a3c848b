// SPDX-License-Identifier: Apache-2.0
// Archives that `coppice data get` unpacks. The sum of each header is put right first, else no change of one
// would get past it.
#include "io/tar.h"

#include "support/target.h"

namespace coppice::fuzz {
namespace {

std::string with_right_sums(std::string_view input) {
  constexpr size_t kBlock = 512, kSum = 148, kSumBytes = 8, kFormat = 257;
  std::string out(input);
  for (size_t at = 0; out.size() >= at + kBlock; at += kBlock) {
    if (out.compare(at + kFormat, 5, "ustar") != 0) continue;
    uint64_t sum = 0;
    for (size_t i = 0; i < kBlock; ++i)
      sum += i >= kSum && i < kSum + kSumBytes ? ' ' : static_cast<uint8_t>(out[at + i]);
    char digits[kSumBytes + 1];
    std::snprintf(digits, sizeof digits, "%06o", static_cast<unsigned>(sum));
    out.replace(at + kSum, kSumBytes, digits, kSumBytes);
  }
  return out;
}

bool unpack(std::string_view bytes) {
  testing::MemoryEnv env = env_with(bytes);
  constexpr uint64_t kMost = 8 << 20;
  const std::vector<std::string> wanted = {"a.bin", "b.bin"};
  const bool ok = taken(unpack_tar(env, kPath, "folder", wanted, kMost));
  for (const auto& [path, content] : env.files())
    require(path == kPath || path == "folder/a.bin" || path == "folder/b.bin",
            "an archive decides neither names nor places");
  require(!ok || env.files().size() == 1 + wanted.size(), "all that was asked for is there");
  return ok;
}

}  // namespace

bool fuzz_tar(std::string_view input) {
  const std::string repaired = with_right_sums(input);
  const bool plain = unpack(input);
  return repaired == input ? plain : unpack(repaired) || plain;
}

}  // namespace coppice::fuzz
