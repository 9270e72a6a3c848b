// SPDX-License-Identifier: Apache-2.0
#include "terminal.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "host/usage.h"

namespace coppice::cli {
namespace {

constexpr double kProgressEvery = 0.1;  // seconds

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

template <class... Args>
std::string printed(const char* format, Args... args) {
  char buffer[128];
  std::snprintf(buffer, sizeof buffer, format, args...);
  return buffer;
}

// Characters, not bytes: a continuation byte of UTF-8 takes no place.
size_t width_of(const std::string& text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

}  // namespace

std::string with_commas(int64_t number) {
  std::string digits = std::to_string(number);
  for (size_t at = digits.size(); at > 3 + (number < 0 ? 1u : 0u);) digits.insert(at -= 3, 1, ',');
  return digits;
}

std::string percent(double share) {
  const double value = 100 * share;
  return printed(value != 0 && std::abs(value) < 0.1 ? "%.2g %%" : "%.2f %%", value);
}

std::string bytes_text(int64_t bytes) {
  const char* units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  auto value = static_cast<double>(bytes);
  size_t unit = 0;
  for (; value >= 1024 && unit + 1 < std::size(units); ++unit) value /= 1024;
  return printed(unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
}

std::string seconds_text(double seconds) {
  if (seconds < 59.95) return printed("%.1f s", seconds);
  const auto whole = std::llround(seconds);
  if (whole < 3600) return printed("%lld:%02lld min", whole / 60, whole % 60);
  return printed("%lld:%02lld:%02lld h", whole / 3600, whole / 60 % 60, whole % 60);
}

std::string quantity(double number, const char* unit) {
  const char* prefixes[] = {"", "k", "M", "G", "T", "P"};
  size_t prefix = 0;
  for (; std::abs(number) >= 999.5 && prefix + 1 < std::size(prefixes); ++prefix) number /= 1000;
  return printed(prefix == 0 ? "%.0f %s%s" : "%.3g %s%s", number, prefixes[prefix], unit);
}

std::string decimal(double number, int digits) { return printed("%.*f", digits, number); }

std::string loss_text(double loss) { return printed(std::abs(loss) < 1e4 ? "%.4f" : "%.2g", loss); }

std::string evaluation_progress(const std::string& split, int64_t done, int64_t all) {
  return split + ": " + with_commas(done) + " of " + with_commas(all) + " samples";
}

std::string Table::text() const {
  std::vector<size_t> widths;
  for (const auto& row : rows_)
    for (size_t c = 0; c < row.size(); ++c) {
      if (c == widths.size()) widths.push_back(0);
      widths[c] = std::max(widths[c], width_of(row[c]));
    }
  std::string out;
  for (const auto& row : rows_) {
    std::string line;
    for (size_t c = 0; c < row.size(); ++c) {
      const std::string space(widths[c] - width_of(row[c]), ' ');
      const bool flush_left = std::find(left_.begin(), left_.end(), c) != left_.end();
      if (c > 0) line += "  ";
      line += flush_left ? row[c] + space : space + row[c];
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  }
  if (!out.empty()) out.pop_back();
  return out;
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
