// SPDX-License-Identifier: Apache-2.0
#include "io/protobuf.h"

#include <gtest/gtest.h>

#include "io/protobuf_writer.h"

namespace coppice {
namespace {

std::string sentence(const std::string& bytes) {
  ProtoReader reader(bytes);
  for (;;) {
    const auto more = reader.next();
    if (!more.ok()) return more.status().message();
    if (!*more) return "";
  }
}

TEST(Protobuf, ReadsWhatItWrites) {
  const std::vector<int64_t> integers = {0, -1, INT64_MAX, INT64_MIN, 300};
  const std::vector<float> reals = {1.5F, -0.0F};
  const std::string bytes = ProtoWriter()
                                .integer(1, INT64_MIN)
                                .real(2, 0.25F)
                                .bytes(3, "text")
                                .integers(4, integers)
                                .integer(4, 7)
                                .reals(5, reals)
                                .real(5, 3)
                                .message(6, ProtoWriter().integer(1, 5))
                                .out();
  ProtoReader reader(bytes);
  std::vector<int64_t> got_integers;
  std::vector<float> got_reals;
  int fields = 0;
  for (; reader.next().take(); ++fields) {
    switch (reader.field()) {
      case 1:
        EXPECT_EQ(reader.integer().take(), INT64_MIN);
        break;
      case 2:
        EXPECT_EQ(reader.real().take(), 0.25F);
        break;
      case 3:
        EXPECT_EQ(reader.text().take(), "text");
        break;
      case 4:
        EXPECT_TRUE(reader.add_integers(got_integers).ok());
        break;
      case 5:
        EXPECT_TRUE(reader.add_reals(got_reals).ok());
        break;
      default: {
        ProtoReader inner = reader.message().take();
        EXPECT_TRUE(inner.next().take());
        EXPECT_EQ(inner.integer().take(), 5);
      }
    }
  }
  EXPECT_EQ(fields, 8);
  EXPECT_EQ(got_integers, (std::vector<int64_t>{0, -1, INT64_MAX, INT64_MIN, 300, 7}));
  EXPECT_EQ(got_reals, (std::vector<float>{1.5F, -0.0F, 3}));
}

TEST(Protobuf, RefusesLies) {
  EXPECT_EQ(sentence("\x08"), "byte 0: field 1 reaches beyond its end; the file is damaged or cut short");
  EXPECT_NE(sentence("\x0a\x05"
                     "ab"),
            "");
  // A length of 2^63, and varints of more than 64 bits.
  EXPECT_NE(sentence(std::string("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f")), "");
  EXPECT_NE(sentence(std::string("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f")), "");
  EXPECT_NE(sentence("\x0d\x01\x02"), "");
  EXPECT_EQ(sentence("\x0b"), "byte 0: field 1 has the wire type 3, which no such file has");
  EXPECT_EQ(sentence(std::string(1, '\0')),
            "byte 0: there is no key of a field; the file is damaged, or of another kind");
}

TEST(Protobuf, RefusesWhatIsWrittenAsSomethingElse) {
  const std::string bytes = ProtoWriter().integer(1, 1).out();
  ProtoReader reader(bytes);
  ASSERT_TRUE(reader.next().take());
  std::vector<double> doubles;
  std::vector<float> reals;
  EXPECT_FALSE(reader.real().ok());
  EXPECT_FALSE(reader.bytes().ok());
  EXPECT_FALSE(reader.text().ok());
  EXPECT_FALSE(reader.message().ok());
  EXPECT_FALSE(reader.add_reals(reals).ok());
  EXPECT_FALSE(reader.add_doubles(doubles).ok());

  const std::string packed = ProtoWriter().bytes(1, "\x80").bytes(2, "abc").out();
  ProtoReader odd(packed);
  std::vector<int64_t> integers;
  ASSERT_TRUE(odd.next().take());
  EXPECT_FALSE(odd.integer().ok());
  EXPECT_EQ(odd.add_integers(integers).message(), "byte 0: field 1 ends within a number");
  ASSERT_TRUE(odd.next().take());
  EXPECT_EQ(odd.add_reals(reals).message(), "byte 3: field 2 ends within a number");
}

TEST(Protobuf, NestsSixtyFourTimes) {
  ProtoWriter nested;
  for (int i = 0; i < 100; ++i) nested = ProtoWriter().message(1, nested);
  const std::string bytes = nested.out();
  ProtoReader reader(bytes);
  int depth = 0;
  for (;; ++depth) {
    ASSERT_TRUE(reader.next().take());
    auto inner = reader.message();
    if (!inner.ok()) {
      EXPECT_NE(inner.status().message().find("lies deeper than 64 messages"), std::string::npos);
      break;
    }
    reader = inner.take();
  }
  EXPECT_EQ(depth, 63);
}

}  // namespace
}  // namespace coppice
