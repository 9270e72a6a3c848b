// SPDX-License-Identifier: Apache-2.0
// Fetching, from a server of this process; nothing leaves the machine. A build without downloads has none of
// it.
#ifdef COPPICE_DOWNLOADS
#include "download.h"

#include <gtest/gtest.h>

#include "base/sha256.h"
#include "io/tar.h"
#include "known_sets.h"
#include "support/failing_env.h"
#include "support/http_server.h"
#include "support/tar.h"
#include "support/temp_dir.h"

namespace coppice::cli {
namespace {

using testing::FailingEnv;
using testing::gzipped;
using testing::HttpServer;
using testing::tar_member;
using testing::TempDir;

Env& env() { return Env::system(); }

const std::string kContent = [] {
  std::string text;
  for (int i = 0; i < 30000; ++i) text += std::to_string(i * 7919) + ",";
  return text;
}();

class Fetching : public ::testing::Test {
 protected:
  Status fetch(Env& with = env(), const DownloadWatch& watch = {}) {
    return download(with, {server_.url() + "/a", dir_.file("a"), sha256_of_text(kContent), kContent.size()},
                    watch);
  }
  std::string content(const std::string& name) { return read_all(env(), dir_.file(name), 1 << 20).take(); }
  void expect(const Status& status, const std::string& part) {
    EXPECT_NE(status.message().find(part), std::string::npos) << status.message();
  }

