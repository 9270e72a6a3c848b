// SPDX-License-Identifier: Apache-2.0
#include "base/sha256.h"

#include <gtest/gtest.h>

#include "support/temp_dir.h"

namespace coppice {
namespace {

// Of FIPS 180-2, appendix B, and of nothing at all.
TEST(Sha256, IsThatOfTheStandard) {
  EXPECT_EQ(sha256_of_text(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_of_text("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_of_text("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(sha256_of_text(std::string(1000000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

// Around the ends of blocks, where the length does or does not fit any more.
TEST(Sha256, DoesNotDependOnThePieces) {
  for (size_t length = 0; length < 200; ++length) {
    std::string text;
    for (size_t i = 0; i < length; ++i) text += static_cast<char>(i * 37);
    const std::string whole = sha256_of_text(text);
    for (const size_t piece : {1, 3, 63, 64, 65}) {
      Sha256 sum;
      for (size_t at = 0; at < length; at += piece) sum.add(std::string_view(text).substr(at, piece));
      EXPECT_EQ(sum.digits(), whole) << length << " in pieces of " << piece;
    }
  }
}

TEST(Sha256, OfAFileIsThatOfItsContent) {
  const testing::TempDir folder;
  const std::string text(3 << 20, 'x');
  const auto sum = sha256_of_file(Env::system(), folder.write("file", text));
  ASSERT_TRUE(sum.ok()) << sum.status().message();
  EXPECT_EQ(*sum, sha256_of_text(text));
  EXPECT_FALSE(sha256_of_file(Env::system(), folder.file("nothing")).ok());
}

}  // namespace
}  // namespace coppice
