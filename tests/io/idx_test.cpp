// SPDX-License-Identifier: Apache-2.0
#include "io/idx.h"

#include <gtest/gtest.h>

#include "support/temp_dir.h"

namespace coppice {
namespace {

using testing::gzipped;
using testing::TempDir;

std::string idx(const std::vector<uint32_t>& shape, const std::string& values, uint8_t type = 8) {
  std::string file{'\0', '\0', static_cast<char>(type), static_cast<char>(shape.size())};
  for (const uint32_t dimension : shape)
    for (int shift = 24; shift >= 0; shift -= 8) file += static_cast<char>(dimension >> shift);
  return file + values;
}

TEST(Idx, ReadsPlainAndPackedFiles) {
  const TempDir dir;
  const std::string file = idx({2, 1, 3}, "abcdef");
  for (const std::string& content : {file, gzipped(file)}) {
    const auto array = read_idx(Env::system(), dir.write("images", content));
    ASSERT_TRUE(array.ok()) << array.status().message();
    EXPECT_EQ(array->shape, (std::vector<int64_t>{2, 1, 3}));
    EXPECT_EQ(std::string(array->bytes.begin(), array->bytes.end()), "abcdef");
  }
}

TEST(Idx, EveryTruncationAndAnyTrailingByteIsAnError) {
  const TempDir dir;
  const std::string file = idx({2, 3}, "abcdef");
  for (const bool packed : {false, true}) {
    const auto wrapped = [packed](const std::string& content) { return packed ? gzipped(content) : content; };
    for (size_t size = 0; size < file.size(); ++size) {
      const auto array = read_idx(Env::system(), dir.write("cut", wrapped(file.substr(0, size))));
      ASSERT_EQ(array.status().code(), Code::kCorrupt) << size;
      EXPECT_NE(array.status().message().find("cut: "), std::string::npos) << array.status().message();
    }
    const auto longer = read_idx(Env::system(), dir.write("longer", wrapped(file + "x")));
    EXPECT_NE(longer.status().message().find("goes on after byte 18"), std::string::npos)
        << longer.status().message();
  }
}

TEST(Idx, LyingHeadersAreRefusedBeforeMemoryIsTaken) {
  const TempDir dir;
  const auto message = [&](const std::string& content) {
    return read_idx(Env::system(), dir.write("f", content)).status().message();
  };
  EXPECT_NE(message(idx({0xffffffff, 0xffffffff, 0xffffffff}, "abc")).find("dimension 0 is 4294967295"),
            std::string::npos);
  EXPECT_NE(message(gzipped(idx({1 << 14, 1 << 15}, "abc"))).find("dimension 1 is 32768"), std::string::npos);
  EXPECT_NE(message(idx({0}, "")).find("dimension 0 is 0"), std::string::npos);
  EXPECT_NE(message(idx({3}, "abc", 13)).find("type 13 at byte 2"), std::string::npos);
  EXPECT_NE(message(idx({}, "")).find("0 dimensions"), std::string::npos);
  EXPECT_NE(message(idx({1, 1, 1, 1, 1}, "a")).find("5 dimensions"), std::string::npos);
  EXPECT_NE(message("PNG, say").find("not an IDX file"), std::string::npos);
}

}  // namespace
}  // namespace coppice
