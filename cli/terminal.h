// SPDX-License-Identifier: Apache-2.0
// How the command line talks: lines on the terminal, and the one that shows progress.
#pragma once

#include <cstdint>
#include <string>

#include "report/table.h"
#include "report/text.h"

namespace coppice::cli {

std::string loading_progress(int64_t done, int64_t all);
std::string evaluation_progress(const std::string& split, int64_t done, int64_t all);

// The moving line of a run. Shows nothing unless standard error is a terminal.
class ProgressLine {
 public:
  ProgressLine();
  ~ProgressLine() { clear(); }
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;
  bool due();  // at most ten times a second
  void show(const std::string& text);
  void clear();

 private:
  bool terminal_, shown_ = false;
  double last_ = 0;
};

bool colours();                     // standard output is a terminal that wants them (NO_COLOR is not set)
void say(const std::string& line);  // to standard output
void complain(const std::string& command, const std::string& sentence);  // to standard error

}  // namespace coppice::cli
