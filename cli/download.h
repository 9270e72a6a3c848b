// SPDX-License-Identifier: Apache-2.0
// Files from the network, over libcurl: only what somebody asked for by name, and only the bytes that are
// known. A build without it (-DCOPPICE_DOWNLOADS=OFF) says so.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

#include "base/env.h"
#include "base/result.h"

namespace coppice::cli {

struct Download {
  std::string url;   // http or https
  std::string path;  // where it goes; its folder is there
  std::string sha256;
  uint64_t bytes = 0;
};

struct DownloadWatch {
  std::function<void(uint64_t done, uint64_t all)> on_progress;
  const std::atomic<bool>* stop = nullptr;
};

// Collects in PATH.partial, which a later call goes on with after any interruption, and renames it once it
// has the right sum. With a wrong one nothing is kept. Does nothing where the file is there already and
// right.
Status download(Env& env, const Download& what, const DownloadWatch& watch);

}  // namespace coppice::cli
