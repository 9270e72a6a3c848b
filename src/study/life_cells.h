// SPDX-License-Identifier: Apache-2.0
// Rows of a Life study that answer the same question, counted together; for its tables and its page.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "study/life_study.h"

namespace coppice {

// Of one width, cut, density and number of flips; at least one row.
struct LifeCell {
  int width = 1, pruned_to = 0, flips = 0;
  double density = 0;
  int64_t solved = 0, all = 0;
  std::vector<int64_t> updates;                 // of those that learnt it
  std::vector<std::pair<int64_t, bool>> works;  // of each row: its work, and whether it learnt it

  double share() const { return static_cast<double>(solved) / static_cast<double>(all); }
  std::pair<double, double> interval() const;  // Wilson's, 95 %
  int64_t parameters(int steps) const;

  // Work of all rows for each that learnt it; none if none did.
  std::optional<double> work_each() const;
  // The same if every row had been given up once its work came to what is best in hindsight.
  std::optional<double> least_work_each() const;
};

// In the order of their first rows.
std::vector<LifeCell> life_cells(const std::vector<LifeRow>& rows);

std::string life_density_text(double density);

}  // namespace coppice
