// SPDX-License-Identifier: Apache-2.0
// A training that is killed again and again, in the middle of whatever it does, ends with the bits of one
// that was left alone. COPPICE_KILL_ROUNDS=200 kills it so often, COPPICE_KILL_SEED=7 at other moments.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <thread>

#include "base/rng.h"
#include "models/json.h"
#include "support/program.h"
#include "support/small_run.h"

namespace coppice {
namespace {

using testing::content;
using testing::diary;
using testing::expect_same_network;

int64_t number_from(const char* variable, int64_t otherwise) {
  const char* text = std::getenv(variable);
  return text != nullptr ? std::atoll(text) : otherwise;
}

// Saves after every step, so that a good part of its time goes into that.
const std::vector<std::string> kNew = {"train",
                                       "--data",
                                       "glyphs",
                                       "--train-samples",
                                       "300",
                                       "--test-samples",
                                       "30",
                                       "--model",
                                       "mlp:784-32-10",
                                       "--density",
                                       "0.2",
                                       "--batch",
                                       "30",
                                       "--epochs",
                                       "6",
                                       "--threads",
                                       "1",
                                       "--save-every",
                                       "1e-9",
                                       "--out",
                                       "run"};
const std::vector<std::string> kResume = {"train", "--resume", "run", "--threads", "1"};

class KilledProgram : public ::testing::Test {
 protected:
  // Runs it in a folder; kills it after so many seconds, where they are not negative. The exit code, or minus
  // the signal that ended it.
  int run(const std::string& folder, const std::vector<std::string>& arguments, double seconds) {
    std::vector<char*> argv = {const_cast<char*>("coppice")};
    for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    const pid_t child = fork();
    if (child == 0) {
      if (chdir(folder.c_str()) != 0 || std::freopen("out.txt", "w", stdout) == nullptr ||
          std::freopen("err.txt", "w", stderr) == nullptr)
        _exit(99);
      execv(COPPICE_BINARY, argv.data());
      _exit(99);
    }
    if (child < 0) {  // to kill -1 would be to kill everything
      ADD_FAILURE() << "fork: " << std::strerror(errno);
      return 99;
    }
    if (seconds >= 0) {
      std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
      kill(child, SIGKILL);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

  static Checkpoint checkpoint(const std::string& folder, const char* file) {
    auto read = read_checkpoint(Env::system(), folder + "/run/" + file);
    EXPECT_TRUE(read.ok()) << read.status().message();
    return read.take();
  }

  // Kills one run until it survives; returns how often.
  int64_t kill_until_done(const std::string& folder, double longest, Rng& rng, std::string* log) {
    for (int64_t kills = 0;; ++kills) {
      const bool begun = Env::system().exists(folder + "/run/last.safetensors");
      const double seconds = rng.uniform() * longest;
      const int code = run(folder, begun ? kResume : kNew, seconds);
      *log += (begun ? " resumed, " : " started, ") + std::to_string(seconds) + " s: " + std::to_string(code);
      if (code == -SIGKILL) {
        if (Env::system().exists(folder + "/run/last.safetensors"))
          (void)checkpoint(folder, "last.safetensors");
        continue;
      }
      // Killed when all was told already: there is nothing left to go on with.
      const bool told = Env::system().exists(folder + "/run/account.json");
      EXPECT_TRUE(code == 0 || told) << *log << "\n" << content(folder + "/err.txt");
      return kills;
    }
  }

  testing::Program program_;  // for its settings
};

TEST_F(KilledProgram, EndsWithTheBitsOfOneThatWasLeftAlone) {
  const testing::TempDir whole;
  const auto begin = std::chrono::steady_clock::now();
  ASSERT_EQ(run(whole.path(), kNew, -1), 0) << content(whole.file("err.txt"));
  const double length = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  const Checkpoint last = checkpoint(whole.path(), "last.safetensors"),
                   best = checkpoint(whole.path(), "best.safetensors");

  const int64_t rounds = number_from("COPPICE_KILL_ROUNDS", 10);
  const auto seed = static_cast<uint64_t>(number_from("COPPICE_KILL_SEED", 1));
  Rng rng(seed, stream_id("test", "kill"));
  int64_t kills = 0, runs = 0;
  while (kills < rounds) {
    const testing::TempDir folder;
    std::string log = "seed " + std::to_string(seed) + ", run " + std::to_string(runs++) + ":";
    kills += kill_until_done(folder.path(), length / 2, rng, &log);
    SCOPED_TRACE(log);
    const Checkpoint killed = checkpoint(folder.path(), "last.safetensors");
    EXPECT_EQ(killed.info.progress.step, last.info.progress.step);
    expect_same_network(killed.network, last.network);
    expect_same_network(checkpoint(folder.path(), "best.safetensors").network, best.network);
    EXPECT_EQ(diary(Env::system(), folder.path() + "/run"), diary(Env::system(), whole.path() + "/run"));
    if (HasFailure()) return;
    ASSERT_LT(runs, 100 + rounds * 10) << "the moments come too late to kill anything";
  }
  std::printf("%lld kills in %lld runs of %.2f s, seed %llu\n", static_cast<long long>(kills),
              static_cast<long long>(runs), length, static_cast<unsigned long long>(seed));
}

}  // namespace
}  // namespace coppice
