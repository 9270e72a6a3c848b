// SPDX-License-Identifier: Apache-2.0
#include "dataset/table.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <memory>
#include <string_view>
#include <utility>

#include "dataset/labels.h"
#include "dataset/split.h"
#include "dataset/targets.h"
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

// The columns of a table, and which of them are learnt.
struct Columns {
  Row names;  // empty: it has none
  size_t count = 0;
  std::vector<size_t> targets;   // as they were asked for; a column of classes is the only one
  std::vector<size_t> features;  // in the order that the network has them
  std::string text(size_t column) const {
    return names.empty() ? "column " + std::to_string(column + 1) : "column '" + names[column] + "'";
  }
};

std::string list_of(const Columns& columns) {
  std::string list;
  for (const std::string& name : columns.names) list += (list.empty() ? "" : ", ") + name;
  return list;
}

Result<size_t> find_column(const std::string& path, const Columns& columns, const std::string& name,
                           const char* purpose) {
  const auto at = std::find(columns.names.begin(), columns.names.end(), name);
  if (at != columns.names.end()) return static_cast<size_t>(at - columns.names.begin());
  size_t number = 0;
  const char* end = name.data() + name.size();
  const auto [stop, error] = std::from_chars(name.data(), end, number);
  if (error == std::errc() && stop == end && number >= 1 && number <= columns.count) return number - 1;
  return invalid(path + ": has no column '" + name + "' for the " + purpose + "; " +
                 (columns.names.empty() ? "its columns have no names, choose a number from 1 to " +
                                              std::to_string(columns.count)
                                        : "its columns are " + list_of(columns)));
}

bool learns_classes(const DatasetOptions& options) {
  return options.target.empty() && options.task.value_or(Task::kClasses) == Task::kClasses;
}

// The column of the label, or those of the targets; the last one where nobody names any.
Result<std::vector<size_t>> asked_targets(const std::string& path, const Columns& columns,
                                          const DatasetOptions& options) {
  const bool classes = learns_classes(options);
  const std::string& list = classes ? options.label : options.target;
  const char* purpose = classes ? "label" : "target";
  if (list.empty()) return std::vector<size_t>{columns.count - 1};
  const bool one = classes || std::count(columns.names.begin(), columns.names.end(), list) > 0;
  std::vector<size_t> targets;
  for (size_t begin = 0; begin <= list.size();) {
    const size_t end = one ? list.size() : std::min(list.find(',', begin), list.size());
    TRY_ASSIGN(const size_t column,
               find_column(path, columns, std::string(trimmed(list.substr(begin, end - begin))), purpose));
    if (std::count(targets.begin(), targets.end(), column) > 0)
      return invalid(path + ": " + columns.text(column) + " is named twice as a target; leave one out");
    targets.push_back(column);
    begin = end + 1;
  }
  if (targets.size() == columns.count)
    return invalid(path + ": every column is a target; leave at least one to learn from");
  return targets;
}

// As they were asked for, unless these are not what the network learnt: then the columns of its names. A
// table without names has no others than those that were asked for.
Result<std::vector<size_t>> find_targets(const std::string& path, const Columns& columns,
                                         const DatasetOptions& options) {
  auto asked = asked_targets(path, columns, options);
  const Row learnt = learns_classes(options) && !options.columns.label.empty() ? Row{options.columns.label}
                                                                               : options.target_names;
  if (learnt.empty() || columns.names.empty()) return asked;
  const auto called = [&](size_t column, const std::string& name) {
    return columns.names[column] == name || Columns().text(column) == name;
  };
  if (asked.ok() && std::equal(asked->begin(), asked->end(), learnt.begin(), learnt.end(), called))
    return asked;
  std::vector<size_t> targets;
  for (const std::string& name : learnt) {
    const auto at = std::find(columns.names.begin(), columns.names.end(), name);
    if (at == columns.names.end())
      return invalid(path + ": has no column '" + name +
                     "', which the network learnt to tell; its columns are " + list_of(columns));
    targets.push_back(static_cast<size_t>(at - columns.names.begin()));
  }
  return targets;
}

// All other columns: in their order, or in that of the names that the network learnt from. A table without
// names has them in their order.
Result<std::vector<size_t>> find_features(const std::string& path, const Columns& columns,
                                          const DatasetOptions& options) {
  std::vector<size_t> features;
  for (size_t i = 0; i < columns.count; ++i)
    if (std::count(columns.targets.begin(), columns.targets.end(), i) == 0) features.push_back(i);
  const Row& learnt = options.columns.features;
  const auto called = [&](size_t column, const std::string& name) { return columns.names[column] == name; };
  if (learnt.empty() || columns.names.empty() ||
      std::equal(features.begin(), features.end(), learnt.begin(), learnt.end(), called))
    return features;
  std::map<std::string, std::vector<size_t>> places;
  for (const size_t column : features) places[columns.names[column]].push_back(column);
  std::vector<size_t> ordered;
  for (const std::string& name : learnt) {
    const auto at = places.find(name);
    if (at == places.end())
      return invalid(path + ": has no column '" + name +
                     "', which the network learnt from; its columns are " + list_of(columns));
    if (at->second.size() > 1)
      return invalid(path + ": has " + std::to_string(at->second.size()) + " columns '" + name +
                     "'; put all columns in the order that the network learnt, so that none is mistaken");
    ordered.push_back(at->second.front());
    places.erase(at);
  }
  if (places.empty()) return ordered;
  return invalid(path + ": has a column '" + places.begin()->first +
                 "', which the network did not learn from; take it out");
}

