// SPDX-License-Identifier: Apache-2.0
// What a study found: mean, deviation and interval over the seeds of each cell, as a table and as a page.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "report/table.h"
#include "study/sweep_rows.h"
#include "train/metrics/intervals.h"

namespace coppice {

inline constexpr char kSweepPageFile[] = "study.html";

// Of the values of several seeds.
struct Spread {
  int64_t count = 0;
  double mean = 0;
  std::optional<double> deviation;   // of at least two
  std::optional<Interval> interval;  // of the mean: Student's, 95 %; of at least two
};
Spread spread_of(const std::vector<double>& values);  // at least one

struct SweepLine {
  const SweepCell* cell = nullptr;
  int64_t done = 0, failed = 0;
  std::optional<Spread> value;       // of what the study judges by
  std::optional<Spread> difference;  // to the baseline, seed by seed
  // Means over the seeds; empty where nothing is done.
  std::optional<double> density, useful_flop, share_of_dense_flop, seconds;
};

struct SweepResult {
  std::string metric;            // "accuracy", or "r2" of quantities
  std::string split;             // "test"; "validation" where no run has a test
  std::vector<SweepLine> lines;  // one a cell, in their order; also of those that were not run
};

SweepResult sweep_result(const SweepPlan& plan, const SweepRows& rows);

// "89.50 %", and how much it lies above another: "+0.12".
std::string sweep_value_text(const SweepResult& result, double value);
std::string sweep_difference_text(const SweepResult& result, double difference);

// A cell that was not run says so.
Table sweep_table(const SweepPlan& plan, const SweepResult& result);
Json sweep_json(const SweepPlan& plan, const SweepResult& result, const SweepRows& rows);
// Self-contained HTML with plots against density, work and time.
std::string sweep_page(const SweepPlan& plan, const SweepResult& result, const SweepRows& rows);

}  // namespace coppice
