// SPDX-License-Identifier: Apache-2.0
#include "io/csv.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

namespace coppice {
namespace {

constexpr uint64_t kMaxBytes = uint64_t{2} << 30;
constexpr size_t kMaxColumns = 1 << 16;
constexpr std::string_view kMark = "\xef\xbb\xbf";

// The candidate that the first line has most of, outside of quotes; of equals the first.
char separator_of(std::string_view text) {
  int counts[3] = {};
  constexpr std::string_view kCandidates = ",;\t";
  bool quoted = false;
  for (const char c : text) {
    if (c == '"') quoted = !quoted;
    if (quoted) continue;
    if (c == '\n') break;
    if (const size_t which = kCandidates.find(c); which != std::string_view::npos) ++counts[which];
  }
  return kCandidates[static_cast<size_t>(std::max_element(counts, counts + 3) - counts)];
}

}  // namespace

CsvReader::CsvReader(std::string path, std::string text)
    : path_(std::move(path)), text_(std::make_unique<std::string>(std::move(text))) {
  if (text_->starts_with(kMark)) begin_ = kMark.size();
  at_ = begin_;
  separator_ = separator_of(std::string_view(*text_).substr(begin_));
}

Result<CsvReader> CsvReader::open(Env& env, const std::string& path) {
  TRY_ASSIGN(std::string text, read_all(env, path, kMaxBytes));
  if (text.find('\0') != std::string::npos)
    return corrupt(path + ": holds zero bytes, so it is no CSV in UTF-8; save it as that");
  return CsvReader(path, std::move(text));
}

void CsvReader::rewind() {
  at_ = begin_;
  line_ = row_line_ = 1;
}

// In quotes; two of them stand for one.
Result<std::string_view> CsvReader::quoted_field() {
  const std::string& text = *text_;
  const size_t start = ++at_;
  bool doubled = false;
  for (;; ++at_) {
    if (at_ >= text.size()) return corrupt(place() + ": a field begins with a quote that is never closed");
    if (text[at_] == '\n') ++line_;
    if (text[at_] != '"') continue;
    if (at_ + 1 >= text.size() || text[at_ + 1] != '"') break;
    doubled = true;
    ++at_;
  }
  const std::string_view inside = std::string_view(text).substr(start, at_ - start);
  ++at_;
  if (peek() != separator_ && peek() != '\n' && peek() != '\r')
    return corrupt(place() + ": text follows the closing quote of a field; write quotes inside of it twice");
  if (!doubled) return inside;
  auto plain = std::make_unique<std::string>();
  for (size_t i = 0; i < inside.size(); ++i) {
    *plain += inside[i];
    if (inside[i] == '"') ++i;
  }
  unquoted_.push_back(std::move(plain));
  return std::string_view(*unquoted_.back());
}

Result<std::string_view> CsvReader::field() {
  if (peek() == '"' && at_ < text_->size()) return quoted_field();
  const size_t start = at_;
  while (peek() != separator_ && peek() != '\n') ++at_;
  size_t end = at_;
  if (peek() == '\n' && end > start && (*text_)[end - 1] == '\r') --end;
  return std::string_view(*text_).substr(start, end - start);
}

Result<bool> CsvReader::next(std::vector<std::string_view>& fields) {
  fields.clear();
  unquoted_.clear();
  while (at_ < text_->size() && (peek() == '\n' || (peek() == '\r' && text_->substr(at_, 2) == "\r\n"))) {
    line_ += peek() == '\n';
    ++at_;
  }
  if (at_ >= text_->size()) return false;
  row_line_ = line_;
  while (true) {
    TRY_ASSIGN(const std::string_view one, field());
    fields.push_back(one);
    if (fields.size() > kMaxColumns)
      return unsupported(place() + ": has more than " + std::to_string(kMaxColumns) + " fields");
    if (peek() == '\r') ++at_;
    if (at_ >= text_->size() || peek() != separator_) break;
    ++at_;
  }
  if (at_ < text_->size()) ++at_;
  ++line_;
  if (columns_ == 0) columns_ = fields.size();
  if (fields.size() != columns_)
    return corrupt(place() + ": has " + std::to_string(fields.size()) + " fields, the first row has " +
                   std::to_string(columns_) + "; complete it, or take it out");
  return true;
}

bool parse_csv_number(std::string_view text, float* out) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  if (text.size() > 1 && text[0] == '+' && text[1] != '-') text.remove_prefix(1);
  const char* end = text.data() + text.size();
  double wide = 0;
  const auto [stop, error] = std::from_chars(text.data(), end, wide);
  *out = static_cast<float>(wide);
  return error == std::errc() && stop == end && !text.empty() && std::isfinite(*out);
}

}  // namespace coppice
