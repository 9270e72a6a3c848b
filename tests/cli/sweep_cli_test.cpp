// SPDX-License-Identifier: Apache-2.0
// `coppice sweep` with real processes: that one study goes on after anything that may happen to it.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <sstream>
#include <thread>

#include "models/json.h"
#include "support/program.h"

namespace coppice {
namespace {

using testing::content;
using testing::Outcome;

constexpr char kStudy[] =
    "[study]\nquestion = 'Enough?'\nseeds = 2\nbaseline = 'dense'\n"
    "[recipe]\ndata = 'glyphs'\nmodel = 'mlp:784-16-10'\ntrain_samples = 400\ntest_samples = 60\nepochs = 3\n"
    "[[cell]]\nname = 'dense'\n"
    "[[cell]]\nname = 'less'\nlayer.fc2 = 1.0\ngrid.density = [0.2, 0.1]\n";

class SweepProgram : public ::testing::Test {
 protected:
  SweepProgram() { folder().write("study.toml", kStudy); }
  const testing::TempDir& folder() const { return program_.folder; }
  Outcome coppice(const std::string& arguments) const { return program_.run(arguments); }

  // Rows without what the clock and the number of jobs change.
  std::vector<Json> results(const std::string& directory) const {
    std::vector<Json> rows;
    std::istringstream lines(content(folder().file(directory + "/rows.jsonl")));
    for (std::string line; std::getline(lines, line);) {
      Json row = parse_json("row", line).take();
      for (const char* key : {"seconds", "cpu_seconds", "seconds_in_all", "filling_seconds",
                              "waiting_seconds", "peak_bytes", "file_bytes", "jobs", "threads", "command"})
        row.erase(key);
      rows.push_back(std::move(row));
    }
    return rows;
  }

