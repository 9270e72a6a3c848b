// SPDX-License-Identifier: Apache-2.0
// tar archives for tests, member by member.
#pragma once

#include <cstdio>
#include <string>

namespace coppice::testing {

// A member with its header, filled up to whole blocks.
inline std::string tar_member(const std::string& name, const std::string& content, char type = '0') {
  std::string header(512, '\0');
  const auto put = [&](size_t at, const std::string& text) { header.replace(at, text.size(), text); };
  char octal[16];
  std::snprintf(octal, sizeof octal, "%011zo", content.size());
  put(0, name);
  put(124, octal);
  put(148, "        ");
  header[156] = type;
  put(257, "ustar");
  unsigned sum = 0;
  for (const char c : header) sum += static_cast<unsigned char>(c);
  std::snprintf(octal, sizeof octal, "%06o", sum);
  put(148, octal);
  header[154] = '\0';
  return header + content + std::string((512 - content.size() % 512) % 512, '\0');
}

// What an archive ends with.
inline std::string tar_end() { return std::string(1024, '\0'); }

}  // namespace coppice::testing
