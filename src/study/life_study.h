// SPDX-License-Identifier: Apache-2.0
// The study of Springer and Kenyon (2020): how often small networks learn the Game of Life, against their
// width, the density of the boards, and signs turned in first values that had led to success; and what wide
// networks are worth that are cut to the width of narrow ones.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/env.h"
#include "base/result.h"
#include "models/json.h"
#include "report/table.h"
#include "study/life_search.h"

namespace coppice {

struct LifeStudy {
  std::vector<int> widths = {1, 2, 3, 4, 6, 8};
  std::vector<double> densities = {0};  // of the boards, as in LifeSearch
  std::vector<int> flips;               // turned in the first values of networks that learnt it without
  int networks = 64;                    // of each width and density; of flips, at most
  int prune_to = 0;                     // above 0: wider networks are cut to this width
  LifeSearch search;                    // the rest: updates, boards, the seed of the first network
  int threads = 1;
  std::string program, cpu;  // what made a row; kept with it
};

// One network. Rows are kept as JSON, one a line.
struct LifeRow {
  int width = 1, flips = 0;
  double density = 0;
  uint64_t seed = 0;
  bool solved = false;
  int64_t updates = 0, asked = 0, wrong = 0, work = 0;  // as in LifeFound

  // Of cut networks, as in LifeFound.
  int pruned_to = 0, starts = 1;
  std::vector<int> filters = {}, decides = {};
  // Whether the filters that were left learn it alone, and as many others of the same first values.
  struct Ticket {
    bool solved = false;
    int64_t updates = 0;
  };
  Ticket ticket = {}, random_ticket = {};
};

// The search that made a row.
LifeSearch search_of(const LifeStudy& study, const LifeRow& row);

// As it stands in the file of a study.
Json life_row_json(const LifeStudy& study, const LifeRow& row);

struct LifeWatch {
  std::function<void(int64_t done, int64_t all)> on_progress;  // by any thread, one at a time
  const std::atomic<bool>* stop = nullptr;                     // true: give up, with kInterrupted
};

// Rows that `path` holds already are not made again, so a study that was interrupted goes on; of other
// updates, boards or learning rates it refuses them. In the order of the study, whatever the number of
// threads.
Result<std::vector<LifeRow>> run_life_study(Env& env, const LifeStudy& study, const std::string& path,
                                            const LifeWatch& watch = {});

// A line for each width, cut, density and number of flips that has rows: how many learnt it, with Wilson's
// interval of 95 % confidence, the median of the updates that took, and the work for each that learnt it.
Table life_table(int steps, const std::vector<LifeRow>& rows);

// How many tickets of cut networks learn it alone, beside as many drawn ones; empty where nothing was cut.
std::optional<Table> ticket_table(const std::vector<LifeRow>& rows);

// The same as a page with curves, and a network's Life beside the true one as a moving picture.
Result<std::string> life_page(const LifeStudy& study, const std::vector<LifeRow>& rows);

}  // namespace coppice
