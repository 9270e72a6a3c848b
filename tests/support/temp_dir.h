// SPDX-License-Identifier: Apache-2.0
// An empty folder for the files of one test; it goes with the test.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>
#include <zlib.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>

#include "base/env.h"

namespace coppice::testing {

inline std::string content(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

class TempDir {
 public:
  TempDir() : path_(::testing::TempDir() + "coppice-XXXXXX") {
    if (mkdtemp(path_.data()) == nullptr) ADD_FAILURE() << "cannot make a folder like " << path_;
  }
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::string& path() const { return path_; }
  std::string file(std::string_view name) const { return join_path(path_, name); }

  // Writes the file and returns its path.
  std::string write(std::string_view name, std::string_view content) const {
    std::string path = file(name);
    // Not through Env: tests write thousands of small files, and none of them has to survive a crash.
    std::ofstream stream(path, std::ios::binary | std::ios::trunc);
    EXPECT_TRUE(stream.write(content.data(), static_cast<std::streamsize>(content.size())).flush()) << path;
    return path;
  }

 private:
  std::string path_;
};

inline std::string gzipped(std::string_view content) {
  z_stream stream{};
  constexpr int kGzip = 15 + 16, kMemory = 8;
  EXPECT_EQ(deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, kGzip, kMemory, Z_DEFAULT_STRATEGY), Z_OK);
  std::string packed(deflateBound(&stream, content.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(content.data()));
  stream.avail_in = static_cast<uInt>(content.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

}  // namespace coppice::testing
