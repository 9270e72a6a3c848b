// SPDX-License-Identifier: Apache-2.0
#include "report/table.h"

#include <algorithm>

#include "report/html.h"

namespace coppice {
namespace {

// Characters, not bytes: a continuation byte of UTF-8 takes no place.
size_t width_of(const std::string& text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

}  // namespace

bool Table::flush_left(size_t column) const {
  return std::find(left_.begin(), left_.end(), column) != left_.end();
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
      if (c > 0) line += "  ";
      line += flush_left(c) ? row[c] + space : space + row[c];
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  }
  if (!out.empty()) out.pop_back();
  return out;
}

std::string Table::html() const {
  std::string out = "<table>";
  for (size_t r = 0; r < rows_.size(); ++r) {
    const char* cell = r == 0 ? "th" : "td";
    out += r == 0 ? "<thead><tr>" : "<tr>";
    for (size_t c = 0; c < rows_[0].size(); ++c)
      out += std::string("<") + cell + (flush_left(c) ? ">" : " class=\"n\">") +
             (c < rows_[r].size() ? escaped(rows_[r][c]) : "") + "</" + cell + ">";
    out += r == 0 ? "</tr></thead><tbody>" : "</tr>";
  }
  return out + "</tbody></table>";
}

}  // namespace coppice
