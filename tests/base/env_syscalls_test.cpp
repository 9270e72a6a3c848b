// SPDX-License-Identifier: Apache-2.0
// Between src/base/env.cpp and the system: calls that are interrupted, do half of their work, or fail. The
// linker sends the calls of the library here (tests/CMakeLists.txt).
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdarg>
#include <string>
#include <thread>

#include "base/env.h"
#include "support/temp_dir.h"

namespace {

// What the next calls meet. A call counts when it is made anew as well.
struct Weather {
  int calls = 0;
  int interrupt_at = -1, interruptions = 0;  // from this call on so many are interrupted
  int fail_at = -1, error = 0;               // this call fails
  size_t most = SIZE_MAX;                    // bytes that one call moves
  int short_calls = 0, interrupted_calls = 0;

  bool interrupts() {
    const int call = calls++;
    if (call == fail_at) {
      errno = error;
      return true;
    }
    if (interrupt_at < 0 || call < interrupt_at || call >= interrupt_at + interruptions) return false;
    errno = EINTR;
    return true;
  }
  ssize_t moved(ssize_t bytes, size_t wanted) {
    short_calls += bytes >= 0 && static_cast<size_t>(bytes) < wanted;
    interrupted_calls += bytes < 0 && errno == EINTR;
    return bytes;
  }
};
Weather weather;

}  // namespace

extern "C" {
int __real_open(const char* path, int flags, ...);
ssize_t __real_pread(int fd, void* out, size_t n, off_t offset);
ssize_t __real_write(int fd, const void* data, size_t n);
int __real_fsync(int fd);

int __wrap_open(const char* path, int flags, ...) {
  va_list more;
  va_start(more, flags);
  const int mode = (flags & O_CREAT) != 0 ? va_arg(more, int) : 0;
  va_end(more);
  return weather.interrupts() ? -1 : __real_open(path, flags, mode);
}
ssize_t __wrap_pread(int fd, void* out, size_t n, off_t offset) {
  if (weather.interrupts()) return -1;
  return weather.moved(__real_pread(fd, out, std::min(n, weather.most), offset), n);
}
ssize_t __wrap_write(int fd, const void* data, size_t n) {
  if (weather.interrupts()) return -1;
  return weather.moved(__real_write(fd, data, std::min(n, weather.most)), n);
}
int __wrap_fsync(int fd) { return weather.interrupts() ? -1 : __real_fsync(fd); }
}

