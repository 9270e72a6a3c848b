// SPDX-License-Identifier: Apache-2.0
#include "terminal.h"

#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "host/usage.h"

namespace coppice::cli {
namespace {

constexpr double kProgressEvery = 0.1;  // seconds

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

std::string loading_progress(int64_t done, int64_t all) {
  return "reading pictures: " + with_commas(done) + " of " + with_commas(all);
}

std::string evaluation_progress(const std::string& split, int64_t done, int64_t all) {
  return split + ": " + with_commas(done) + " of " + with_commas(all) + " samples";
}

ProgressLine::ProgressLine() : terminal_(coppice_host_is_terminal(2) != 0) {}

bool ProgressLine::due() { return terminal_ && now() - last_ >= kProgressEvery; }

void ProgressLine::show(const std::string& text) {
  if (!terminal_) return;
  last_ = now();
  shown_ = true;
  std::fprintf(stderr, "\r\033[K%s", text.c_str());
  std::fflush(stderr);
}

void ProgressLine::clear() {
  if (!shown_) return;
  std::fputs("\r\033[K", stderr);
  std::fflush(stderr);
  shown_ = false;
}

bool colours() { return coppice_host_is_terminal(1) != 0 && std::getenv("NO_COLOR") == nullptr; }

void say(const std::string& line) {
  std::fputs((line + "\n").c_str(), stdout);
  std::fflush(stdout);
}

void complain(const std::string& command, const std::string& sentence) {
  std::fprintf(stderr, "coppice %s: %s\n", command.c_str(), sentence.c_str());
}

}  // namespace coppice::cli
