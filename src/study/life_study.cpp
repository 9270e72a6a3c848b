// SPDX-License-Identifier: Apache-2.0
#include "study/life_study.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <sstream>
#include <system_error>
#include <thread>
#include <tuple>

namespace coppice {
namespace {

constexpr uint64_t kLongest = 1 << 28;
constexpr int kFormatVersion = 1;  // persisted in every row

using Key = std::tuple<int, double, int, uint64_t>;  // width, density, flips, seed
Key key_of(const LifeRow& row) { return {row.width, row.density, row.flips, row.seed}; }

// What a row says about the search besides its key: rows of another search answer another question.
Json search_json(const LifeSearch& search) {
  return Json{{"steps", search.steps},
              {"updates_allowed", search.updates},
              {"check_every", search.check_every},
              {"boards", search.boards},
              {"side", search.side},
              {"learning_rate", search.learning_rate}};
}

Result<LifeRow> row_of(const JsonObject& json, const LifeSearch& search) {
  TRY(json.expect_version("coppice.life", kFormatVersion, "life"));
  const Json wanted = search_json(search);
  for (const auto& [key, value] : wanted.items())
    if (!json.has(key.c_str()) || json.raw().at(key) != value)
      return invalid(json.place() + ": was made with another '" + key +
                     "'; give the same one, or choose another place with --out");
  LifeRow row;
  TRY_ASSIGN(const int64_t width, json.integer("width", 1, INT32_MAX));
  TRY_ASSIGN(row.density, json.number("density"));
  TRY_ASSIGN(const int64_t flips, json.integer("flips", 0, INT32_MAX));
  TRY_ASSIGN(const int64_t seed, json.integer("seed", 0, INT64_MAX));
  TRY_ASSIGN(row.solved, json.flag("solved"));
  TRY_ASSIGN(row.updates, json.integer("updates", 0, search.updates));
  TRY_ASSIGN(row.asked, json.integer("asked", 1, INT64_MAX));
  TRY_ASSIGN(row.wrong, json.integer("wrong", 0, row.asked));
  row.width = static_cast<int>(width);
  row.flips = static_cast<int>(flips);
  row.seed = static_cast<uint64_t>(seed);
  return row;
}

// Rows by their key; what a crash cut short at the end is not there.
class Rows {
 public:
  static Result<Rows> open(Env& env, const std::string& path, const LifeStudy& study) {
    Rows rows(study);
    if (env.exists(path)) {
      TRY_ASSIGN(const std::string text, read_all(env, path, kLongest));
      TRY(rows.read(path, text));
      if (const size_t whole = text.rfind('\n') + 1; whole < text.size())
        TRY(write_atomic(env, path, text.substr(0, whole)));
    }
    TRY_ASSIGN(rows.file_, env.open_write(path, Env::Mode::kAppend));
    return rows;
  }
  const LifeRow* find(const LifeRow& row) const {
    const auto found = rows_.find(key_of(row));
    return found == rows_.end() ? nullptr : &found->second;
  }
  Status add(const LifeRow& row) {
    const std::string line = json_text(life_row_json(study_, row)) + "\n";
    TRY(file_->append(line.data(), line.size()));
    rows_[key_of(row)] = row;
    return {};
  }