  // Starts a sweep whose runs take a while, and sends it a signal once one of them is over: the exit code, or
  // minus the signal.
  int interrupted(const std::string& study, int signal) const {
    const pid_t child = fork();
    if (child < 0) {  // to kill -1 would be to kill everything
      ADD_FAILURE() << "fork: " << std::strerror(errno);
      return 99;
    }
    if (child == 0) {
      if (chdir(folder().path().c_str()) != 0 || std::freopen("out.txt", "w", stdout) == nullptr ||
          std::freopen("err.txt", "w", stderr) == nullptr)
        _exit(99);
      execl(COPPICE_BINARY, "coppice", "sweep", study.c_str(), "--jobs", "2", nullptr);
      _exit(99);
    }
    const std::string rows = folder().file(study.substr(0, study.rfind('.')) + "/rows.jsonl");
    for (int wait = 0; wait < 2000 && content(rows).empty(); ++wait)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    kill(child, signal);
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

  testing::Program program_;
};

TEST_F(SweepProgram, TrainsAStudyAndTellsWhatItFound) {
  const Outcome listed = coppice("sweep study.toml --dry-run");
  ASSERT_EQ(listed.code, 0) << listed.err;
  EXPECT_NE(listed.out.find("less, density=0.1     2  not run  study/runs/less-density-0.1-seed-2-"),
            std::string::npos)
      << listed.out;
  EXPECT_FALSE(std::filesystem::exists(folder().file("study"))) << "nothing was made";

  const Outcome swept = coppice("sweep study.toml --jobs 3");
  ASSERT_EQ(swept.code, 0) << swept.err;
  EXPECT_EQ(swept.err, "") << "nobody watches";
  for (const char* part :
       {"dense", "2 of 2", "against dense", "rows  study/rows.jsonl", "page  study/study.html"})
    EXPECT_NE(swept.out.find(part), std::string::npos) << part << "\n" << swept.out;
  EXPECT_NE(content(folder().file("study/study.html")).find("Enough?"), std::string::npos);
  ASSERT_EQ(results("study").size(), 6U);
  const std::string rows = content(folder().file("study/rows.jsonl"));

  // A row's command trains the same run again.
  std::istringstream lines(rows);
  std::string third;
  for (int i = 0; i < 3; ++i) std::getline(lines, third);
  const Json row = parse_json("row", third).take();
  const std::string command = row["command"];
  ASSERT_EQ(
      command,
      "coppice train --data=glyphs --train-samples=400 --test-samples=60 --model=mlp:784-16-10 --density=0.2 "
      "--layer=fc2=1 --epochs=3 --seed=1 --threads=1");
  const Outcome again = coppice(command.substr(std::string("coppice ").size()) + " --json");
  ASSERT_EQ(again.code, 0) << again.err;
  const Json account = parse_json("account", again.out).take();
  EXPECT_EQ(account["test"]["loss"], row["test"]["loss"]);
  EXPECT_EQ(account["program"], row["program"]);

  // Nothing is done twice; the table alone can be had as well.
  std::filesystem::remove_all(folder().file("study/runs"));
  EXPECT_EQ(coppice("sweep study.toml").code, 0);
  EXPECT_EQ(content(folder().file("study/rows.jsonl")), rows);
  EXPECT_NE(swept.out.find(coppice("sweep study.toml --table").out.substr(0, 200)), std::string::npos);
  const auto json = parse_json("sweep", coppice("sweep study.toml --table --json").out);
  ASSERT_TRUE(json.ok());
  EXPECT_EQ((*json)["cells"][2]["rows"].size(), 2U);
  EXPECT_EQ((*json)["cells"][2]["difference"]["count"], 2);
}

// Its path is the study's, though each run keeps the full one.
TEST_F(SweepProgram, RunsHaveATeacher) {
  const std::string recipe =
      "data = 'glyphs'\nmodel = 'mlp:784-16-10'\ntrain_samples = 400\ntest_samples = 60\nepochs = 1\n";
  folder().write("large.toml", recipe);
  ASSERT_EQ(coppice("train large.toml --out large").code, 0);
  folder().write("taught.toml", "[study]\nseeds = 2\n[recipe]\n" + recipe +
                                    "teacher = 'large/best.safetensors'\n[[cell]]\nname = 'small'\n");
  const Outcome swept = coppice("sweep taught.toml");
  ASSERT_EQ(swept.code, 0) << swept.err;
  EXPECT_EQ(results("taught").size(), 2U);
  EXPECT_EQ(content(folder().file("taught/rows.jsonl")).find(folder().path()), std::string::npos);
}

TEST_F(SweepProgram, GoesOnAfterCtrlCAndAfterKill) {
  ASSERT_EQ(coppice("sweep study.toml --out whole").code, 0);
  // As long as it takes to be caught in the middle; the steps are the same.
  std::string longer = kStudy;
  longer.replace(longer.find("train_samples = 400"), 19, "train_samples = 9000");
  longer.replace(longer.find("epochs = 3"), 10, "epochs = 12");
  for (const char* name : {"whole", "stopped", "killed"}) folder().write(std::string(name) + ".toml", longer);
  ASSERT_EQ(coppice("sweep whole.toml --out longer").code, 0);

  ASSERT_EQ(interrupted("stopped.toml", SIGINT), 130);
  EXPECT_NE(content(folder().file("err.txt"))
                .find("interrupted; what is done lies in stopped, and the same command"),
            std::string::npos);
  ASSERT_EQ(interrupted("killed.toml", SIGKILL), -SIGKILL);
  for (const char* name : {"stopped", "killed"}) {
    EXPECT_LT(results(name).size(), 6U) << "caught too late to mean anything";
    const Outcome rest = coppice("sweep " + std::string(name) + ".toml --jobs 2");
    ASSERT_EQ(rest.code, 0) << rest.err;
    EXPECT_EQ(results(name), results("longer")) << name;
  }
}

TEST_F(SweepProgram, ARunThatFailsDoesNotEndTheOthers) {
  folder().write(
      "wild.toml",
      std::string(kStudy) + "[[cell]]\nname = 'wild'\noptimizer = 'sgd'\nlearning_rate = 1000\nbatch = 4\n");
  const Outcome swept = coppice("sweep wild.toml");
  EXPECT_EQ(swept.code, 1);
  EXPECT_NE(swept.out.find("0 of 2, 2 failed"), std::string::npos) << swept.out;
  EXPECT_NE(swept.out.find("2 of 2"), std::string::npos) << swept.out;
  EXPECT_NE(swept.err.find("coppice sweep: cell 'wild', seed 1 failed: the loss is NaN at step"),
            std::string::npos)
      << swept.err;
  EXPECT_EQ(results("wild").size(), 8U);
  EXPECT_NE(coppice("sweep wild.toml --dry-run").out.find("failed"), std::string::npos);
}

TEST_F(SweepProgram, MistakesGetASentence) {
  program_.expect_refusal("sweep nowhere.toml", 1, "nowhere.toml: no such file or directory");
  program_.expect_refusal("sweep study.toml --only lese", 2,
                          "--only: no cell is called 'lese'; did you mean 'dense'");
  folder().write("mine", kStudy);
  program_.expect_refusal("sweep mine", 2, "mine: the directory of a study has its name without .toml");
  folder().write("wrong.toml", "[grid]\ndensty = [1]\n");
  program_.expect_refusal("sweep wrong.toml", 2, "wrong.toml line 2: 'densty' is not a key of a recipe");
  ASSERT_EQ(
      coppice("train --train-samples 300 --test-samples 20 --model mlp:784-10 --max-steps 1 --out run").code,
      0);
  program_.expect_refusal("sweep study.toml --out run", 2, "run: holds a run of `coppice train`");
}

}  // namespace
}  // namespace coppice
