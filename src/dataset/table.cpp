// SPDX-License-Identifier: Apache-2.0
#include "dataset/table.h"

#include <algorithm>
#include <charconv>
#include <memory>
#include <string_view>
#include <utility>

#include "dataset/labels.h"
#include "dataset/split.h"
#include "io/csv.h"

namespace coppice {
namespace {

using Row = std::vector<std::string>;

bool is_number(std::string_view text) {
  float ignored = 0;
  return parse_csv_number(text, &ignored);
}

std::string_view trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t"), end = text.find_last_not_of(" \t");
  return begin == std::string_view::npos ? std::string_view() : text.substr(begin, end - begin + 1);
}

// Row `number` (from 1), as far as there is one.
Result<std::vector<Row>> first_rows(CsvReader& reader, size_t count) {
  std::vector<Row> rows;
  std::vector<std::string_view> fields;
  while (rows.size() < count) {
    TRY_ASSIGN(const bool more, reader.next(fields));
    if (!more) break;
    Row& row = rows.emplace_back();
    for (const std::string_view field : fields) row.emplace_back(trimmed(field));
  }
  return rows;
}

// Names stand over a table where nothing in its first row is a number, and something in its second is.
bool has_header(const std::vector<Row>& rows) {
  return rows.size() > 1 && std::none_of(rows[0].begin(), rows[0].end(), is_number) &&
         std::any_of(rows[1].begin(), rows[1].end(), is_number);
}

// The columns of a table, and which of them is the label.
struct Columns {
  Row names;  // empty: it has none
  size_t count = 0, label = 0;
  std::string text(size_t column) const {
    return names.empty() ? "column " + std::to_string(column + 1) : "column '" + names[column] + "'";
  }
};

Result<size_t> find_label(const std::string& path, const Columns& columns, const std::string& label) {
  if (label.empty()) return columns.count - 1;
  const auto at = std::find(columns.names.begin(), columns.names.end(), label);
  if (at != columns.names.end()) return static_cast<size_t>(at - columns.names.begin());
  size_t number = 0;
  const char* end = label.data() + label.size();
  const auto [stop, error] = std::from_chars(label.data(), end, number);
  if (error == std::errc() && stop == end && number >= 1 && number <= columns.count) return number - 1;
  std::string known;
  for (const std::string& name : columns.names) known += (known.empty() ? "" : ", ") + name;
  return invalid(
      path + ": has no column '" + label + "' for the label; " +
      (known.empty() ? "its columns have no names, choose a number from 1 to " + std::to_string(columns.count)
                     : "its columns are " + known));
}

Result<Columns> read_columns(CsvReader& reader, const std::string& path, const std::string& label) {
  TRY_ASSIGN(std::vector<Row> rows, first_rows(reader, 2));
  reader.rewind();
  if (rows.empty()) return corrupt(path + ": holds no row");
  Columns columns;
  columns.count = rows[0].size();
  if (columns.count < 2)
    return invalid(path + ": has one column only; a table has a label and at least one number in each row");
  if (has_header(rows)) {
    columns.names = std::move(rows[0]);
    for (size_t i = 0; i < columns.count; ++i)
      if (columns.names[i].empty())
        return invalid(
            path + ": column " + std::to_string(i + 1) +
            " has no name; name it, or take it out if it only counts the rows (pandas: index=False)");
    TRY(first_rows(reader, 1).status());
  }
  TRY_ASSIGN(columns.label, find_label(path, columns, label));
  return columns;
}

Status read_row(const CsvReader& reader, const Columns& columns, const std::vector<std::string_view>& fields,
                LabelTexts& part) {
  for (size_t i = 0; i < fields.size(); ++i) {
    const std::string_view field = trimmed(fields[i]);
    if (i == columns.label) {
      if (field.empty())
        return corrupt(reader.place() + ": " + columns.text(i) + " holds no label; take the row out");
      part.texts.emplace_back(field);
      continue;
    }
    float value = 0;
    if (!parse_csv_number(field, &value))
      return corrupt(reader.place() + ": " + columns.text(i) + " holds '" + std::string(field.substr(0, 40)) +
                     "' where a number is needed; fill gaps, write words as numbers, or take the row out");
    part.samples->numbers.push_back(value);
  }
  return {};
}

}  // namespace

Result<Dataset> load_table(Env& env, const std::string& path, const DatasetOptions& options) {
  TRY_ASSIGN(CsvReader reader, CsvReader::open(env, path));
  TRY_ASSIGN(const Columns columns, read_columns(reader, path, options.label));
  std::vector<LabelTexts> parts(1);
  parts[0].place = path + ": " + columns.text(columns.label);
  parts[0].samples = std::make_shared<Samples>();
  std::vector<std::string_view> fields;
  while (true) {
    TRY_ASSIGN(const bool more, reader.next(fields));
    if (!more) break;
    TRY(read_row(reader, columns, fields, parts[0]));
  }
  if (parts[0].texts.empty()) return corrupt(path + ": holds no row below the names of its columns");
  Dataset data;
  data.name = path;
  data.features = {static_cast<int>(columns.count - 1), 1, 1};
  data.numbers = true;
  TRY(name_classes(parts, options.classes, data));
  data.train.samples = std::move(parts[0].samples);
  cut_own_data(data, options);
  return data;
}

}  // namespace coppice
