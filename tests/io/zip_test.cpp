// SPDX-License-Identifier: Apache-2.0
#include "io/zip.h"

#include <gtest/gtest.h>

#include "support/failing_env.h"
#include "support/temp_dir.h"
#include "support/zip.h"

namespace coppice {
namespace {

using testing::FailingEnv;
using testing::TempDir;
using testing::zip_of;
using testing::ZipMember;

constexpr uint64_t kPlenty = 1 << 20;

Result<std::vector<std::string>> contents(Env& env, const std::string& path, uint64_t most = kPlenty) {
  TRY_ASSIGN(const ZipFile zip, ZipFile::open(env, path, most));
  std::vector<std::string> all;
  for (const ZipEntry& entry : zip.entries()) {
    TRY_ASSIGN(const std::vector<uint8_t> bytes, zip.read(entry));
    all.emplace_back(bytes.begin(), bytes.end());
  }
  return all;
}

TEST(Zip, ReadsStoredAndDeflatedFiles) {
  const TempDir dir;
  const std::string text(100000, 'a');
  const std::string path =
      dir.write("a.zip", zip_of({{.name = "one", .content = "1"},
                                 {.name = "two", .content = text, .deflated = true},
                                 {.name = "three", .content = ""},
                                 {.name = "four", .content = "large", .deflated = true, .zip64 = true}}));
  const auto all = contents(Env::system(), path);
  ASSERT_TRUE(all.ok()) << all.status().message();
  EXPECT_EQ(*all, (std::vector<std::string>{"1", text, "", "large"}));
  EXPECT_EQ(ZipFile::open(Env::system(), path, kPlenty)->entries()[1].name, "two");
}

TEST(Zip, ReadsAnEndWithAComment) {
  const TempDir dir;
  std::string file = zip_of({{.name = "one", .content = "1"}});
  file.replace(file.size() - 2, 2, std::string("\5\0", 2));
  EXPECT_EQ(*contents(Env::system(), dir.write("a.zip", file + "PK\5\6!")), std::vector<std::string>{"1"});
}

TEST(Zip, RefusesWhatLies) {
  const TempDir dir;
  const auto refusal = [&](const std::vector<ZipMember>& members, uint64_t most = kPlenty) {
    const auto all = contents(Env::system(), dir.write("a.zip", zip_of(members)), most);
    return all.ok() ? "accepted" : all.status().message();
  };
  const auto expect = [](const std::string& message, const std::string& part) {
    EXPECT_NE(message.find(part), std::string::npos) << message;
    EXPECT_NE(message.find("a.zip: "), std::string::npos) << message;
  };
  expect(refusal({{.name = "x", .content = "1"}, {.name = "x", .content = "2"}}), "'x' is in it twice");
  expect(refusal({{.name = "x", .content = "1", .flags = 1}}), "'x' is encrypted");
  expect(refusal({{.name = "x", .content = "1", .method = 12}}), "packed in a way (12) that is not read");
  expect(refusal({{.name = "x", .content = "1", .wrong_sum = 1}}), "'x': its checksum is wrong");
  expect(refusal({{.name = "x", .content = "12", .size = 3}}), "size that cannot be true");
  const std::string zeros(5000, '\0');
  expect(refusal({{.name = "x", .content = zeros, .deflated = true, .size = 4999}}), "unpacks to more than");
  expect(refusal({{.name = "x", .content = zeros, .deflated = true, .size = 5001}}), "unpacks to less than");
  expect(refusal({{.name = "x", .content = zeros, .deflated = true, .size = 1 << 20}}),
         "size that cannot be true");
  expect(refusal({{.name = "x", .content = zeros, .deflated = true}}, 4999),
         "unpacks to more than the 0 MiB");
  expect(refusal({{.name = "x", .content = zeros}, {.name = "y", .content = zeros}}, 9999),
         "unpacks to more than");
  expect(refusal({{.name = "x", .content = "1"}, {.name = "y", .content = "1", .offset = 0}}), "overlap");
  expect(refusal({{.name = "x", .content = "1", .offset = 1000}}), "size that cannot be true");
  const auto text = contents(Env::system(), dir.write("a.zip", "no archive, but a text of some length"));
  expect(text.status().message(), "is no ZIP archive");
}

TEST(Zip, EveryTruncationIsAnErrorAndNoDamagedByteCrashes) {
  const TempDir dir;
  const std::string file = zip_of({{.name = "one", .content = "12345", .zip64 = true},
                                   {.name = "two", .content = std::string(300, 'x'), .deflated = true}});
  ASSERT_TRUE(contents(Env::system(), dir.write("a.zip", file)).ok());
  for (size_t size = 0; size < file.size(); ++size)
    ASSERT_FALSE(contents(Env::system(), dir.write("a.zip", file.substr(0, size))).ok()) << size;
  for (size_t i = 0; i < file.size(); ++i)
    for (const char c : {'\0', '\x01', '\x7f', '\xff'}) {
      std::string damaged = file;
      damaged[i] = c;
      const auto all = contents(Env::system(), dir.write("a.zip", damaged));
      if (!all.ok()) {
        EXPECT_FALSE(all.status().message().empty());
      }
    }
}

TEST(Zip, EveryFailingReadIsReported) {
  const TempDir dir;
  const std::string path = dir.write(
      "a.zip", zip_of({{.name = "x", .content = "1"}, {.name = "y", .content = "22", .deflated = true}}));
  FailingEnv counting(-1);
  ASSERT_TRUE(contents(counting, path).ok());
  for (int64_t operation = 0; operation < counting.operations(); ++operation) {
    FailingEnv failing(operation);
    EXPECT_FALSE(contents(failing, path).ok()) << operation;
  }
}

}  // namespace
}  // namespace coppice
