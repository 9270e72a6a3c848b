// SPDX-License-Identifier: Apache-2.0
// Tables of text (RFC 4180): fields between commas, quoted where they hold commas, quotes or line ends. Also
// with semicolons or tabs, whichever the first line has most of; with CRLF or LF; with a byte order mark.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/env.h"
#include "base/result.h"

namespace coppice {

// Reads row by row; holds the whole file, of up to 2 GiB.
class CsvReader {
 public:
  static Result<CsvReader> open(Env& env, const std::string& path);

  // The fields of the next row, valid until the next call; false after the last. Empty lines are no rows.
  // Every row has as many fields as the first one, or is a sentence.
  Result<bool> next(std::vector<std::string_view>& fields);

  // "FILE line 7", where the row begins that was read last.
  std::string place() const { return path_ + " line " + std::to_string(row_line_); }
  void rewind();

 private:
  CsvReader(std::string path, std::string text);
  char peek() const { return at_ < text_->size() ? (*text_)[at_] : '\n'; }
  Result<std::string_view> field();
  Result<std::string_view> quoted_field();

  std::string path_;
  std::unique_ptr<std::string> text_;  // views stay valid when the reader moves
  size_t begin_ = 0, at_ = 0;
  int64_t line_ = 1, row_line_ = 1;
  size_t columns_ = 0;
  char separator_ = ',';
  std::vector<std::unique_ptr<std::string>> unquoted_;  // of fields with quotes in them, of this row
};

// The whole text without spaces around it is a finite number.
bool parse_csv_number(std::string_view text, float* out);

}  // namespace coppice
