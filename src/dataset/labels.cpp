// SPDX-License-Identifier: Apache-2.0
#include "dataset/labels.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <utility>

namespace coppice {
namespace {

std::optional<double> number_of(const std::string& text) {
  double value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end || !std::isfinite(value)) return std::nullopt;
  return value;
}

bool is_integer(double value) { return std::floor(value) == value && std::abs(value) < 1e15; }

bool all_numbers(const std::vector<LabelTexts>& parts) {
  for (const LabelTexts& part : parts)
    for (const std::string& text : part.texts)
      if (!number_of(text)) return false;
  return true;
}

// 1.0 is the class 1; 1.5 is none.
Status write_as_integers(std::vector<LabelTexts>& parts) {
  for (LabelTexts& part : parts)
    for (std::string& text : part.texts) {
      const double value = *number_of(text);
      if (!is_integer(value))
        return unsupported(
            part.place + " holds " + text +
            ", a quantity, where classes are wanted; learn it as a number with --task regression, or make "
            "ranges of it, each a class with a name");
      text = std::to_string(static_cast<int64_t>(value));
    }
  return {};
}

Result<std::vector<std::string>> classes_of(const LabelTexts& part, bool integers) {
  constexpr size_t kFew = 20, kMost = 1 << 16;
  const std::set<std::string> distinct(part.texts.begin(), part.texts.end());
  if (distinct.size() > kMost || (part.texts.size() > kFew && distinct.size() > part.texts.size() / 2))
    return invalid(part.place + " has " + std::to_string(distinct.size()) + " different values in " +
                   std::to_string(part.texts.size()) +
                   " samples, too many for classes; is it the right one? Quantities are learnt with --task "
                   "regression");
  if (distinct.size() == 1)
    return invalid(part.place + " has one class only ('" + *distinct.begin() +
                   "'); a network tells at least two apart");
  std::vector<std::string> classes(distinct.begin(), distinct.end());
  if (integers)
    std::sort(classes.begin(), classes.end(),
              [](const std::string& a, const std::string& b) { return *number_of(a) < *number_of(b); });
  return classes;
}

}  // namespace

std::string number_text(double value) {
  char buffer[32];
  return {buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr};
}

Status name_classes(std::vector<LabelTexts>& parts, const std::vector<std::string>& known, Dataset& data) {
  const bool numbers = all_numbers(parts);
  if (numbers) TRY(write_as_integers(parts));
  data.classes = known;
  if (known.empty()) {
    TRY_ASSIGN(data.classes, classes_of(parts.front(), numbers));
  }
  data.outputs = static_cast<int>(data.classes.size());
  std::map<std::string, int32_t> places;
  for (size_t i = 0; i < data.classes.size(); ++i) places[data.classes[i]] = static_cast<int32_t>(i);
  for (const LabelTexts& part : parts)
    for (const std::string& text : part.texts) {
      const auto at = places.find(text);
      if (at == places.end())
        return invalid(part.place + " holds '" + text + "', which is not among the classes that are learnt");
      part.samples->labels.push_back(at->second);
    }
  return {};
}

}  // namespace coppice
