// SPDX-License-Identifier: Apache-2.0
#include "io/idx.h"

#include <array>

#include "io/gzip.h"

namespace coppice {

Result<IdxArray> read_idx(Env& env, const std::string& path) {
  constexpr uint64_t kMaxBytes = uint64_t{2} << 30;
  constexpr uint8_t kUnsignedByte = 8;
  constexpr int kMaxDimensions = 4;
  TRY_ASSIGN(ByteStream stream, ByteStream::open(env, path, kMaxBytes));

  std::array<uint8_t, 4> magic;
  TRY(stream.read(magic.data(), magic.size()));
  if (magic[0] != 0 || magic[1] != 0)
    return corrupt(path + ": is not an IDX file, it must start with two zero bytes");
  if (magic[2] != kUnsignedByte)
    return unsupported(path + ": holds IDX type " + std::to_string(magic[2]) +
                       " at byte 2, only unsigned bytes (8) are read");
  if (magic[3] < 1 || magic[3] > kMaxDimensions)
    return corrupt(path + ": announces " + std::to_string(magic[3]) +
                   " dimensions at byte 3, 1 to 4 are possible");

  IdxArray array;
  uint64_t size = 1;
  for (int i = 0; i < magic[3]; ++i) {
    std::array<uint8_t, 4> word;
    TRY(stream.read(word.data(), word.size()));
    const uint64_t dimension =
        uint64_t{word[0]} << 24 | uint64_t{word[1]} << 16 | uint64_t{word[2]} << 8 | uint64_t{word[3]};
    // size is at most 2^31 here, so the product cannot overflow.
    size *= dimension;
    if (size == 0 || size > stream.most_bytes())
      return corrupt(path + ": dimension " + std::to_string(i) + " is " + std::to_string(dimension) +
                     ", which cannot be true of a file of this size");
    array.shape.push_back(static_cast<int64_t>(dimension));
  }
  TRY(stream.append_to(array.bytes, size));
  TRY(stream.expect_end());
  return array;
}

}  // namespace coppice
