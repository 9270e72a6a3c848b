// SPDX-License-Identifier: Apache-2.0
// The study of lottery tickets (Frankle and Carbin 2019; Frankle et al. 2020; Renda et al. 2020): a network
// is trained, loses its smallest weights, and what is left is trained again, round after round. Each of
// these is a run like any other, which begins from a checkpoint that this study wrote.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/env.h"
#include "base/result.h"
#include "report/table.h"
#include "study/account.h"
#include "train/trainer.h"

namespace coppice {

// What the weights that are left begin with.
enum class Rewind {
  kWeights,  // what they were after `rewind_to` updates of the first run, and that point of the schedule
  kRate,     // what they have become, and that point of the schedule
  kNone,     // what they have become, at a tenth of the peak of the learning rate: fine-tuning
};

struct TicketStudy {
  Recipe recipe;  // of the dense network
  std::string directory;
  int rounds = 10;
  double share = 0.2;  // of the live weights that a round takes
  Ranking ranking = Ranking::kNetwork;
  Rewind rewind = Rewind::kWeights;
  int64_t rewind_to = 0;
  // Controls of each round: its pattern with values drawn anew, from the start; and its values at as many
  // places that are drawn.
  bool redrawn = false, shuffled = false;
  int seeds = 1;             // repetitions, counted up from that of the recipe
  std::string program, cpu;  // that the accounts of runs tell
};

struct TicketRow {
  uint64_t seed = 0;
  int round = 0;     // 0: the dense network
  std::string kind;  // "dense", "ticket", "redrawn", "shuffled"
  Account account;
  std::string directory;
  double density() const {
    return static_cast<double>(account.report.live_weights) /
           static_cast<double>(account.report.total_weights);
  }
};

struct TicketProgress {
  int64_t done = 0, all = 0;  // runs
  std::string name;           // of the one at work
};

// All are optional.
struct TicketWatch {
  std::function<void(const TicketRow&)> on_row;
  std::function<void(const TicketProgress&, const StepEvent&)> on_step;
  const std::atomic<bool>* stop = nullptr;  // true: save and fail with kInterrupted
};

// Trains what is missing in the directory, which holds one study. Fails where the recipe is not that of a
// dense network which learns classes or labels.
Result<std::vector<TicketRow>> run_tickets(Env& env, const TicketStudy& study, const TicketWatch& watch = {});

// A line for each round: mean and deviation over the seeds of the accuracy of each kind, on the test samples,
// or where there are none on those of the validation.
Table tickets_table(const std::vector<TicketRow>& rows);
Json ticket_json(const TicketRow& row);

}  // namespace coppice
