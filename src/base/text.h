// SPDX-License-Identifier: Apache-2.0
// Numbers as text and back, without a locale and without loss.
#pragma once

#include <charconv>
#include <cmath>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace coppice {

// The shortest text that reads back as the same number.
template <class Number>
std::string shortest(Number value) {
  char buffer[64];
  return {buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr};
}

// The whole text, a finite number; false otherwise.
template <class Number>
bool parse_number(std::string_view text, Number* out) {
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, *out);
  if (error != std::errc() || stop != end || text.empty()) return false;
  if constexpr (std::is_floating_point_v<Number>) return std::isfinite(*out);
  return true;
}

// "a" and "b" become "a, b".
inline void append_item(std::string& list, std::string_view item, std::string_view separator) {
  if (!list.empty()) list += separator;
  list += item;
}

// The one of `known` (at least one) that takes the fewest edits to become `name`; of several the first.
std::string nearest(const std::string& name, const std::vector<std::string>& known);

}  // namespace coppice
