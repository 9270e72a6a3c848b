// SPDX-License-Identifier: Apache-2.0
#include "io/gzip.h"

#include <gtest/gtest.h>

#include "base/rng.h"
#include "support/failing_env.h"
#include "support/temp_dir.h"

namespace coppice {
namespace {

using testing::gzipped;
using testing::TempDir;

constexpr uint64_t kNoLimit = uint64_t{1} << 40;

// Half noise, half zeros: larger than any buffer, and both ways of compressing are met.
std::string sample_content(size_t size) {
  Rng rng(5, stream_id("test", "gzip"));
  std::string content(size, '\0');
  for (size_t i = 0; i < size / 2; ++i) content[i] = static_cast<char>(rng.below(256));
  return content;
}

Result<std::string> read_whole(const std::string& path, uint64_t max_bytes = kNoLimit) {
  TRY_ASSIGN(ByteStream stream, ByteStream::open(Env::system(), path, max_bytes));
  std::string content;
  while (true) {
    std::string piece(777, '\0');
    TRY_ASSIGN(const size_t got, stream.read_some(piece.data(), piece.size()));
    content += piece.substr(0, got);
    if (got < piece.size()) break;
  }
  TRY(stream.expect_end());
  EXPECT_EQ(stream.position(), content.size());
  return content;
}

TEST(ByteStream, ReadsPlainAndPackedFilesAlike) {
  const TempDir dir;
  const std::string content = sample_content(300000);
  EXPECT_EQ(*read_whole(dir.write("plain.gz", content)), content) << "the content decides, not the name";
  EXPECT_EQ(*read_whole(dir.write("packed", gzipped(content))), content);
  EXPECT_EQ(*read_whole(dir.write("two", gzipped(content) + gzipped("more"))), content + "more");
  EXPECT_EQ(*read_whole(dir.write("empty", "")), "");
  EXPECT_EQ(*read_whole(dir.write("packed empty", gzipped(""))), "");
}

TEST(ByteStream, AppendsExactlyWhatIsAskedFor) {
  const TempDir dir;
  const std::string content = sample_content(5000);
  ByteStream stream = ByteStream::open(Env::system(), dir.write("f", gzipped(content)), kNoLimit).take();
  EXPECT_EQ(stream.likely_bytes(), content.size());
  std::vector<uint8_t> bytes{42};
  ASSERT_TRUE(stream.append_to(bytes, 4999).ok());
  ASSERT_EQ(bytes.size(), 5000u);
  EXPECT_EQ(static_cast<char>(bytes[1]), content[0]);
  EXPECT_NE(stream.expect_end().message().find("goes on after byte 4999"), std::string::npos);
  EXPECT_NE(stream.append_to(bytes, 1).message().find("ends at byte 5000"), std::string::npos);
}

TEST(ByteStream, EveryTruncationOfAPackedFileIsAnError) {
  const TempDir dir;
  const std::string packed = gzipped(sample_content(200));
  for (size_t size = 2; size < packed.size(); ++size) {
    const auto read = read_whole(dir.write("cut", packed.substr(0, size)));
    ASSERT_EQ(read.status().code(), Code::kCorrupt) << size;
    EXPECT_NE(read.status().message().find("cut"), std::string::npos) << "names the file";
  }
}

TEST(ByteStream, EveryDamagedByteOfAPackedFileIsNoticed) {
  const TempDir dir;
  const std::string content = sample_content(200), packed = gzipped(content);
  constexpr size_t kHeader = 10;  // holds a time and a system that nobody checks
  for (size_t i = kHeader; i < packed.size(); ++i) {
    std::string damaged = packed;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x55);
    EXPECT_FALSE(read_whole(dir.write("damaged", damaged)).ok()) << i;
  }
  EXPECT_FALSE(read_whole(dir.write("tail", packed + "tail")).ok());
}

TEST(ByteStream, StopsAtTheBoundOfABomb) {
  const TempDir dir;
  const std::string bomb = dir.write("bomb", gzipped(std::string(10 << 20, '\0')));
  const auto read = read_whole(bomb, 1 << 20);
  EXPECT_NE(read.status().message().find("more than the 1048576 bytes"), std::string::npos);
  EXPECT_TRUE(read_whole(bomb, 10 << 20).ok()) << "exactly the bound is allowed";
}

TEST(ByteStream, PassesOnWhatTheEnvironmentReports) {
  const TempDir dir;
  const std::string path = dir.write("f", gzipped(sample_content(200000)));
  for (int64_t n = 0; n < 4; ++n) {
    testing::FailingEnv env(n);
    auto stream = ByteStream::open(env, path, kNoLimit);
    std::vector<uint8_t> bytes;
    const Status status = stream.ok() ? stream->append_to(bytes, 200000) : stream.status();
    EXPECT_EQ(status.code(), Code::kNoSpace) << n;
  }
  EXPECT_EQ(ByteStream::open(Env::system(), dir.file("none"), kNoLimit).status().code(), Code::kNotFound);
}

}  // namespace
}  // namespace coppice
