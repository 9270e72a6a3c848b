// SPDX-License-Identifier: Apache-2.0
#include "train/run_log.h"

#include <sstream>

namespace coppice {
namespace {
constexpr uint64_t kLongest = 1 << 28;

// Rows up to `step`; a last line that a crash cut short is dropped with them.
std::string kept_rows(const std::string& text, int64_t step) {
  std::istringstream lines(text);
  std::string kept;
  for (std::string line; std::getline(lines, line);) {
    const auto row = parse_json("run log", line);
    if (row.ok() && row->is_object() && row->contains("step") && (*row)["step"].is_number_integer() &&
        (*row)["step"].get<int64_t>() <= step)
      kept += line + "\n";
  }
  return kept;
}
}  // namespace

Result<RunLog> RunLog::open(Env& env, const std::string& path, int64_t step) {
  if (step > 0 && env.exists(path)) {
    TRY_ASSIGN(const std::string text, read_all(env, path, kLongest));
    TRY(write_atomic(env, path, kept_rows(text, step)));
  }
  const Env::Mode mode = step > 0 ? Env::Mode::kAppend : Env::Mode::kTruncate;
  TRY_ASSIGN(std::unique_ptr<WriteFile> file, env.open_write(path, mode));
  return RunLog(std::move(file));
}

Status RunLog::append(const Json& row) {
  const std::string line = json_text(row) + "\n";
  return file_->append(line.data(), line.size());
}

}  // namespace coppice
