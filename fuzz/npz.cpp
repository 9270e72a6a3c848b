// SPDX-License-Identifier: Apache-2.0
// Archives of arrays as data sets. Checksums are put right first, else no change of an array would get past
// them.
#include <zlib.h>

#include "dataset/arrays.h"
#include "io/zip.h"
#include "support/dataset.h"
#include "support/target.h"

namespace coppice::fuzz {
namespace {

// The sum of each stored file whose entry in the directory leads to one.
std::string with_right_sums(std::string_view input) {
  constexpr size_t kEntry = 46, kLocal = 30;
  std::string out(input);
  for (size_t at = out.find("PK\1\2"); at != std::string::npos && out.size() - at >= kEntry;
       at = out.find("PK\1\2", at + kEntry)) {
    const uint64_t packed = number(out, at + 20, 4), local = number(out, at + 42, 4);
    if (number(out, at + 10, 2) != 0 || local > out.size() || out.size() - local < kLocal) continue;
    const uint64_t start = local + kLocal + number(out, local + 26, 2) + number(out, local + 28, 2);
    if (start > out.size() || packed > out.size() - start) continue;
    put_number(out, at + 16, 4,
               crc32(0, reinterpret_cast<const Bytef*>(out.data() + start), static_cast<uInt>(packed)));
  }
  return out;
}

bool read(std::string_view input) {
  testing::MemoryEnv env = env_with(input);
  constexpr uint64_t kMost = 16 << 20;
  auto zip = ZipFile::open(env, kPath, kMost);
  if (taken(zip.status()))
    for (const ZipEntry& entry : zip->entries()) {
      auto bytes = zip->read(entry);
      require(!taken(bytes.status()) || bytes->size() == entry.size, "a file is as long as its entry says");
    }
  bool any = false;
  for (const std::optional<Task> task : {std::optional<Task>(), std::optional(Task::kClasses),
                                         std::optional(Task::kLabels), std::optional(Task::kRegression)}) {
    DatasetOptions options;
    options.task = task;
    auto data = load_arrays(env, kPath, options);
    if (!taken(data.status())) continue;
    require(!task || data->task == *task, "the task is the one that was asked for");
    require_whole(*data);
    any = true;
  }
  return any;
}

}  // namespace

bool fuzz_npz(std::string_view input) {
  const std::string repaired = with_right_sums(input);
  const bool plain = read(input);
  return repaired == input ? plain : read(repaired) || plain;
}

}  // namespace coppice::fuzz
