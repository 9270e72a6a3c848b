// SPDX-License-Identifier: Apache-2.0
// Counter-based random numbers (Philox 4x32-10, Salmon et al., SC 2011): the n-th number of a stream is a
// pure function of (seed, stream, n). So a result depends neither on the number of threads nor on where a run
// was resumed. A stream is named by what it is for: stream_id("init", "fc1.weight"), stream_id("shuffle",
// epoch).
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace coppice {

// 128 random bits for one counter value.
std::array<uint32_t, 4> philox(uint64_t seed, uint64_t stream, uint64_t counter);

// FNV-1a over the purpose and the name or number; stable across versions, as files depend on it.
uint64_t stream_id(std::string_view purpose, std::string_view name);
uint64_t stream_id(std::string_view purpose, uint64_t number);

// A sequential view of one stream. Copyable; holds no hidden state but its position.
class Rng {
 public:
  Rng(uint64_t seed, uint64_t stream) : seed_(seed), stream_(stream) {}

  uint32_t bits();             // uniform over 32 bits
  float uniform();             // in [0, 1), 24 bits
  double uniform_double();     // in [0, 1), 53 bits
  uint64_t below(uint64_t n);  // in [0, n), n > 0, without bias
  float normal();              // standard normal, Box-Muller in double

 private:
  uint64_t seed_, stream_;
  uint64_t position_ = 0;  // in 32-bit words
  std::array<uint32_t, 4> words_{};
};

}  // namespace coppice
