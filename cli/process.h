// SPDX-License-Identifier: Apache-2.0
// This program, started again as a process of its own: the only place where processes are started, and not in
// the library, which works in the process that calls it.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace coppice::cli {

struct ProcessEnd {
  int code = 0;    // with which it ended by itself
  int signal = 0;  // that ended it; 0: none
};

class Process {
 public:
  // Arguments behind the program's name. Its standard error goes to a file, its standard output nowhere.
  static Result<Process> start(const std::vector<std::string>& arguments, const std::string& messages);

  Process(Process&& other) noexcept;
  Process& operator=(Process&&) = delete;
  ~Process();  // stops it, and waits for that

  std::optional<ProcessEnd> end();  // empty while it goes on; does not wait
  void stop();                      // asks it to save and end, as Ctrl-C does

 private:
  explicit Process(pid_t id) : id_(id) {}
  pid_t id_;  // 0: it has ended
};

}  // namespace coppice::cli
