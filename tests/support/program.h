// SPDX-License-Identifier: Apache-2.0
// The program as a person starts it, in a folder that goes with the test.
#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdlib>
#include <string>

#include "support/temp_dir.h"

namespace coppice::testing {

struct Outcome {
  int code = -1;
  std::string out, err;
};

class Program {
 public:
  // What somebody tuned on this machine does not count.
  Program() { setenv("COPPICE_CONFIG_DIR", folder.file("config").c_str(), 1); }

  // Through a shell, in the folder.
  Outcome run(const std::string& arguments, const std::string& input = "") const {
    const std::string command = "cd '" + folder.path() + "' && '" COPPICE_BINARY "' " + arguments +
                                " > out.txt 2> err.txt < " + folder.write("in.txt", input);
    const int status = std::system(command.c_str());
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, content(folder.file("out.txt")),
            content(folder.file("err.txt"))};
  }

  // One sentence on standard error, and the exit code.
  void expect_refusal(const std::string& arguments, int code, const std::string& sentence) const {
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.code, code) << arguments << "\n" << outcome.err;
    EXPECT_NE(outcome.err.find(sentence), std::string::npos) << arguments << "\n" << outcome.err;
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
  }

  TempDir folder;
};

}  // namespace coppice::testing
