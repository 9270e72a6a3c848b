// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace coppice {

// Columns as wide as their widest cell; the first one is flush left, numbers flush right.
class Table {
 public:
  explicit Table(std::vector<std::string> headline) : rows_{std::move(headline)} {}
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  // These columns hold text: flush left.
  void left(std::vector<size_t> columns) { left_ = std::move(columns); }
  bool empty() const { return rows_.size() == 1; }
  std::string text() const;
  std::string html() const;  // for a page of html.h

 private:
  bool flush_left(size_t column) const;
  std::vector<std::vector<std::string>> rows_;
  std::vector<size_t> left_{0};
};

}  // namespace coppice
