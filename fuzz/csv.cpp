// SPDX-License-Identifier: Apache-2.0
#include "io/csv.h"

#include <cmath>

#include "dataset/table.h"
#include "support/dataset.h"
#include "support/target.h"

namespace coppice::fuzz {
namespace {

struct Ask {
  std::optional<Task> task = std::nullopt;
  const char *label = "", *target = "";
};

// As what the columns can be asked for: by default, the last one as each task wants it, others by number, all
// but one at once.
std::vector<Ask> asks_of(size_t columns) {
  std::vector<Ask> asks = {{},
                           {Task::kRegression},
                           {Task::kLabels},
                           {.label = "1"},
                           {.target = "1"},
                           {Task::kRegression, "", "1"}};
  if (columns > 2) asks.push_back({.target = "2, 1"});
  if (columns > 3) asks.push_back({Task::kLabels, "", "2,4,3"});
  return asks;
}

// What the fields of all rows add up to; reading again after rewind() gives the same.
size_t walk(CsvReader& reader, size_t* column_count, bool* taken_whole) {
  std::vector<std::string_view> fields;
  size_t bytes = 0, &columns = *column_count = 0;
  while (true) {
    auto more = reader.next(fields);
    *taken_whole = taken(more.status());
    if (!*taken_whole || !*more) return bytes;
    require(!fields.empty() && (columns == 0 || columns == fields.size()), "rows have as many fields");
    columns = fields.size();
    for (const std::string_view field : fields) {
      bytes += field.size();
      float value = 0;
      require(!parse_csv_number(field, &value) || std::isfinite(value), "numbers are finite");
    }
  }
}

}  // namespace

bool fuzz_csv(std::string_view input) {
  testing::MemoryEnv env = env_with(input);
  auto reader = CsvReader::open(env, kPath);
  if (!taken(reader.status())) return false;
  bool whole = false, again = false;
  size_t columns = 0;
  const size_t bytes = walk(*reader, &columns, &whole);
  require(bytes <= input.size(), "fields are parts of the file");
  reader->rewind();
  require(walk(*reader, &columns, &again) == bytes && again == whole, "a second reading is like the first");
  bool any = false;
  for (const Ask& ask : asks_of(columns)) {
    DatasetOptions options;
    options.task = ask.task;
    options.label = ask.label;
    options.target = ask.target;
    auto data = load_table(env, kPath, options);
    if (!taken(data.status())) continue;
    require(!ask.task || data->task == *ask.task, "the task is the one that was asked for");
    require_whole(*data);
    options.columns = data->columns;
    options.target_names = data->target_names;
    const auto by_name = load_table(env, kPath, options);
    require(by_name.ok() && by_name->train.samples->numbers == data->train.samples->numbers,
            "a network finds its columns in the file that it learnt from");
    any = true;
  }
  return any;
}

}  // namespace coppice::fuzz
