// SPDX-License-Identifier: Apache-2.0
#include "io/cifar.h"

#include <gtest/gtest.h>

#include "support/temp_dir.h"

namespace coppice {
namespace {

using testing::gzipped;
using testing::TempDir;

// A record whose pixels count up from its first label.
std::string record(const std::vector<uint8_t>& labels) {
  std::string bytes(labels.begin(), labels.end());
  for (int i = 0; i < 3072; ++i) bytes += static_cast<char>(labels[0] + i);
  return bytes;
}

TEST(Cifar, ReadsTheRecordsOfAllFilesInOrder) {
  const TempDir dir;
  const auto records = read_cifar(
      Env::system(), {dir.write("one", record({3}) + record({0})), dir.write("two", gzipped(record({9})))},
      CifarKind::kTen);
  ASSERT_TRUE(records.ok()) << records.status().message();
  EXPECT_EQ(records->labels, (std::vector<int32_t>{3, 0, 9}));
  ASSERT_EQ(records->pixels.size(), 3u * 3072);
  for (size_t r = 0; r < 3; ++r)
    for (size_t i = 0; i < 3072; ++i)
      ASSERT_EQ(records->pixels[r * 3072 + i],
                static_cast<uint8_t>(static_cast<size_t>(records->labels[r]) + i));
}

TEST(Cifar, TakesTheFineLabelOfAHundred) {
  const TempDir dir;
  const auto records = read_cifar(Env::system(), {dir.write("train.bin", record({19, 99}) + record({0, 7}))},
                                  CifarKind::kHundred);
  ASSERT_TRUE(records.ok()) << records.status().message();
  EXPECT_EQ(records->labels, (std::vector<int32_t>{99, 7}));
}

TEST(Cifar, NamesTheRecordThatIsWrong) {
  const TempDir dir;
  const auto message = [&](const std::string& content, CifarKind kind) {
    return read_cifar(Env::system(), {dir.write("f", content)}, kind).status().message();
  };
  EXPECT_NE(message(record({1}) + record({10}), CifarKind::kTen).find("record 1 has label 10"),
            std::string::npos);
  EXPECT_NE(message(record({1, 100}), CifarKind::kHundred).find("record 0 has label 100"), std::string::npos);
  EXPECT_NE(message(record({20, 1}), CifarKind::kHundred).find("coarse label 20"), std::string::npos);
  EXPECT_NE(message(record({1}) + "x", CifarKind::kTen).find("record 1 is cut short, it has 1 of 3073"),
            std::string::npos);
  EXPECT_NE(message("", CifarKind::kTen).find("record 0 is cut short"), std::string::npos);
}

TEST(Cifar, EveryTruncationIsAnError) {
  const TempDir dir;
  const std::string file = record({1});
  for (size_t size = 0; size < file.size(); size += 7)
    ASSERT_EQ(
        read_cifar(Env::system(), {dir.write("cut", file.substr(0, size))}, CifarKind::kTen).status().code(),
        Code::kCorrupt);
}

}  // namespace
}  // namespace coppice
