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

#include "study/life_prune.h"

namespace coppice {
namespace {

constexpr uint64_t kLongest = 1 << 28;
constexpr int kFormatVersion = 2;  // persisted in every row

using Key = std::tuple<int, int, double, int, uint64_t>;
Key key_of(const LifeRow& row) { return {row.pruned_to, row.width, row.density, row.flips, row.seed}; }

// What a row says about the search besides its key: rows of another search answer another question.
Json search_json(const LifeSearch& search) {
  return Json{{"steps", search.steps},
              {"updates_allowed", search.updates},
              {"check_every", search.check_every},
              {"boards", search.boards},
              {"side", search.side},
              {"learning_rate", search.learning_rate}};
}

// As search_json(), for rows of cut networks only: others do not depend on it.
Json cut_json(const LifeSearch& search) { return Json{{"cut_updates", search.cut_updates}}; }

Status expect_same(const JsonObject& json, const Json& wanted) {
  for (const auto& [key, value] : wanted.items())
    if (!json.has(key.c_str()) || json.raw().at(key) != value)
      return invalid(json.place() + ": was made with another '" + key +
                     "'; give the same one, or choose another place with --out");
  return {};
}

Result<LifeRow::Ticket> ticket_of(const JsonObject& json, const char* key, const LifeSearch& search) {
  TRY_ASSIGN(const JsonObject object, json.object(key));
  LifeRow::Ticket ticket;
  TRY_ASSIGN(ticket.solved, object.flag("solved"));
  TRY_ASSIGN(ticket.updates, object.integer("updates", 1, search.updates));
  return ticket;
}

Status read_cut(const JsonObject& json, const LifeSearch& search, LifeRow& row) {
  TRY(expect_same(json, cut_json(search)));
  TRY_ASSIGN(const int64_t pruned_to, json.integer("pruned_to", 1, row.width - 1));
  TRY_ASSIGN(const int64_t starts, json.integer("starts", 1, search.updates));
  row.pruned_to = static_cast<int>(pruned_to);
  row.starts = static_cast<int>(starts);
  if (!row.solved) return {};
  const auto neurons = [&](const char* key, int64_t all, std::vector<int>& into) -> Status {
    TRY_ASSIGN(const std::vector<int64_t> list, json.integers(key, 0, all - 1));
    into.assign(list.begin(), list.end());
    return {};
  };
  TRY(neurons("filters", 2 * row.width, row.filters));
  TRY(neurons("decides", row.width, row.decides));
  TRY_ASSIGN(row.ticket, ticket_of(json, "ticket", search));
  TRY_ASSIGN(row.random_ticket, ticket_of(json, "random_ticket", search));
  return {};
}

Result<LifeRow> row_of(const JsonObject& json, const LifeSearch& search) {
  TRY(json.expect_version("coppice.life", kFormatVersion, "life"));
  TRY(expect_same(json, search_json(search)));
  LifeRow row;
  TRY_ASSIGN(const int64_t width, json.integer("width", 1, 1 << 20));
  TRY_ASSIGN(row.density, json.number("density"));
  TRY_ASSIGN(const int64_t flips, json.integer("flips", 0, INT32_MAX));
  TRY_ASSIGN(const int64_t seed, json.integer("seed", 0, INT64_MAX));
  TRY_ASSIGN(row.solved, json.flag("solved"));
  TRY_ASSIGN(row.updates, json.integer("updates", 0, search.updates));
  TRY_ASSIGN(row.asked, json.integer("asked", 1, INT64_MAX));
  TRY_ASSIGN(row.wrong, json.integer("wrong", 0, row.asked));
  TRY_ASSIGN(row.work, json.integer("work", 1, INT64_MAX));
  row.width = static_cast<int>(width);
  row.flips = static_cast<int>(flips);
  row.seed = static_cast<uint64_t>(seed);
  if (json.has("pruned_to")) TRY(read_cut(json, search, row));
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
  std::vector<LifeRow> all() const {
    std::vector<LifeRow> all;
    for (const auto& [key, row] : rows_) all.push_back(row);
    return all;
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
  const LifeSearch search = search_of(study, row);
  TRY_ASSIGN(const LifeFound found, search_life(search));
  row.solved = found.solved;
  row.updates = found.updates;
  row.asked = found.asked;
  row.wrong = found.wrong;
  row.work = found.work;
  row.starts = found.starts;
  row.filters = found.filters;
  row.decides = found.decides;
  if (row.pruned_to == 0 || !row.solved) return row;
  for (const auto& [kind, into] :
       {std::pair(LifeTicket::kWinning, &row.ticket), std::pair(LifeTicket::kRandom, &row.random_ticket)}) {
    TRY_ASSIGN(const LifeTaught alone, search_ticket(search, found, kind));
    *into = {alone.solved, alone.updates};
  }
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

// To which width the study cuts networks of a width; 0: to none.
int cut_of(const LifeStudy& study, int width) {
  return study.prune_to > 0 && width > study.prune_to ? study.prune_to : 0;
}

// All of it before the first network: nobody waits an hour for a sentence.
Status check(const LifeStudy& study) {
  if (study.networks < 1) return invalid("at least one network should be trained");
  if (study.prune_to > 0 && std::none_of(study.widths.begin(), study.widths.end(),
                                         [&](int width) { return width > study.prune_to; }))
    return invalid("no width is above " + std::to_string(study.prune_to) +
                   ", so there is nothing to cut; add a wider one with --widths");
  for (const int width : study.widths)
    for (const double density : study.densities) {
      LifeRow row{width, 0, density};
      row.pruned_to = cut_of(study, width);
      TRY(check_life(search_of(study, row)));
      row.pruned_to = 0;
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
  search.prune_to = row.pruned_to;
  return search;
}

Json life_row_json(const LifeStudy& study, const LifeRow& row) {
  Json json{{"coppice.life", kFormatVersion}};
  json.update(search_json(study.search));
  json.update(
      Json{{"width", row.width},
           {"parameters", life_parameters(study.search.steps, row.pruned_to > 0 ? row.pruned_to : row.width)},
           {"density", row.density},
           {"flips", row.flips},
           {"seed", row.seed},
           {"solved", row.solved},
           {"updates", row.updates},
           {"asked", row.asked},
           {"wrong", row.wrong},
           {"work", row.work}});
  if (row.pruned_to > 0) {
    json["pruned_to"] = row.pruned_to;
    json.update(cut_json(study.search));
    json["starts"] = row.starts;
  }
  if (row.pruned_to > 0 && row.solved) {
    const auto ticket = [](const LifeRow::Ticket& one) {
      return Json{{"solved", one.solved}, {"updates", one.updates}};
    };
    json.update(Json{{"filters", row.filters},
                     {"decides", row.decides},
                     {"ticket", ticket(row.ticket)},
                     {"random_ticket", ticket(row.random_ticket)}});
  }
  json.update(Json{{"program", study.program}, {"cpu", study.cpu}});
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
        wanted.push_back(
            {.width = width, .density = density, .seed = study.search.seed + static_cast<uint64_t>(n)});
  for (LifeRow& row : wanted) row.pruned_to = cut_of(study, row.width);
  TRY(make_rows(study, watch, rows, wanted));

  std::vector<LifeRow> turned;
  for (const LifeRow& row : wanted)
    for (const int flips : without_repeats(study.flips))
      if (row.solved && row.pruned_to == 0)
        turned.push_back({.width = row.width, .flips = flips, .density = row.density, .seed = row.seed});
  TRY(make_rows(study, watch, rows, turned));
  return rows.all();
}

}  // namespace coppice
