// SPDX-License-Identifier: Apache-2.0
// The stream below the readers of data sets: the input as a file that may be packed, and as the content of
// one.
#include "io/gzip.h"

#include <zlib.h>

#include "support/target.h"

namespace coppice::fuzz {
namespace {

constexpr uint64_t kMost = 8 << 20;

// In pieces of growing size, as readers do; nothing where the stream is refused.
bool read(testing::MemoryEnv& env, std::string* out) {
  auto stream = ByteStream::open(env, kPath, kMost);
  if (!taken(stream.status())) return false;
  const uint64_t most = stream->most_bytes();
  std::string piece;
  for (size_t n = 1;; n = n * 2 + 1) {
    piece.resize(n);
    auto got = stream->read_some(piece.data(), n);
    if (!taken(got.status())) return false;
    out->append(piece, 0, *got);
    if (*got < n) break;
  }
  require(out->size() == stream->position(), "the position counts what was read");
  require(out->size() <= most, "no file unpacks to more than was foretold");
  require(taken(stream->expect_end()), "after its end a stream has ended");
  return true;
}

std::string packed(std::string_view content) {
  z_stream zlib{};
  constexpr int kGzip = 15 + 16, kMemory = 8;
  require(deflateInit2(&zlib, Z_BEST_SPEED, Z_DEFLATED, kGzip, kMemory, Z_DEFAULT_STRATEGY) == Z_OK, "zlib");
  std::string out(deflateBound(&zlib, content.size()), '\0');
  zlib.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(content.data()));
  zlib.avail_in = static_cast<uInt>(content.size());
  zlib.next_out = reinterpret_cast<Bytef*>(out.data());
  zlib.avail_out = static_cast<uInt>(out.size());
  require(deflate(&zlib, Z_FINISH) == Z_STREAM_END, "zlib");
  out.resize(zlib.total_out);
  deflateEnd(&zlib);
  return out;
}

}  // namespace

bool fuzz_gzip(std::string_view input) {
  testing::MemoryEnv env = env_with(input);
  std::string content;
  const bool raw = read(env, &content);
  // Two members make one content.
  env.put(kPath, packed(input) + packed(input));
  std::string unpacked;
  require(read(env, &unpacked) && unpacked == std::string(input) + std::string(input),
          "what was packed is unpacked");
  return raw;
}

}  // namespace coppice::fuzz
