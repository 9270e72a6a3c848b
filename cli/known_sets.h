// SPDX-License-Identifier: Apache-2.0
// Data sets that `coppice data get` fetches: where they lie, and what they must be to the bit.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/env.h"
#include "base/result.h"
#include "download.h"

namespace coppice::cli {

struct KnownFile {
  std::string name, sha256;
  uint64_t bytes = 0;
};

struct KnownSet {
  std::string name, url;         // url/FILE is where each file lies
  std::vector<KnownFile> files;  // kept packed: readers unpack them
  std::vector<std::string>
      inside;  // of the one file, an archive: what is unpacked from it; it goes afterwards
};

const std::vector<KnownSet>& known_sets();

// Where sets are kept: `directory`, else $COPPICE_DATA, else data/ here.
std::string data_directory(const std::string& directory);

// Makes DIRECTORY/NAME with the files of the set. What is there already is not fetched again. `mirror`, where
// it is not empty, stands for the place of all sets: MIRROR/NAME/FILE.
Status get_set(Env& env, const KnownSet& set, const std::string& directory, const std::string& mirror,
               const DownloadWatch& watch);

}  // namespace coppice::cli
