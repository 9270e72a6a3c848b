// SPDX-License-Identifier: Apache-2.0
// A run whose n-th operation on files fails, for every n and every kind of failure: what lies on disk then
// goes on to the same bits as a run that nothing happened to. In memory, so that there is time for all of
// them.
#include <gtest/gtest.h>

#include <atomic>
#include <sstream>

#include "models/json.h"
#include "support/failing_env.h"
#include "support/memory_env.h"
#include "support/small_run.h"

namespace coppice {
namespace {

using testing::diary;
using testing::expect_same_network;
using testing::FailingEnv;
using testing::MemoryEnv;
using testing::run;

constexpr char kRun[] = "run", kData[] = "data.csv";

// Two updates an epoch, each of them saved; validation samples, so that there is a best; data that is read.
Recipe recipe() {
  return make_recipe({{"data", kData, "test"},
                      {"model", "mlp:3-8-2", "test"},
                      {"density", "0.5", "test"},
                      {"optimizer", "adam", "test"},
                      {"batch", "16", "test"},
                      {"epochs", "2", "test"},
                      {"validation", "0.25", "test"},
                      {"threads", "1", "test"},
                      {"save_every", "0.000000001", "test"}})
      .take();
}
constexpr int64_t kSteps = 4;

MemoryEnv::Files fresh_files() {
  std::string table = "a,b,c,class\n";
  for (int i = 0; i < 40; ++i)
    table += std::to_string(i % 7) + "," + std::to_string(i * i % 5) + "," + std::to_string(i % 3) + "," +
             (i % 2 == 0 ? "even" : "odd") + "\n";
  return {{kData, table}};
}

Checkpoint checkpoint_of(MemoryEnv& env, const char* file) {
  auto checkpoint = read_checkpoint(env, join_path(kRun, file));
  EXPECT_TRUE(checkpoint.ok()) << checkpoint.status().message();
  return checkpoint.take();
}

void expect_same_run(MemoryEnv& a, MemoryEnv& b) {
  for (const char* file : {kLastFile, kBestFile}) {
    const Checkpoint x = checkpoint_of(a, file), y = checkpoint_of(b, file);
    expect_same_network(x.network, y.network);
    EXPECT_EQ(x.info.progress.step, y.info.progress.step) << file;
    EXPECT_EQ(x.info.progress.best.loss, y.info.progress.best.loss) << file;
  }
  EXPECT_EQ(diary(a, kRun), diary(b, kRun));
}

struct Case {
  const char* name;
  FailingEnv::Fault fault;
  FailingEnv::Then then;
};

class FailingIo : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override { ASSERT_TRUE(run(whole_, recipe(), kRun, false).ok()); }

  // A run, or the rest of the one that `env` holds, with its operation `at` failing; false where it has
  // fewer.
  bool fails(MemoryEnv& env, int64_t at) {
    const bool begun = env.exists(join_path(kRun, kLastFile));
    FailingEnv failing(at, GetParam().then, GetParam().fault, env);
    const auto report = run(failing, recipe(), kRun, begun);
    if (failing.operations() <= at) {
      EXPECT_TRUE(report.ok()) << report.status().message();
      return false;
    }
    EXPECT_FALSE(report.ok()) << at << ": a failure was passed over";
    EXPECT_EQ(report.status().code(), GetParam().fault == FailingEnv::Fault::kIo ? Code::kIo : Code::kNoSpace)
        << report.status().message();
    return true;
  }

  // Lets each operation of what follows from these files fail, then goes on; returns how many there were.
  int64_t let_each_fail(const MemoryEnv::Files& files) {
    for (int64_t at = 0;; ++at) {
      SCOPED_TRACE(at);
      MemoryEnv env(files);
      if (!fails(env, at)) return at;
      if (GetParam().then == FailingEnv::Then::kRecovers) {
        for (const auto& [path, content] : env.files())
          EXPECT_FALSE(path.ends_with(".partial")) << path << " was not cleaned up";
      }
      go_on(env);
      if (HasFailure()) return at;
    }
  }

  // Goes on with what is there, on files that do not fail.
  void go_on(MemoryEnv& env) {
    const bool begun = env.exists(join_path(kRun, kLastFile));
    if (!begun || checkpoint_of(env, kLastFile).info.progress.step < kSteps ||
        checkpoint_of(env, kLastFile).info.progress.judged_step < kSteps) {
      const auto rest = run(env, recipe(), kRun, begun);
      ASSERT_TRUE(rest.ok()) << rest.status().message();
    }
    expect_same_run(env, whole_);
  }

  MemoryEnv whole_{fresh_files()};
};

TEST_P(FailingIo, LeavesARunThatGoesOnBitForBit) { EXPECT_GT(let_each_fail(fresh_files()), 100); }

TEST_P(FailingIo, AlsoWhereItHadGoneOnAlready) {
  MemoryEnv env(fresh_files());
  std::atomic<bool> stop{false};
  TrainCallbacks callbacks;
  callbacks.stop = &stop;
  callbacks.on_step = [&](const StepEvent& event) { stop = event.step == 3; };
  ASSERT_TRUE(run(env, recipe(), kRun, false, callbacks).ok());
  EXPECT_GT(let_each_fail(env.files()), 50);
}

using Fault = FailingEnv::Fault;
using Then = FailingEnv::Then;
INSTANTIATE_TEST_SUITE_P(Train, FailingIo,
                         ::testing::Values(Case{"ShortWrite", Fault::kShortWrite, Then::kRecovers},
                                           Case{"ShortWriteThenDown", Fault::kShortWrite, Then::kStaysDown},
                                           Case{"NoSpace", Fault::kNoSpace, Then::kRecovers},
                                           Case{"IoThenDown", Fault::kIo, Then::kStaysDown}),
                         [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace coppice
