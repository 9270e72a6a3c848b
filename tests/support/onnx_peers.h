// SPDX-License-Identifier: Apache-2.0
// ONNX Runtime and ONNX's checker, for files that we wrote. Neither is part of a build: `scripts/setup
// --bench` installs both, and a test that needs one is skipped where it is missing.
#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "support/temp_dir.h"

namespace coppice::testing {

constexpr int kNoPeer = 3, kNoProgram = 127;  // exit codes

inline int run_command(const std::string& command) {
  const int status = std::system(command.c_str());
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// Files to ask about: all at once, as the peers take longer to start than to answer.
class OnnxPeers {
 public:
  // sizes: of one sample. Returns the number of the question.
  size_t add(const std::string& model, const std::vector<int64_t>& sizes, const std::vector<float>& input,
             int samples) {
    const std::string base = std::to_string(files_.size());
    std::string text = std::to_string(samples);
    for (const int64_t size : sizes) text += "x" + std::to_string(size);
    files_.push_back(folder_.write(base + ".onnx", model));
    const std::string in = folder_.write(
        base + ".in", {reinterpret_cast<const char*>(input.data()), input.size() * sizeof(float)});
    jobs_ += " " + files_.back() + " " + in + " " + text + " " + answer_file(files_.size() - 1);
    return files_.size() - 1;
  }

  // Sentences go to the log of the test. kNoPeer, or kNoProgram, where there is none. as_written: node by
  // node, in floats between two roundings.
  int run(bool as_written = false) const {
    return run_command("node '" + script("run_onnx.js") + "'" + (as_written ? " --as-written" : "") + jobs_);
  }
  int check() const {
    std::string command = "/usr/bin/python3 '" + script("check_onnx.py") + "'";
    for (const std::string& file : files_) command += " " + file;
    return run_command(command);
  }
  std::vector<float> answer(size_t question) const {
    const std::string bytes = content(answer_file(question));
    std::vector<float> out(bytes.size() / sizeof(float));
    std::memcpy(out.data(), bytes.data(), out.size() * sizeof(float));
    return out;
  }

 private:
  static std::string script(const char* name) {
    return std::string(COPPICE_SOURCE_DIR "/bench/peers/") + name;
  }
  std::string answer_file(size_t question) const { return folder_.file(std::to_string(question) + ".out"); }

  TempDir folder_;
  std::vector<std::string> files_;
  std::string jobs_;
};

}  // namespace coppice::testing

// Where the peer whose exit code this is could not be asked, the test ends here.
#define NEEDS_PEER(code, what)                                                                             \
  do {                                                                                                     \
    const int code_ = (code);                                                                              \
    if (code_ == coppice::testing::kNoPeer || code_ == coppice::testing::kNoProgram)                       \
      GTEST_SKIP() << "there is no " << (what) << " on this machine; `scripts/setup --bench` installs it"; \
    ASSERT_EQ(code_, 0) << (what) << " refuses a file; its reason stands above";                           \
  } while (0)