namespace coppice {
namespace {

using testing::TempDir;

Env& env() { return Env::system(); }

std::string some_content(size_t size) {
  std::string content(size, '\0');
  for (size_t i = 0; i < size; ++i) content[i] = static_cast<char>(i * 7 + i / 251);
  return content;
}

class SystemCalls : public ::testing::Test {
 protected:
  void SetUp() override { weather = {}; }
  void TearDown() override { weather = {}; }
};

TEST_F(SystemCalls, AnyOfThemMayBeInterrupted) {
  const TempDir dir;
  const std::string path = dir.file("a"), content = some_content(1000);
  ASSERT_TRUE(write_atomic(env(), path, content).ok());
  ASSERT_TRUE(read_all(env(), path, 1000).ok());
  const int calls = weather.calls;
  ASSERT_GE(calls, 7) << "open, write, sync; open and sync of the directory; open, read";
  for (int at = 0; at < calls; ++at) {
    SCOPED_TRACE(at);
    weather = {};
    weather.interrupt_at = at;
    weather.interruptions = 3;
    const Status written = write_atomic(env(), path, content);
    ASSERT_TRUE(written.ok()) << written.message();
    const auto read = read_all(env(), path, 1000);
    ASSERT_TRUE(read.ok()) << read.status().message();
    EXPECT_EQ(*read, content);
    EXPECT_EQ(weather.calls, calls + 3);
  }
}

TEST_F(SystemCalls, MayMoveFewerBytesThanTheyWereAskedTo) {
  const TempDir dir;
  const std::string path = dir.file("a"), content = some_content(1000);
  for (const size_t most : {size_t{1}, size_t{7}, size_t{999}}) {
    weather = {};
    weather.most = most;
    ASSERT_TRUE(write_atomic(env(), path, content).ok());
    EXPECT_EQ(*read_all(env(), path, 1000), content);
    EXPECT_EQ(weather.short_calls, static_cast<int>(2 * (999 / most)));
  }
}

TEST_F(SystemCalls, AnErrorAfterAShortOneIsReportedAndTheOldFileStays) {
  const TempDir dir;
  const std::string path = dir.write("a", "old");
  for (const auto& [error, code] :
       {std::pair(EIO, Code::kIo), std::pair(ENOSPC, Code::kNoSpace), std::pair(EDQUOT, Code::kNoSpace)}) {
    weather = {};
    weather.most = 400;
    weather.fail_at = 2;  // open, 400 bytes
    weather.error = error;
    const Status status = write_atomic(env(), path, some_content(1000));
    EXPECT_EQ(status.code(), code) << status.message();
    EXPECT_NE(status.message().find("writing failed"), std::string::npos) << status.message();
    EXPECT_EQ(*read_all(env(), path, 1000), "old");
    EXPECT_EQ(env().list(dir.path()).take(), std::vector<std::string>{"a"});
  }
}

TEST_F(SystemCalls, ASyncThatFailsIsNoSuccess) {
  const TempDir dir;
  const std::string path = dir.write("a", "old");
  weather.fail_at = 2;  // open, write
  weather.error = EIO;
  const Status status = write_atomic(env(), path, "new");
  EXPECT_EQ(status.code(), Code::kIo);
  EXPECT_NE(status.message().find("syncing failed"), std::string::npos) << status.message();
  EXPECT_EQ(*read_all(env(), path, 1000), "old");
}

// A timer that fires all the time, for as long as it lives, into a handler that does not ask for calls to be
// made anew.
class SignalStorm {
 public:
  SignalStorm() {
    struct sigaction action {};
    action.sa_handler = [](int) { ++signals; };
    sigaction(SIGALRM, &action, &before_);
    constexpr itimerval kOften = {{0, 200}, {0, 200}};
    setitimer(ITIMER_REAL, &kOften, nullptr);
  }
  ~SignalStorm() {
    constexpr itimerval kNever = {};
    setitimer(ITIMER_REAL, &kNever, nullptr);
    sigaction(SIGALRM, &before_, nullptr);
  }
  SignalStorm(const SignalStorm&) = delete;
  SignalStorm& operator=(const SignalStorm&) = delete;

  static inline std::atomic<int> signals{0};

 private:
  struct sigaction before_ {};
};

// A pipe is slow, so the system interrupts calls by itself: the opening, and writes that are half done.
TEST_F(SystemCalls, AStormOfSignalsLosesNoByte) {
  const TempDir dir;
  const std::string path = dir.file("pipe"), content = some_content(4 << 20);
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  std::string got;
  sigset_t alarm;
  sigemptyset(&alarm);
  sigaddset(&alarm, SIGALRM);
  pthread_sigmask(SIG_BLOCK, &alarm, nullptr);  // the reader inherits it: signals are for the writer
  std::thread reader([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    const int fd = __real_open(path.c_str(), O_RDONLY);
    std::string buffer(1 << 16, '\0');
    for (ssize_t n = 1; n > 0;) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      n = read(fd, buffer.data(), buffer.size());
      if (n > 0) got.append(buffer, 0, static_cast<size_t>(n));
    }
    close(fd);
  });
  pthread_sigmask(SIG_UNBLOCK, &alarm, nullptr);
  Status status;
  {
    const SignalStorm storm;
    auto file = env().open_write(path, Env::Mode::kAppend);
    status = file.status();
    if (status.ok()) status = (*file)->append(content.data(), content.size());
    if (status.ok()) status = (*file)->close();
  }
  // Nor should the reader wait for a writer that gave up.
  if (!status.ok()) close(__real_open(path.c_str(), O_RDWR | O_NONBLOCK));
  reader.join();
  EXPECT_TRUE(status.ok()) << status.message();
  EXPECT_TRUE(got == content) << got.size();
  EXPECT_GT(SignalStorm::signals, 0);
  EXPECT_GT(weather.short_calls + weather.interrupted_calls, 0) << "the storm reached no call";
}

}  // namespace
}  // namespace coppice
