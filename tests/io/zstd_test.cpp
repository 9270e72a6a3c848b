// SPDX-License-Identifier: Apache-2.0
#include "io/zstd.h"

#include <gtest/gtest.h>

#include "base/rng.h"

namespace coppice {
namespace {

constexpr uint64_t kNoLimit = uint64_t{1} << 40;

std::string noise_and_zeros(size_t size) {
  Rng rng(5, stream_id("test", "zstd"));
  std::string content(size, '\0');
  for (size_t i = 0; i < size / 2; ++i) content[i] = static_cast<char>(rng.below(256));
  return content;
}

std::string text_of(const Bytes& bytes) { return {static_cast<const char*>(bytes.data()), bytes.size()}; }

std::string why(std::string_view packed, uint64_t limit = kNoLimit) {
  return unpack_zstd(packed, limit).status().message();
}

TEST(Zstd, GivesBackWhatItTook) {
  for (const size_t size : {size_t{0}, size_t{1}, size_t{300000}, size_t{3} << 20}) {
    const std::string content = noise_and_zeros(size);
    const auto packed = pack_zstd(content);
    ASSERT_TRUE(packed.ok()) << packed.status().message();
    EXPECT_TRUE(is_zstd(*packed));
    EXPECT_LE(packed->size(), size / 2 + size / 1000 + 30);
    const auto back = unpack_zstd(*packed, kNoLimit);
    ASSERT_TRUE(back.ok()) << back.status().message();
    EXPECT_EQ(text_of(*back), content);
  }
  EXPECT_FALSE(is_zstd("coppice"));
  EXPECT_FALSE(is_zstd(""));
}

TEST(Zstd, DamageIsFound) {
  const std::string content = noise_and_zeros(600);
  const std::string packed = *pack_zstd(content);
  for (size_t size = 0; size < packed.size(); ++size)
    EXPECT_FALSE(unpack_zstd(std::string_view(packed).substr(0, size), kNoLimit).ok()) << size;
  for (size_t at = 0; at < packed.size(); ++at) {
    std::string flipped = packed;
    flipped[at] = static_cast<char>(flipped[at] ^ 0x10);
    const auto back = unpack_zstd(flipped, kNoLimit);
    EXPECT_TRUE(!back.ok() || text_of(*back) == content) << at;
  }
}

TEST(Zstd, RefusalsSayWhatIsWrong) {
  const std::string packed = *pack_zstd(std::string(5000, 'x'));
  EXPECT_EQ(why("hello"), "the zstd data is damaged or ends early");
  EXPECT_EQ(why(packed + packed), "something follows the zstd data");
  EXPECT_EQ(why(packed, 4999),
            "unpacked it would have 5000 bytes, more than the 4999 that are accepted here");
  // A header of 8 bytes for the size, which it lies about; then one empty block, the last.
  const std::string head("\x28\xb5\x2f\xfd\xc0\x58", 6), empty_block("\x01\x00\x00", 3);
  EXPECT_EQ(why(head + std::string("\0\0\0\0\x20\0\0\0", 8) + empty_block),
            "the zstd data says that it has 137438953472 bytes, more than its length can hold");
  EXPECT_EQ(why(head + std::string("\x10\0\0\0\0\0\0\0", 8) + empty_block).rfind("the zstd data", 0), 0U);
  // As a stream, without a size.
  EXPECT_EQ(why(std::string("\x28\xb5\x2f\xfd\x00\x58", 6) + empty_block),
            "this zstd file does not say how long its content is; unpack it with `zstd -d` first");
}

}  // namespace
}  // namespace coppice
