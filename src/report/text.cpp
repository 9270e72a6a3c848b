// SPDX-License-Identifier: Apache-2.0
#include "report/text.h"

#include <cmath>
#include <cstdio>
#include <iterator>

namespace coppice {
namespace {

template <class... Args>
std::string printed(const char* format, Args... args) {
  char buffer[128];
  std::snprintf(buffer, sizeof buffer, format, args...);
  return buffer;
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
  if (!(seconds < 3.6e9)) return printed("%.2g h", seconds / 3600);
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

std::string measure_text(double number) {
  // Above, not every integer is a double.
  constexpr double kMost = 1e15;
  const double size = std::abs(number);
  if (size >= 9999.5 && size < kMost) return with_commas(std::llround(number));
  std::string text = printed("%.5g", number);
  if (size >= 1000 && size < kMost) text.insert(number < 0 ? 2 : 1, 1, ',');
  return text;
}

std::string loss_text(double loss) { return printed(std::abs(loss) < 1e4 ? "%.4f" : "%.2g", loss); }

}  // namespace coppice
