// SPDX-License-Identifier: Apache-2.0
// What the targets share. fuzz/NAME.cpp defines fuzz_NAME(input): it gives the bytes to one reader and says
// whether the reader took them. A target never fails by itself: a finding is a crash, an error of a
// sanitizer, too much memory or time, or a promise of the reader that require() sees broken.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

#include "io/image.h"
#include "support/memory_env.h"

namespace coppice::fuzz {

inline constexpr char kPath[] = "input";  // of the file that holds the bytes

// An Env that holds one file.
inline testing::MemoryEnv env_with(std::string_view input) {
  return testing::MemoryEnv(testing::MemoryEnv::Files{{kPath, std::string(input)}});
}

inline void require(bool holds, const char* promise) {
  if (holds) return;
  std::fprintf(stderr, "broken promise: %s\n", promise);
  std::abort();
}

// Every refusal is a sentence.
inline bool taken(const Status& status) {
  require(status.ok() || !status.message().empty(), "a refusal has a sentence");
  return status.ok();
}

inline uint64_t number(std::string_view bytes, size_t at, size_t count, bool little = true) {
  uint64_t value = 0;
  for (size_t i = 0; i < count; ++i)
    value = value << 8 | static_cast<uint8_t>(bytes[at + (little ? count - 1 - i : i)]);
  return value;
}

inline void put_number(std::string& bytes, size_t at, size_t count, uint64_t value, bool little = true) {
  for (size_t i = 0; i < count; ++i, value >>= 8)
    bytes[at + (little ? i : count - 1 - i)] = static_cast<char>(value);
}

// What the readers of pictures promise; null where the bytes are refused.
inline std::optional<Image> read_picture(std::string_view bytes) {
  testing::MemoryEnv env = env_with(bytes);
  auto info = read_image_info(env, kPath);
  (void)taken(info.status());
  auto image = read_image(env, kPath);
  if (!taken(image.status())) return std::nullopt;
  require(info.ok() && image->info == *info, "a picture is as large as its header says");
  require(image->pixels.size() ==
              size_t(image->info.height) * size_t(image->info.width) * size_t(image->info.channels),
          "a picture is whole");
  return image.take();
}

}  // namespace coppice::fuzz
