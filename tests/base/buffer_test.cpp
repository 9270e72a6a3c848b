// SPDX-License-Identifier: Apache-2.0
#include "base/buffer.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <utility>

namespace coppice {
namespace {

uintptr_t address(const void* p) { return reinterpret_cast<uintptr_t>(p); }

TEST(Bytes, AreAlignedToACacheLineAndLargeOnesToAHugePage) {
  for (const size_t size : {size_t{1}, size_t{63}, size_t{64}, size_t{1000}, (size_t{1} << 20) - 1}) {
    const Bytes bytes(size);
    EXPECT_EQ(address(bytes.data()) % 64, 0u) << size;
    EXPECT_EQ(bytes.size(), size);
  }
  for (const size_t size : {size_t{1} << 20, (size_t{3} << 20) + 5}) {
    const Bytes bytes(size);
    EXPECT_EQ(address(bytes.data()) % (size_t{2} << 20), 0u) << size;
    EXPECT_EQ(bytes.size(), size);
  }
}

// Kernels read and write whole vectors: the last vector of an array belongs to it and is zero as well.
TEST(Bytes, AreZeroUpToTheEndOfTheirLastVectorAlsoInUsedMemory) {
  for (int round = 0; round < 3; ++round)
    for (const size_t size : {size_t{1}, size_t{65}, size_t{4095}, (size_t{1} << 20) + 1}) {
      const Bytes bytes(size);
      auto* at = static_cast<unsigned char*>(bytes.data());
      const size_t whole = (size + 63) / 64 * 64;
      for (size_t i = 0; i < whole; ++i) ASSERT_EQ(at[i], 0) << size << " [" << i << "]";
      for (size_t i = 0; i < whole; ++i) at[i] = 0xff;  // for the next round, which may get the same memory
    }
}

TEST(Bytes, NoneHaveNoAddress) {
  const Bytes none(0);
  EXPECT_EQ(none.data(), nullptr);
  EXPECT_EQ(none.size(), 0u);
  EXPECT_TRUE(Floats(0).empty());
  EXPECT_TRUE(Floats().empty());
}

TEST(Floats, MoveWithTheirContent) {
  Floats a(3);
  a[1] = 2.5f;
  const float* where = a.data();
  Floats b = std::move(a);
  EXPECT_EQ(b.data(), where);
  EXPECT_EQ(b.size(), 3u);
  EXPECT_EQ(b[1], 2.5f);
  Floats c(100);
  c = std::move(b);
  EXPECT_EQ(c.data(), where);
  EXPECT_EQ(c.size(), 3u);
  EXPECT_EQ(c.end() - c.begin(), 3);
}

// What is moved from owns nothing: code that asks empty() afterwards must not take it for an array.
TEST(Floats, AreEmptyAfterTheyWereMovedAway) {
  Floats a(3);
  const Floats b = std::move(a);
  EXPECT_TRUE(a.empty());  // NOLINT(bugprone-use-after-move): that is the question
  EXPECT_EQ(a.begin(), a.end());
}

}  // namespace
}  // namespace coppice
