// SPDX-License-Identifier: Apache-2.0
// Pictures as PNG. The checksum of each chunk is put right first, else no change of a chunk would get past
// it.
#include "io/png.h"

#include <zlib.h>

#include "support/target.h"

namespace coppice::fuzz {
namespace {

std::string with_right_sums(std::string_view input) {
  constexpr size_t kSignature = 8, kAround = 12;  // length, name and sum of a chunk
  std::string out(input);
  for (size_t at = kSignature; out.size() >= at + kAround;) {
    const uint64_t length = number(out, at, 4, false);
    if (length > out.size() - at - kAround) break;
    const auto* named = reinterpret_cast<const Bytef*>(out.data() + at + 4);
    put_number(out, at + 8 + length, 4, crc32(0, named, static_cast<uInt>(length + 4)), false);
    at += kAround + length;
  }
  return out;
}

bool read(std::string_view bytes) {
  const std::optional<Image> image = read_picture(bytes);
  if (!image) return false;
  auto written = encode_png(*image);
  require(written.ok(), "what was read can be written");
  auto again = decode_png(*written);
  require(again.ok() && again->pixels == image->pixels, "a copy is the same picture");
  return true;
}

}  // namespace

bool fuzz_png(std::string_view input) {
  const std::string repaired = with_right_sums(input);
  const bool plain = read(input);
  return repaired == input ? plain : read(repaired) || plain;
}

}  // namespace coppice::fuzz
