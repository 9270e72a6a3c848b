// SPDX-License-Identifier: Apache-2.0
#include "io/csv.h"

#include <cmath>

#include "dataset/table.h"
#include "support/target.h"

namespace coppice::fuzz {
namespace {

// What the fields of all rows add up to; reading again after rewind() gives the same.
size_t walk(CsvReader& reader, bool* taken_whole) {
  std::vector<std::string_view> fields;
  size_t bytes = 0, columns = 0;
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
  const size_t bytes = walk(*reader, &whole);
  require(bytes <= input.size(), "fields are parts of the file");
  reader->rewind();
  require(walk(*reader, &again) == bytes && again == whole, "a second reading is like the first");
  auto data = load_table(env, kPath, {});
  if (!taken(data.status())) return false;
  const Samples& samples = *data->train.samples;
  require(samples.numbers.size() >= samples.labels.size() && data->outputs > 1, "each label has its numbers");
  return true;
}

}  // namespace coppice::fuzz