  HttpServer server_{
      {{"/a", kContent}, {"/wrong", std::string(kContent.size(), 'x')}, {"/long", kContent + "!"}}};
  TempDir dir_;
};

TEST_F(Fetching, BringsAFileOnce) {
  uint64_t last = 0;
  DownloadWatch watch;
  watch.on_progress = [&](uint64_t done, uint64_t all) {
    EXPECT_GE(done, last);
    EXPECT_EQ(all, kContent.size());
    last = done;
  };
  const Status status = fetch(env(), watch);
  ASSERT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(content("a"), kContent);
  EXPECT_EQ(last, kContent.size());
  EXPECT_FALSE(env().exists(dir_.file("a.partial")));
  EXPECT_TRUE(fetch().ok());
  EXPECT_EQ(server_.requests().size(), 1u) << "what is there is not fetched again";
}

TEST_F(Fetching, GoesOnWhereItWasInterrupted) {
  server_.set({.breaks_after = 1000});
  expect(fetch(), "/a: cannot be fetched (");
  expect(fetch(), "try again, what has come is kept");
  EXPECT_EQ(content("a.partial"), kContent.substr(0, 2000));
  server_.set({});
  const Status status = fetch();
  ASSERT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(content("a"), kContent);
  EXPECT_EQ(server_.requests(), (std::vector<std::string>{"GET /a", "GET /a 1000-", "GET /a 2000-"}));
}

TEST_F(Fetching, BeginsAnewWhereTheServerCannotGoOn) {
  dir_.write("a.partial", kContent.substr(0, 500));
  server_.set({.ranges = false});
  const Status status = fetch();
  ASSERT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(content("a"), kContent);
}

TEST_F(Fetching, KeepsNothingThatIsNotTheKnownFile) {
  const auto other = [&](const std::string& path) {
    return download(env(), {server_.url() + path, dir_.file("b"), sha256_of_text(kContent), kContent.size()},
                    {});
  };
  expect(other("/wrong"), "so it is not the file that is known; nothing was kept");
  expect(other("/long"),
         "sends more than the " + std::to_string(kContent.size()) + " bytes that belong to it");
  dir_.write("b.partial", std::string(700, 'x'));
  expect(other("/a"), "so it is not the file that is known");
  EXPECT_FALSE(env().exists(dir_.file("b")));
  EXPECT_FALSE(env().exists(dir_.file("b.partial")));
  EXPECT_TRUE(other("/a").ok()) << "the next try begins anew";
  dir_.write("b", "of somebody's own");
  expect(other("/a"), "b: is there with other content than is known; move it away");
}

TEST_F(Fetching, SaysWhatIsWrong) {
  expect(download(env(), {server_.url() + "/none", dir_.file("a"), "", 5}, {}), "404");
  expect(download(env(), {"file:///etc/passwd", dir_.file("a"), "", 5}, {}), "cannot be fetched");
  expect(download(env(), {"http://127.0.0.1:1/a", dir_.file("a"), "", 5}, {}), "cannot be fetched");
}

TEST_F(Fetching, StopsAtOnceAndGoesOn) {
  std::atomic<bool> stop{true};
  DownloadWatch watch;
  watch.stop = &stop;
  EXPECT_EQ(fetch(env(), watch).code(), Code::kInterrupted);
  EXPECT_FALSE(env().exists(dir_.file("a")));
  stop = false;
  EXPECT_TRUE(fetch(env(), watch).ok());
}

TEST_F(Fetching, EveryFailingOperationIsReportedAndMadeUpFor) {
  FailingEnv counting(-1);
  ASSERT_TRUE(fetch(counting).ok());
  ASSERT_TRUE(env().remove(dir_.file("a")).ok());
  for (int64_t operation = 0; operation < counting.operations(); ++operation) {
    FailingEnv failing(operation);
    ASSERT_FALSE(fetch(failing).ok()) << operation;
    ASSERT_FALSE(env().exists(dir_.file("a"))) << operation;
    Status again = fetch();
    // Half of a write that failed may lie in the file: then the sum is wrong, and it begins anew.
    if (!again.ok()) again = fetch();
    ASSERT_TRUE(again.ok()) << operation << ": " << again.message();
    ASSERT_TRUE(env().remove(dir_.file("a")).ok());
  }
}

// ---- archives

const std::string kEnd = testing::tar_end();

TEST(Tar, UnpacksWhatIsWantedAndNothingElse) {
  const TempDir dir;
  const std::string long_one(1500, 'l');
  const std::string path =
      dir.write("a.tar.gz", gzipped(tar_member("top/", "", '5') + tar_member("top/one", "1") +
                                    tar_member("../../evil", "2") + tar_member("../two", long_one) +
                                    tar_member("one", "a link", '2') + kEnd));
  ASSERT_TRUE(env().make_directories(dir.file("out")).ok());
  const Status status = unpack_tar(env(), path, dir.file("out"), {"one", "two"}, 1 << 20);
  ASSERT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(*env().list(dir.file("out")), (std::vector<std::string>{"one", "two"}));
  EXPECT_EQ(*read_all(env(), dir.file("out/two"), 5000), long_one);
}

TEST(Tar, RefusesWhatIsDamaged) {
  const TempDir dir;
  const std::string whole = tar_member("a/one", "11") + tar_member("a/two", "22") + kEnd;
  const auto refusal = [&](const std::string& archive) {
    return unpack_tar(env(), dir.write("a.tar", archive), dir.path(), {"one", "two"}, 1 << 20).message();
  };
  EXPECT_EQ(refusal(whole), "");
  EXPECT_NE(refusal(tar_member("a/one", "11") + kEnd).find("a.tar: lacks 'two'"), std::string::npos);
  EXPECT_NE(refusal(tar_member("a/one", "1") + whole).find("holds 'one' twice"), std::string::npos);
  for (size_t size = 0; size < whole.size() - kEnd.size(); size += 37)
    ASSERT_NE(refusal(whole.substr(0, size)), "") << size;
  for (const size_t at : {0, 124, 130, 150, 156, 300}) {
    std::string damaged = whole;
    damaged[at] = '7';
    EXPECT_NE(refusal(damaged).find("is no tar archive, or is damaged"), std::string::npos) << at;
  }
}

TEST(KnownSets, AreUnpackedAndTheArchiveGoes) {
  const TempDir dir;
  const std::string archive = gzipped(tar_member("top/one", "1") + tar_member("top/readme", "2") + kEnd);
  const HttpServer server({{"/small/s.tar.gz", archive}});
  const KnownSet set{
      "small", "http://127.0.0.1:1/unused", {{"s.tar.gz", sha256_of_text(archive), archive.size()}}, {"one"}};
  const Status status = get_set(env(), set, dir.path(), server.url(), {});
  ASSERT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(*env().list(dir.file("small")), std::vector<std::string>{"one"});
  EXPECT_TRUE(get_set(env(), set, dir.path(), server.url(), {}).ok());
  EXPECT_EQ(server.requests().size(), 1u);
}

TEST(KnownSets, HaveSumsOfTheirFiles) {
  for (const KnownSet& set : known_sets()) {
    EXPECT_EQ(set.url.rfind("https://", 0), 0u) << set.name;
    EXPECT_EQ(set.inside.empty(), set.files.size() > 1) << set.name;
    for (const KnownFile& file : set.files) {
      EXPECT_EQ(file.sha256.size(), 64u) << file.name;
      EXPECT_GT(file.bytes, 1000u) << file.name;
    }
  }
}

}  // namespace
}  // namespace coppice::cli
#endif
