// SPDX-License-Identifier: Apache-2.0
#include "base/env.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <fstream>
#include <string>
#include <vector>

#include "support/failing_env.h"
#include "support/temp_dir.h"

namespace coppice {
namespace {

using testing::FailingEnv;
using testing::TempDir;

Env& env() { return Env::system(); }

std::string content_of(const std::string& path) {
  const Result<std::string> content = read_all(env(), path, 1 << 20);
  return content.ok() ? *content : "(" + content.status().message() + ")";
}

bool says(const Status& status, const std::string& part) {
  return status.message().find(part) != std::string::npos;
}

// Lets this process write no file past so many bytes, for as long as it lives.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : signal_(std::signal(SIGXFSZ, SIG_IGN)) {
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit = {bytes, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, signal_);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  rlimit before_{};
  void (*signal_)(int);
};

TEST(SystemEnv, WritesAndReadsBackAtAnyOffset) {
  const TempDir dir;
  const std::string path = dir.file("a");
  auto file = env().open_write(path, Env::Mode::kTruncate).take();
  ASSERT_TRUE(file->append("hello ", 6).ok());
  ASSERT_TRUE(file->append("world", 5).ok());
  ASSERT_TRUE(file->sync().ok());
  ASSERT_TRUE(file->close().ok());
  auto read = env().open_read(path).take();
  EXPECT_EQ(read->size(), 11u);
  char word[5];
  ASSERT_TRUE(read->read_at(6, word, 5).ok());
  EXPECT_EQ(std::string(word, 5), "world");
}

TEST(SystemEnv, AppendsOrTruncatesAsAsked) {
  const TempDir dir;
  const std::string path = dir.write("log", "one");
  for (const auto mode : {Env::Mode::kAppend, Env::Mode::kTruncate}) {
    auto file = env().open_write(path, mode).take();
    ASSERT_TRUE(file->append("two", 3).ok());
    ASSERT_TRUE(file->close().ok());
    EXPECT_EQ(content_of(path), mode == Env::Mode::kAppend ? "onetwo" : "two");
  }
}

TEST(SystemEnv, AReadPastTheEndNamesFileAndPlace) {
  const TempDir dir;
  const std::string path = dir.write("short", "1234567");
  auto file = env().open_read(path).take();
  char out[8];
  const Status status = file->read_at(3, out, 8);
  EXPECT_EQ(status.code(), Code::kCorrupt);
  EXPECT_EQ(status.message(), path + ": ends early, at byte 7");
}

TEST(SystemEnv, AFileThatShrinksWhileItIsReadIsAnError) {
  const TempDir dir;
  const std::string path = dir.write("shrinks", std::string(1000, 'x'));
  auto file = env().open_read(path).take();
  dir.write("shrinks", "x");
  std::string out(file->size(), '\0');
  EXPECT_EQ(file->read_at(0, out.data(), out.size()).code(), Code::kCorrupt);
}

TEST(SystemEnv, ALimitInTheMiddleOfAWriteIsAnErrorThatNamesTheFile) {
  const TempDir dir;
  const std::string path = dir.file("limited");
  auto file = env().open_write(path, Env::Mode::kTruncate).take();
  Status status;
  {
    // The system takes 1000 of the 4000 bytes, and none of the rest.
    const FileSizeLimit limit(1000);
    status = file->append(std::string(4000, 'x').data(), 4000);
  }
  EXPECT_EQ(status.code(), Code::kIo);
  EXPECT_TRUE(says(status, path + ": writing failed")) << status.message();
  EXPECT_EQ(content_of(path).size(), 1000u);
}

TEST(SystemEnv, AFullDiskHasItsOwnCode) {
  if (!env().exists("/dev/full")) GTEST_SKIP() << "this system has no /dev/full";
  auto file = env().open_write("/dev/full", Env::Mode::kAppend).take();
  const Status status = file->append("x", 1);
  EXPECT_EQ(status.code(), Code::kNoSpace);
  EXPECT_TRUE(says(status, "free some space")) << status.message();
}

TEST(SystemEnv, MissingFilesAndDirectoriesAreNamed) {
  const TempDir dir;
  const std::string missing = dir.file("missing"), inside = dir.file("no/such/file");
  EXPECT_EQ(env().open_read(missing).status().code(), Code::kNotFound);
  EXPECT_EQ(env().open_read(missing).status().message(), missing + ": no such file or directory");
  const Status write = env().open_write(inside, Env::Mode::kTruncate).status();
  EXPECT_EQ(write.code(), Code::kNotFound);
  EXPECT_EQ(write.message(), inside + ": its directory does not exist; make it first");
  EXPECT_EQ(env().remove(missing).code(), Code::kNotFound);
  EXPECT_EQ(env().rename(missing, dir.file("other")).code(), Code::kNotFound);
  EXPECT_FALSE(env().list(missing).ok());
  EXPECT_FALSE(env().sync_directory(missing).ok());
}

TEST(SystemEnv, ADirectoryIsNoFile) {
  const TempDir dir;
  const Status status = env().open_read(dir.path()).status();
  EXPECT_EQ(status.code(), Code::kInvalid);
  EXPECT_EQ(status.message(), dir.path() + ": is a directory, a file is needed here");
  EXPECT_FALSE(env().open_write(dir.path(), Env::Mode::kTruncate).ok());
}

TEST(SystemEnv, MakesNestedDirectoriesAndListsThemInOrder) {
  const TempDir dir;
  ASSERT_TRUE(env().make_directories(dir.file("b/c/d")).ok());
  ASSERT_TRUE(env().make_directories(dir.file("b/c/d")).ok()) << "a second time is no error";
  dir.write("z", "");
  dir.write("a", "");
  EXPECT_EQ(env().list(dir.path()).take(), (std::vector<std::string>{"a", "b", "z"}));
  EXPECT_TRUE(env().is_directory(dir.file("b/c")));
  EXPECT_FALSE(env().is_directory(dir.file("a")));
  EXPECT_TRUE(env().exists(dir.file("a")));
  EXPECT_FALSE(env().exists(dir.file("y")));
  const Status blocked = env().make_directories(dir.file("a/below"));
  EXPECT_FALSE(blocked.ok());
  EXPECT_TRUE(says(blocked, dir.file("a/below"))) << blocked.message();
}

TEST(ReadAll, RefusesWhatIsTooLargeBeforeItReadsIt) {
  const TempDir dir;
  const std::string path = dir.write("large", "123456");
  EXPECT_EQ(read_all(env(), path, 6).take(), "123456");
  const Status status = read_all(env(), path, 5).status();
  EXPECT_EQ(status.message(), path + ": has 6 bytes, at most 5 are accepted here");
}

TEST(WriteAtomic, ReplacesAFileAndLeavesNothingBeside) {
  const TempDir dir;
  const std::string path = dir.write("target", "old");
  ASSERT_TRUE(write_atomic(env(), path, "new").ok());
  EXPECT_EQ(content_of(path), "new");
  EXPECT_EQ(env().list(dir.path()).take(), std::vector<std::string>{"target"});
}

TEST(WriteAtomic, IsWholeWhicheverOperationFails) {
  for (const auto then : {FailingEnv::Then::kRecovers, FailingEnv::Then::kStaysDown})
    for (const bool replaces : {true, false}) {
      int64_t operations = 1;
      for (int64_t fails_at = 0; fails_at <= operations; ++fails_at) {
        SCOPED_TRACE("operation " + std::to_string(fails_at));
        const TempDir dir;
        const std::string path = replaces ? dir.write("target", "old content") : dir.file("target");
        FailingEnv failing(fails_at, then);
        const Status status = write_atomic(failing, path, "the new content");
        operations = failing.operations();
        EXPECT_EQ(status.ok(), fails_at >= operations);
        const std::string got = env().exists(path) ? content_of(path) : "(nothing)";
        if (status.ok()) {
          EXPECT_EQ(got, "the new content");
        } else {
          EXPECT_EQ(status.code(), Code::kNoSpace);
          EXPECT_TRUE(got == "the new content" || got == (replaces ? "old content" : "(nothing)")) << got;
        }
        EXPECT_FALSE(then == FailingEnv::Then::kRecovers && env().exists(path + ".partial"))
            << "the temporary file is cleaned up";
        ASSERT_LT(fails_at, 100) << "never succeeds";
      }
      EXPECT_EQ(operations, 6) << "open, append, sync, close, rename, sync of the directory";
    }
}

TEST(AtomicFile, LeavesTheTargetAloneWithoutACommit) {
  const TempDir dir;
  const std::string path = dir.write("target", "old");
  {
    AtomicFile file = AtomicFile::create(env(), path).take();
    ASSERT_TRUE(file.append("half", 4).ok());
    EXPECT_EQ(content_of(path), "old");
  }
  EXPECT_EQ(content_of(path), "old");
  EXPECT_EQ(env().list(dir.path()).take(), std::vector<std::string>{"target"});
}

TEST(AtomicFile, StartsAnewOverWhatACrashLeftBehind) {
  const TempDir dir;
  const std::string path = dir.file("target");
  dir.write("target.partial", "the remains of a killed run, longer than what is written now");
  ASSERT_TRUE(write_atomic(env(), path, "whole").ok());
  EXPECT_EQ(content_of(path), "whole");
}

TEST(JoinPath, PutsOneSeparatorBetween) {
  EXPECT_EQ(join_path("a", "b"), "a/b");
  EXPECT_EQ(join_path("a/", "b"), "a/b");
  EXPECT_EQ(join_path("", "b"), "b");
}

}  // namespace
}  // namespace coppice
