// SPDX-License-Identifier: Apache-2.0
#include "study/life_cells.h"

#include <algorithm>

#include "report/text.h"
#include "train/metrics/intervals.h"

namespace coppice {
namespace {

std::string median_text(std::vector<int64_t> updates) {
  if (updates.empty()) return "-";
  std::sort(updates.begin(), updates.end());
  const size_t middle = updates.size() / 2;
  return with_commas(updates.size() % 2 == 1 ? updates[middle] : (updates[middle - 1] + updates[middle]) / 2);
}

std::string work_text(std::optional<double> work) { return work ? quantity(*work, "") : "-"; }

std::string interval_text(int64_t solved, int64_t all) {
  const auto interval = wilson(solved, all);
  return percent(interval->low) + " to " + percent(interval->high);
}

}  // namespace

std::pair<double, double> LifeCell::interval() const {
  const auto wilsons = wilson(solved, all);
  return {wilsons->low, wilsons->high};
}

int64_t LifeCell::parameters(int steps) const {
  return life_parameters(steps, pruned_to > 0 ? pruned_to : width);
}

std::optional<double> LifeCell::work_each() const {
  if (solved == 0) return {};
  double sum = 0;
  for (const auto& [work, learnt] : works) sum += static_cast<double>(work);
  return sum / static_cast<double>(solved);
}

std::optional<double> LifeCell::least_work_each() const {
  std::vector<std::pair<int64_t, bool>> sorted = works;
  std::sort(sorted.begin(), sorted.end());
  std::optional<double> least;
  double before = 0;  // of the rows that were done by then
  int64_t learnt = 0;
  for (size_t i = 0; i < sorted.size(); ++i) {
    const auto work = static_cast<double>(sorted[i].first);
    before += work;
    if (!sorted[i].second) continue;
    const double each =
        (before + work * static_cast<double>(sorted.size() - i - 1)) / static_cast<double>(++learnt);
    least = least ? std::min(*least, each) : each;
  }
  return least;
}

std::vector<LifeCell> life_cells(const std::vector<LifeRow>& rows) {
  std::vector<LifeCell> cells;
  for (const LifeRow& row : rows) {
    auto cell = std::find_if(cells.begin(), cells.end(), [&](const LifeCell& one) {
      return one.width == row.width && one.pruned_to == row.pruned_to && one.density == row.density &&
             one.flips == row.flips;
    });
    if (cell == cells.end())
      cell = cells.insert(cells.end(), {row.width, row.pruned_to, row.flips, row.density, 0, 0, {}, {}});
    ++cell->all;
    cell->solved += row.solved;
    cell->works.emplace_back(row.work, row.solved);
    if (row.solved) cell->updates.push_back(row.updates);
  }
  return cells;
}

std::string life_density_text(double density) {
  return density > 0 ? decimal(density, 2) : "drawn for each board";
}

Table life_table(int steps, const std::vector<LifeRow>& rows) {
  const std::vector<LifeCell> cells = life_cells(rows);
  const bool cut =
      std::any_of(cells.begin(), cells.end(), [](const LifeCell& cell) { return cell.pruned_to > 0; });
  const bool turned =
      std::any_of(cells.begin(), cells.end(), [](const LifeCell& cell) { return cell.flips > 0; });
  std::vector<std::string> headline = {"width m"};
  if (cut) headline.emplace_back("cut to");
  headline.insert(headline.end(), {"parameters", "density of boards"});
  if (turned) headline.emplace_back("signs turned");
  headline.insert(headline.end(), {"networks", "learnt it", "share", "95 % interval",
                                   "median updates of these", "work for each", "given up in time"});
  Table table(headline);
  table.left({});
  for (const LifeCell& cell : cells) {
    std::vector<std::string> line = {std::to_string(cell.width)};
    if (cut) line.push_back(cell.pruned_to > 0 ? std::to_string(cell.pruned_to) : "-");
    line.insert(line.end(), {with_commas(cell.parameters(steps)), life_density_text(cell.density)});
    if (turned) line.push_back(std::to_string(cell.flips));
    line.insert(line.end(), {with_commas(cell.all), with_commas(cell.solved), percent(cell.share()),
                             interval_text(cell.solved, cell.all), median_text(cell.updates),
                             work_text(cell.work_each()), work_text(cell.least_work_each())});
    table.add(line);
  }
  return table;
}

std::optional<Table> ticket_table(const std::vector<LifeRow>& rows) {
  Table table({"width m", "cut to", "density of boards", "tickets", "learn it alone", "95 % interval",
               "drawn from the same", "95 % interval"});
  table.left({});
  bool any = false;
  for (const LifeCell& cell : life_cells(rows)) {
    if (cell.pruned_to == 0 || cell.solved == 0) continue;
    any = true;
    int64_t winning = 0, drawn = 0;
    for (const LifeRow& row : rows) {
      const bool here =
          row.width == cell.width && row.pruned_to == cell.pruned_to && row.density == cell.density;
      winning += here && row.solved && row.ticket.solved;
      drawn += here && row.solved && row.random_ticket.solved;
    }
    table.add({std::to_string(cell.width), std::to_string(cell.pruned_to), life_density_text(cell.density),
               with_commas(cell.solved), with_commas(winning), interval_text(winning, cell.solved),
               with_commas(drawn), interval_text(drawn, cell.solved)});
  }
  return any ? std::optional<Table>(std::move(table)) : std::nullopt;
}

}  // namespace coppice
