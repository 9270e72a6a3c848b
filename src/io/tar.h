// SPDX-License-Identifier: Apache-2.0
// What a data set in a .tar.gz is unpacked with: the files that are asked for, and no others.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/env.h"
#include "base/result.h"

namespace coppice {

// Writes the files of an archive (plain or gzip) whose names end with one of `wanted` (the last part of their
// path) into a folder that is there; nothing else of the archive decides where something is written. Each has
// to be in it once. Each file is written whole or not at all.
Status unpack_tar(Env& env, const std::string& archive, const std::string& folder,
                  const std::vector<std::string>& wanted, uint64_t max_bytes);

}  // namespace coppice
