// SPDX-License-Identifier: Apache-2.0
// The fuzz targets without a fuzzer: each gets what lies in its corpus. So what was once found stays mended,
// in every build, and targets and seeds stay true to the formats.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "support/seeds.h"
#include "support/targets.h"

namespace coppice::fuzz {
namespace {

namespace fs = std::filesystem;

fs::path corpus_of(const std::string& target) {
  return fs::path(COPPICE_SOURCE_DIR) / "fuzz" / "corpus" / target;
}

std::vector<fs::path> files_in(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

std::string content_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

class Corpus : public ::testing::TestWithParam<Target> {};

TEST_P(Corpus, NothingInItBreaksTheReader) {
  const std::vector<fs::path> files = files_in(corpus_of(GetParam().name));
  EXPECT_FALSE(files.empty());
  for (const fs::path& path : files) {
    // A crash leaves this line behind.
    std::fprintf(stderr, "%s\n", path.lexically_relative(COPPICE_SOURCE_DIR).c_str());
    (void)GetParam().run(content_of(path));
  }
}

// COPPICE_WRITE_CORPUS=1 writes them where they are missing or have changed.
TEST_P(Corpus, HasTheSeedsAndTheReaderTakesThem) {
  int count = 0;
  for (const Seed& seed : make_seeds()) {
    if (seed.target != GetParam().name) continue;
    ++count;
    const fs::path path = corpus_of(seed.target) / seed.name;
    if (std::getenv("COPPICE_WRITE_CORPUS") != nullptr && content_of(path) != seed.bytes) {
      fs::create_directories(path.parent_path());
      std::ofstream(path, std::ios::binary) << seed.bytes;
    }
    EXPECT_TRUE(fs::exists(path)) << path;
    EXPECT_TRUE(GetParam().run(seed.bytes)) << seed.name << ": the reader refuses the new seed";
    EXPECT_TRUE(GetParam().run(content_of(path))) << path << ": the reader refuses the old seed";
  }
  EXPECT_GT(count, 0) << "give the target a seed in fuzz/support/seeds.cpp";
}

INSTANTIATE_TEST_SUITE_P(Fuzz, Corpus, ::testing::ValuesIn(all_targets()),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(CorpusFolder, HoldsNothingThatNoTargetReads) {
  uint64_t bytes = 0;
  for (const fs::path& folder : files_in(fs::path(COPPICE_SOURCE_DIR) / "fuzz" / "corpus")) {
    const std::string name = folder.filename();
    EXPECT_TRUE(std::any_of(all_targets().begin(), all_targets().end(), [&](const Target& target) {
      return name == target.name;
    })) << folder;
    for (const fs::path& file : files_in(folder)) bytes += fs::file_size(file);
  }
  EXPECT_LT(bytes, 200'000u) << "a corpus that is kept in the repository is small";
}

}  // namespace
}  // namespace coppice::fuzz
