// SPDX-License-Identifier: Apache-2.0
#include "train/cost_table.h"

#include <cctype>
#include <cmath>
#include <cstdlib>
#include <filesystem>

#include "base/text.h"
#include "host/cpu.h"
#include "kernels/select.h"

namespace coppice {
namespace {

// Keys of the file. Persisted.
constexpr char kVersionKey[] = "coppice.cost_table", kCpuKey[] = "cpu", kIsaKey[] = "isa",
               kCommitKey[] = "commit", kOriginKey[] = "origin", kRowsKey[] = "rows", kFormatKey[] = "format",
               kDensityKey[] = "density", kRateKey[] = "gflops";

constexpr uint64_t kLargestFile = 1 << 20;
constexpr size_t kMostRows = 1000;
constexpr double kSlowest = 1e-6, kFastest = 1e9;  // GFLOP/s

Result<CostTable::Row> read_row(const JsonObject& json) {
  CostTable::Row row;
  TRY_ASSIGN(row.format, json.text(kFormatKey));
  TRY_ASSIGN(row.density, json.real(kDensityKey));
  TRY_ASSIGN(row.gflops, json.real(kRateKey));
  const std::string place = json.place() + ".";
  if (!(row.density > 0 && row.density <= 1))
    return corrupt(place + kDensityKey + ": should be above 0 and at most 1");
  if (!(row.gflops >= kSlowest && row.gflops <= kFastest))
    return corrupt(place + kRateKey + ": should be from " + shortest(kSlowest) + " to " + shortest(kFastest));
  return row;
}

Result<std::string> optional_text(const JsonObject& json, const char* key) {
  return json.has(key) ? json.text(key) : Result<std::string>(std::string());
}

// "Intel(R) Xeon(R) Processor" becomes "intel-r-xeon-r-processor".
std::string file_name_part(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0)
      out += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    else if (!out.empty() && out.back() != '-')
      out += '-';
  }
  while (!out.empty() && out.back() == '-') out.pop_back();
  return out;
}

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

}  // namespace

Json cost_table_json(const CostTable& table) {
  Json rows = Json::array();
  for (const CostTable::Row& row : table.rows)
    rows.push_back(Json{{kFormatKey, row.format}, {kDensityKey, row.density}, {kRateKey, row.gflops}});
  Json json{{kVersionKey, kCostTableFormatVersion}, {kCpuKey, table.cpu}, {kIsaKey, table.isa}};
  if (!table.commit.empty()) json[kCommitKey] = table.commit;
  // Checkpoints are published: where the file lay on this machine is nobody's business.
  if (!table.origin.empty()) json[kOriginKey] = std::filesystem::path(table.origin).filename().string();
  json[kRowsKey] = std::move(rows);
  return json;
}

Result<CostTable> cost_table_from_json(const std::string& text, const std::string& place) {
  TRY_ASSIGN(const Json parsed, parse_json(place, text));
  TRY_ASSIGN(const JsonObject json, JsonObject::of(parsed, place));
  TRY(json.expect_version(kVersionKey, kCostTableFormatVersion, "cost table",
                          ", or measure anew with `coppice tune`"));
  CostTable table;
  TRY_ASSIGN(table.cpu, json.text(kCpuKey));
  TRY_ASSIGN(table.isa, json.text(kIsaKey));
  TRY_ASSIGN(table.commit, optional_text(json, kCommitKey));
  TRY_ASSIGN(table.origin, optional_text(json, kOriginKey));
  TRY_ASSIGN(const std::vector<JsonObject> rows, json.objects(kRowsKey));
  if (rows.empty() || rows.size() > kMostRows)
    return corrupt(place + "." + kRowsKey + ": should have 1 to " + std::to_string(kMostRows) +
                   " rows, it has " + std::to_string(rows.size()));
  for (const JsonObject& object : rows) {
    TRY_ASSIGN(CostTable::Row row, read_row(object));
    for (const CostTable::Row& other : table.rows)
      if (other.format == row.format && other.density == row.density)
        return corrupt(object.place() + ": is the second row for " + row.format + " at density " +
                       shortest(row.density) + "; leave one");
    table.rows.push_back(std::move(row));
  }
  return table;
}

Result<CostTable> read_cost_table(Env& env, const std::string& path) {
  TRY_ASSIGN(const std::string text, read_all(env, path, kLargestFile));
  TRY_ASSIGN(CostTable table, cost_table_from_json(text, path));
  table.origin = path;
  return table;
}

Status write_cost_table(Env& env, const std::string& path, const CostTable& table) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  if (!folder.empty()) TRY(env.make_directories(folder));
  Json json = cost_table_json(table);
  json.erase(kOriginKey);  // the file is the origin
  // A CPU may have any bytes for its name.
  return write_atomic(env, path, json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n");
}

Result<std::string> tuned_table_path(const std::string& isa) {
  std::string folder = variable("COPPICE_CONFIG_DIR");
  if (folder.empty()) {
    const std::string config = variable("XDG_CONFIG_HOME"), home = variable("HOME");
    if (config.empty() && home.empty())
      return not_found(
          "the place of cost tables: COPPICE_CONFIG_DIR, XDG_CONFIG_HOME and HOME are not set; set one, or "
          "name a file");
    folder = join_path(config.empty() ? join_path(home, ".config") : config, "coppice");
  }
  // Caches as well: virtual machines give different CPUs one name, and formats adapt to the caches.
  coppice_cpu cpu;
  coppice_host_cpu(&cpu);
  return join_path(folder, "cost-" + file_name_part(cpu.model) + "-" + std::to_string(cpu.l1d_bytes >> 10) +
                               "k-" + std::to_string(cpu.l2_bytes >> 10) + "k-" + isa + ".json");
}

Result<CostTable> find_cost_table(Env& env, const std::string& chosen, const std::string& isa) {
  if (chosen == kShippedCostTable) return shipped_cost_table();
  if (!chosen.empty()) return read_cost_table(env, chosen);
  TRY_ASSIGN(const Kernels kernels, select_kernels(isa));
  const auto path = tuned_table_path(kernels.forward->isa);
  if (!path.ok() || !env.exists(*path)) return shipped_cost_table();
  auto table = read_cost_table(env, *path);
  if (!table.ok())
    return Status(table.status().code(),
                  table.status().message() + " (or run with --cost-table " + kShippedCostTable + ")");
  return table;
}

}  // namespace coppice
