// SPDX-License-Identifier: Apache-2.0
#include "io/toml.h"

#define TOML_EXCEPTIONS 0
// A file can break what toml++ asserts ("[.2"), which then gives an error of its own. Nothing aborts here.
#define TOML_ASSERT(condition) static_assert(true)
#include <toml++/toml.h>

#include <algorithm>
#include <string_view>
#include <tuple>

#include "base/text.h"

namespace coppice {
namespace {

constexpr int kDeepest = 8;  // tables and lists in each other: more than any file here has

bool is_beyond_ascii(char c) { return static_cast<unsigned char>(c) >= 0x80; }
bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

// Behind the mark of UTF-8 that some editors write.
std::ptrdiff_t begin_of(std::string_view text) { return text.starts_with("\xef\xbb\xbf") ? 3 : 0; }

// Where a quote at `at` begins a text; elsewhere, as in -"1, it is a letter of something broken.
bool may_begin_text(std::string_view text, size_t at, bool after_equals) {
  if (at == 0) return true;
  const char before = text[at - 1];
  return is_space(before) || before == '=' || before == '[' || before == ',' || before == '{' ||
         (before == '.' && !after_equals);
}

// toml++ 3.3 does something undefined with a letter beyond ASCII that stands outside of quotes and comments,
// or behind a backslash. TOML has none there, but for one in the line after a backslash.
Status check_letters(std::string_view text, const std::string& origin) {
  char quote = '\0';  // of the text that i is in
  bool many_lines = false, comment = false, after_equals = false;
  int64_t line = 1;
  const auto tripled = [&](size_t at) { return text.substr(at, 3) == std::string(3, text[at]); };
  for (auto i = static_cast<size_t>(begin_of(text)); i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\n') {
      ++line;
      comment = after_equals = false;
      if (!many_lines) quote = '\0';
    } else if (comment) {
      continue;
    } else if (quote == '\0') {
      comment = c == '#';
      after_equals = after_equals || c == '=';
      if (is_beyond_ascii(c))
        return invalid(origin + " line " + std::to_string(line) +
                       ": has a letter beyond ASCII outside of quotes; put names and texts in quotes");
      if ((c != '"' && c != '\'') || !may_begin_text(text, i, after_equals)) continue;
      quote = c;
      many_lines = tripled(i);
      if (many_lines) i += 2;
    } else if (c == '\\' && quote == '"') {
      size_t next = i + 1;
      while (next < text.size() && many_lines && is_space(text[next])) line += text[next++] == '\n';
      if (next < text.size() && is_beyond_ascii(text[next]))
        return invalid(origin + " line " + std::to_string(line) +
                       ": has a letter beyond ASCII behind a backslash; take the backslash out");
      // The letter that the backslash gives a meaning may be a quote, or end a line.
      if (next == i + 1 && text.substr(next, 1) != "\n") ++next;
      i = next - 1;
    } else if (c == quote && (!many_lines || tripled(i))) {
      if (many_lines) i += 2;
      // Such a text may end with two quotes of its own.
      for (int own = 0; many_lines && own < 2 && text.substr(i + 1, 1) == std::string(1, quote); ++own) ++i;
      quote = '\0';
      many_lines = false;
    }
  }
  return {};
}

TomlNode node_of(const toml::node& node, int depth);

// toml++ sorts by name; a person reads from above.
void add_entries(const toml::table& table, int depth, TomlNode& out) {
  const auto place = [](const toml::node* at) {
    return std::tuple(at->source().begin.line, at->source().begin.column);
  };
  std::vector<std::pair<std::string_view, const toml::node*>> entries;
  for (const auto& [name, node] : table) entries.emplace_back(name.str(), &node);
  std::stable_sort(entries.begin(), entries.end(),
                   [&](const auto& a, const auto& b) { return place(a.second) < place(b.second); });
  for (const auto& [name, node] : entries)
    out.entries.push_back({std::string(name), node_of(*node, depth + 1)});
}

TomlNode node_of(const toml::node& node, int depth) {
  TomlNode out;
  out.line = static_cast<int64_t>(node.source().begin.line);
  if (depth > kDeepest) return out;
  if (const auto* text = node.as_string()) {
    out.kind = TomlNode::Kind::kText;
    out.text = text->get();
  } else if (const auto* table = node.as_table()) {
    out.kind = TomlNode::Kind::kTable;
    add_entries(*table, depth, out);
  } else if (const auto* list = node.as_array()) {
    out.kind = TomlNode::Kind::kList;
    for (const toml::node& item : *list) out.items.push_back(node_of(item, depth + 1));
  } else {
    if (const auto* integer = node.as_integer()) out.text = shortest(integer->get());
    if (const auto* real = node.as_floating_point()) out.text = shortest(real->get());
    if (const auto* flag = node.as_boolean()) out.text = flag->get() ? "true" : "false";
    if (!out.text.empty()) out.kind = TomlNode::Kind::kPlain;
  }
  return out;
}

}  // namespace

const TomlNode* TomlNode::find(const std::string& name) const {
  for (const auto& [known, node] : entries)
    if (known == name) return &node;
  return nullptr;
}

Result<TomlNode> parse_toml(const std::string& text, const std::string& origin) {
  TRY(check_letters(text, origin));
  const auto status = [&origin](const toml::parse_result& parsed) -> Status {
    if (parsed) return {};
    const toml::source_position at = parsed.error().source().begin;
    return invalid(origin + " line " + std::to_string(at.line) + ": " +
                   std::string(parsed.error().description()));
  };
  // In a broken file check_letters() may take for a text what toml++ does not: whether it is whole is asked
  // without such letters first.
  if (std::any_of(text.begin() + begin_of(text), text.end(), is_beyond_ascii)) {
    std::string plain = text;
    std::replace_if(plain.begin() + begin_of(text), plain.end(), is_beyond_ascii, 'x');
    TRY(status(toml::parse(plain, origin)));
  }
  const toml::parse_result parsed = toml::parse(text, origin);
  TRY(status(parsed));
  return node_of(parsed.table(), 0);
}

}  // namespace coppice