Result<Columns> read_columns(CsvReader& reader, const std::string& path, const DatasetOptions& options) {
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
  TRY_ASSIGN(columns.targets, find_targets(path, columns, options));
  TRY_ASSIGN(columns.features, find_features(path, columns, options));
  return columns;
}

// What the rows hold: numbers to learn from, and what is to be said about them.
struct Content {
  std::shared_ptr<Samples> samples = std::make_shared<Samples>();
  std::vector<std::string> texts;  // [rows], of classes
  std::vector<double> values;      // [rows][targets], else
};

class RowReader {
 public:
  RowReader(const CsvReader& reader, const Columns& columns, const DatasetOptions& options)
      : reader_(reader),
        columns_(columns),
        classes_(learns_classes(options)),
        only_labels_(options.task == Task::kLabels),
        place_(columns.count) {
    for (size_t i = 0; i < columns.targets.size(); ++i) place_[columns.targets[i]] = {false, i};
    for (size_t i = 0; i < columns.features.size(); ++i) place_[columns.features[i]] = {true, i};
  }

  Status read(const std::vector<std::string_view>& fields, Content& content) const {
    std::vector<float>& numbers = content.samples->numbers;
    const size_t begin = content.values.size(), first = numbers.size();
    if (!classes_) content.values.resize(begin + columns_.targets.size());
    numbers.resize(first + columns_.features.size());
    for (size_t i = 0; i < fields.size(); ++i) {
      const std::string_view field = trimmed(fields[i]);
      if (!place_[i].feature && classes_) {
        if (field.empty()) return corrupt(place(i) + " holds no label; take the row out");
        content.texts.emplace_back(field);
        continue;
      }
      float value = 0;
      if (!parse_csv_number(field, &value))
        return corrupt(place(i) + " holds '" + std::string(field.substr(0, 40)) +
                       "' where a number is needed; fill gaps, write words as numbers, or take the row out");
      if (place_[i].feature) {
        numbers[first + place_[i].at] = value;
      } else {
        if (only_labels_ && value != 0 && value != 1)
          return invalid(place(i) + " holds " + std::string(field) +
                         ", where a label is 0 or 1; numbers are learnt with --task regression");
        content.values[begin + place_[i].at] = static_cast<double>(value);
      }
    }
    return {};
  }

 private:
  // Where the number of a column goes: which of the features, or of the targets.
  struct Place {
    bool feature = true;
    size_t at = 0;
  };
  std::string place(size_t column) const { return reader_.place() + ": " + columns_.text(column); }

  const CsvReader& reader_;
  const Columns& columns_;
  const bool classes_, only_labels_;
  std::vector<Place> place_;  // [columns]
};

Status name_content(Content content, const std::string& path, const Columns& columns,
                    const DatasetOptions& options, Dataset& data) {
  data.train.samples = content.samples;
  if (!columns.names.empty())
    for (const size_t column : columns.features) data.columns.features.push_back(columns.names[column]);
  if (learns_classes(options)) {
    if (!columns.names.empty()) data.columns.label = columns.names[columns.targets[0]];
    std::vector<LabelTexts> parts = {
        {path + ": " + columns.text(columns.targets[0]), std::move(content.texts), content.samples}};
    return name_classes(parts, options.classes, data);
  }
  std::vector<std::string> names;
  for (const size_t column : columns.targets)
    names.push_back(columns.names.empty() ? columns.text(column) : columns.names[column]);
  return name_targets({{path, std::move(content.values), content.samples}}, std::move(names), options.task,
                      data);
}

}  // namespace

Result<Dataset> load_table(Env& env, const std::string& path, const DatasetOptions& options) {
  TRY_ASSIGN(CsvReader reader, CsvReader::open(env, path));
  TRY_ASSIGN(const Columns columns, read_columns(reader, path, options));
  const RowReader rows(reader, columns, options);
  Content content;
  std::vector<std::string_view> fields;
  while (true) {
    TRY_ASSIGN(const bool more, reader.next(fields));
    if (!more) break;
    TRY(rows.read(fields, content));
  }
  if (content.samples->numbers.empty())
    return corrupt(path + ": holds no row below the names of its columns");
  Dataset data;
  data.name = path;
  data.features = {static_cast<int>(columns.features.size()), 1, 1};
  data.numbers = true;
  TRY(name_content(std::move(content), path, columns, options, data));
  cut_own_data(data, options);
  return data;
}

}  // namespace coppice
