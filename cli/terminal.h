// SPDX-License-Identifier: Apache-2.0
// How the command line talks: numbers as people read them, tables, and the line that shows progress.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace coppice::cli {

std::string with_commas(int64_t number);                // 26,620
std::string percent(double share);                      // 97.35 %
std::string bytes_text(int64_t bytes);                  // 1.9 MiB
std::string seconds_text(double seconds);               // 0.4 s, 3:07, 2:10:45
std::string quantity(double number, const char* unit);  // 1.23 GFLOP
std::string decimal(double number, int digits);
std::string loss_text(double loss);  // 0.2341, 3.1e+12
std::string evaluation_progress(const std::string& split, int64_t done, int64_t all);

// Columns as wide as their widest cell; the first one is flush left, numbers flush right.
class Table {
 public:
  explicit Table(std::vector<std::string> headline) : rows_{std::move(headline)} {}
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  // These columns hold text: flush left.
  void left(std::vector<size_t> columns) { left_ = std::move(columns); }
  std::string text() const;

 private:
  std::vector<std::vector<std::string>> rows_;
  std::vector<size_t> left_{0};
};

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
