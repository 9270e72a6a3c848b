// SPDX-License-Identifier: Apache-2.0
// Runs as pages and tables for people: one run, or several side by side.
#pragma once

#include <span>
#include <string>

#include "report/table.h"
#include "study/judgement.h"
#include "study/run_record.h"

namespace coppice {

inline constexpr char kPageFile[] = "report.html";  // in the directory of a run

// One self-contained HTML page. What is not known (no account yet, no judgement) is left out.
std::string run_page(const RunRecord& run, const Judgement* judgement);

// A column for each run; a row for each figure, and for each key of the recipes that is not the same in all.
Table comparison_table(std::span<const RunRecord> runs);
std::string comparison_page(std::span<const RunRecord> runs);

// Curves over the epochs: loss, and the metric of each run where there are validation samples. In a
// comparison each run has a colour, in a page of one run the training and the validation have.
std::string run_charts(std::span<const RunRecord> runs);

}  // namespace coppice
