// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstring>
#include <string>
#include <vector>

#include "coppice_cpk.h"

namespace coppice::testing {

// As somebody who means harm would.
inline void put_checksums_right(std::string& file) {
  if (file.size() < sizeof(coppice_cpk_header) + COPPICE_CPK_SECTIONS * sizeof(coppice_cpk_section)) return;
  std::vector<uint64_t> words(file.size() / 8 + 1);
  std::memcpy(words.data(), file.data(), file.size());
  auto* header = reinterpret_cast<coppice_cpk_header*>(words.data());
  auto* table = reinterpret_cast<coppice_cpk_section*>(header + 1);
  for (int s = 0; s < COPPICE_CPK_SECTIONS; ++s)
    if (table[s].offset % 8 == 0 && table[s].offset <= file.size() &&
        table[s].bytes <= file.size() - table[s].offset)
      table[s].checksum = coppice_cpk_checksum(0, words.data() + table[s].offset / 8, table[s].bytes / 8);
  header->checksum = 0;
  const uint64_t hash = coppice_cpk_checksum(0, words.data(), sizeof *header / 8);
  header->checksum =
      coppice_cpk_checksum(hash, words.data() + sizeof *header / 8, COPPICE_CPK_SECTIONS * sizeof *table / 8);
  std::memcpy(file.data(), words.data(), file.size());
}

}  // namespace coppice::testing
