// SPDX-License-Identifier: Apache-2.0
// SHA-256 (FIPS 180-4), the same in every build: names of runs and checks of files hang on it.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/env.h"

namespace coppice {

// Of bytes that come in pieces.
class Sha256 {
 public:
  void add(std::string_view bytes);
  // 64 hexadecimal digits. Nothing may be added after it.
  std::string digits();

 private:
  void block(const uint8_t* bytes);

  std::array<uint32_t, 8> state_ = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                    0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<uint8_t, 64> rest_{};  // what does not fill a block yet
  uint64_t bytes_ = 0;
};

std::string sha256_of_text(std::string_view text);
Result<std::string> sha256_of_file(Env& env, const std::string& path);

}  // namespace coppice