 private:
  explicit Rows(const LifeStudy& study) : study_(study) {}
  Status read(const std::string& path, const std::string& text) {
    std::istringstream lines(text);
    int64_t number = 0;
    for (std::string line; std::getline(lines, line) && !lines.eof();) {
      const std::string place = path + " line " + std::to_string(++number);
      TRY_ASSIGN(const Json json, parse_json(place, line));
      TRY_ASSIGN(const JsonObject object, JsonObject::of(json, place));
      TRY_ASSIGN(const LifeRow row, row_of(object, study_.search));
      rows_[key_of(row)] = row;
    }
    return {};
  }
  LifeStudy study_;
  std::map<Key, LifeRow> rows_;
  std::unique_ptr<WriteFile> file_;
};

Result<LifeRow> make_row(const LifeStudy& study, LifeRow row) {
  TRY_ASSIGN(const LifeFound found, search_life(search_of(study, row)));
  row.solved = found.solved;
  row.updates = found.updates;
  row.asked = found.asked;
  row.wrong = found.wrong;
  return row;
}

// Fills in `wanted`, each by whichever thread is free; the first failure ends all.
Status make_rows(const LifeStudy& study, const LifeWatch& watch, Rows& rows, std::vector<LifeRow>& wanted) {
  std::vector<LifeRow*> missing;
  for (LifeRow& row : wanted) {
    if (const LifeRow* known = rows.find(row))
      row = *known;
    else
      missing.push_back(&row);
  }
  std::mutex mutex;
  Status failure;
  size_t next = 0;
  int64_t done = static_cast<int64_t>(wanted.size() - missing.size());
  const auto work = [&] {
    while (true) {
      std::unique_lock lock(mutex);
      if (watch.stop != nullptr && watch.stop->load() && failure.ok())
        failure = Status(Code::kInterrupted, "interrupted");
      if (!failure.ok() || next == missing.size()) return;
      LifeRow* const row = missing[next++];
      lock.unlock();
      auto made = make_row(study, *row);
      lock.lock();
      Status status = made.status();
      if (status.ok()) {
        *row = made.take();
        status = rows.add(*row);
      }
      if (!status.ok() && failure.ok()) failure = std::move(status);
      ++done;
      if (failure.ok() && watch.on_progress) watch.on_progress(done, static_cast<int64_t>(wanted.size()));
    }
  };
  std::vector<std::thread> threads;
  try {
    for (size_t i = 1; i < std::min(static_cast<size_t>(study.threads), missing.size()); ++i)
      threads.emplace_back(work);
  } catch (const std::system_error&) {
    // The system gives no more: those that there are do the work.
  }
  work();
  for (std::thread& thread : threads) thread.join();
  return failure;
}

// All of it before the first network: nobody waits an hour for a sentence.
Status check(const LifeStudy& study) {
  if (study.networks < 1) return invalid("at least one network should be trained");
  for (const int width : study.widths)
    for (const double density : study.densities) {
      LifeRow row{width, 0, density};
      TRY(check_life(search_of(study, row)));
      for (const int flips : study.flips) {
        if (flips < 1) return invalid("of the signs at least 1 should be turned");
        row.flips = flips;
        TRY(check_life(search_of(study, row)));
      }
    }
  return {};
}

template <class T>
std::vector<T> without_repeats(const std::vector<T>& values) {
  std::vector<T> out;
  for (const T& value : values)
    if (std::find(out.begin(), out.end(), value) == out.end()) out.push_back(value);
  return out;
}

}  // namespace

LifeSearch search_of(const LifeStudy& study, const LifeRow& row) {
  LifeSearch search = study.search;
  search.width = row.width;
  search.density = row.density;
  search.flips = row.flips;
  search.seed = row.seed;
  return search;
}

Json life_row_json(const LifeStudy& study, const LifeRow& row) {
  Json json{{"coppice.life", kFormatVersion}};
  json.update(search_json(study.search));
  json.update(Json{{"width", row.width},
                   {"parameters", life_parameters(study.search.steps, row.width)},
                   {"density", row.density},
                   {"flips", row.flips},
                   {"seed", row.seed},
                   {"solved", row.solved},
                   {"updates", row.updates},
                   {"asked", row.asked},
                   {"wrong", row.wrong},
                   {"program", study.program},
                   {"cpu", study.cpu}});
  return json;
}

Result<std::vector<LifeRow>> run_life_study(Env& env, const LifeStudy& study, const std::string& path,
                                            const LifeWatch& watch) {
  const std::string directory = std::filesystem::path(path).parent_path().string();
  TRY_ASSIGN(const std::unique_ptr<Lock> lock, env.lock_directory(directory.empty() ? "." : directory));
  if (!lock)
    return Status(Code::kIo, directory +
                                 ": another process studies here; wait for it, stop it, or choose "
                                 "another place");
  TRY(check(study));
  TRY_ASSIGN(Rows rows, Rows::open(env, path, study));
  std::vector<LifeRow> wanted;
  // Asked for twice, a network still is one.
  for (const int width : without_repeats(study.widths))
    for (const double density : without_repeats(study.densities))
      for (int n = 0; n < study.networks; ++n)
        wanted.push_back({width, 0, density, study.search.seed + static_cast<uint64_t>(n)});
  TRY(make_rows(study, watch, rows, wanted));

  std::vector<LifeRow> turned;
  for (const LifeRow& row : wanted)
    for (const int flips : without_repeats(study.flips))
      if (row.solved) turned.push_back({row.width, flips, row.density, row.seed});
  TRY(make_rows(study, watch, rows, turned));
  wanted.insert(wanted.end(), turned.begin(), turned.end());
  return wanted;
}

}  // namespace coppice
