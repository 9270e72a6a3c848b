// SPDX-License-Identifier: Apache-2.0
// Files that may be compressed: read from front to back, with gzip unpacked on the way.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/env.h"
#include "base/result.h"

namespace coppice {

// A byte stream over one file. The content decides, not the name: a file that starts with the gzip magic is
// unpacked (all its members, each checksum checked), any other is read as it is. Holds 64 kB, whatever the
// file's size.
class ByteStream {
 public:
  // Delivers at most max_bytes unpacked; a file that holds more fails with a sentence when it gets there.
  static Result<ByteStream> open(Env& env, std::string path, uint64_t max_bytes);
  ByteStream(ByteStream&&) noexcept;
  ByteStream& operator=(ByteStream&&) = delete;
  ~ByteStream();

  // Exactly n bytes, or an error that names the file and the place where it ends.
  Status read(void* out, size_t n);

  // Appends exactly n bytes. The memory grows with what is really there, so a lying header costs none.
  Status append_to(std::vector<uint8_t>& out, uint64_t n);

  // Up to n bytes; fewer only at the end.
  Result<size_t> read_some(void* out, size_t n);

  // Fails if anything follows.
  Status expect_end();

  uint64_t position() const;  // in unpacked bytes

  // No file of this size unpacks to more, and never above max_bytes; to judge a header before trusting it.
  uint64_t most_bytes() const;

  // What the file says of its unpacked size, at most most_bytes(). Only a hint, for reserving memory.
  uint64_t likely_bytes() const;

 private:
  struct State;
  explicit ByteStream(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace coppice
