// SPDX-License-Identifier: Apache-2.0
// ZIP archives as NumPy writes them (.npz): stored and deflated files, zip64. Trusts nothing: files may
// neither overlap nor repeat a name, and what one unpacks to is bounded before memory is taken.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/env.h"
#include "base/result.h"

namespace coppice {

struct ZipEntry {
  std::string name;
  uint64_t offset = 0, packed = 0, size = 0;  // of its header in the archive; in bytes
  uint32_t checksum = 0;
  int method = 0;  // 0 stored, 8 deflated
};

// Reads through the file that it opened; one thread at a time.
class ZipFile {
 public:
  // All files together may unpack to max_bytes.
  static Result<ZipFile> open(Env& env, const std::string& path, uint64_t max_bytes);

  const std::vector<ZipEntry>& entries() const { return entries_; }  // in the order of the directory
  Result<std::vector<uint8_t>> read(const ZipEntry& entry) const;

 private:
  ZipFile(std::string path, std::unique_ptr<ReadFile> file)
      : path_(std::move(path)), file_(std::move(file)) {}
  Status read_directory(uint64_t max_bytes);
  Status check_entries(uint64_t max_bytes, uint64_t directory) const;

  std::string path_;
  std::unique_ptr<ReadFile> file_;
  std::vector<ZipEntry> entries_;
};

}  // namespace coppice
