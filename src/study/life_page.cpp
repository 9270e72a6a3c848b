// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <map>

#include "base/rng.h"
#include "dataset/life.h"
#include "report/chart.h"
#include "report/html.h"
#include "report/text.h"
#include "study/life_study.h"
#include "train/metrics/intervals.h"

namespace coppice {
namespace {

// Rows of one width, density and number of flips.
struct Cell {
  int width = 1, flips = 0;
  double density = 0;
  int64_t solved = 0, all = 0;
  std::vector<int64_t> updates;  // of those that learnt it
  double share() const { return static_cast<double>(solved) / static_cast<double>(all); }
  std::pair<double, double> interval() const {
    const auto wilsons = wilson(solved, all);
    return {wilsons->low, wilsons->high};
  }
};

// In the order of their first rows.
std::vector<Cell> cells_of(const std::vector<LifeRow>& rows) {
  std::vector<Cell> cells;
  for (const LifeRow& row : rows) {
    auto cell = std::find_if(cells.begin(), cells.end(), [&](const Cell& one) {
      return one.width == row.width && one.density == row.density && one.flips == row.flips;
    });
    if (cell == cells.end()) cell = cells.insert(cells.end(), {row.width, row.flips, row.density, 0, 0, {}});
    ++cell->all;
    cell->solved += row.solved;
    if (row.solved) cell->updates.push_back(row.updates);
  }
  return cells;
}

std::string density_text(double density) {
  return density > 0 ? decimal(density, 2) : "drawn for each board";
}

std::string median_text(std::vector<int64_t> updates) {
  if (updates.empty()) return "-";
  std::sort(updates.begin(), updates.end());
  const size_t middle = updates.size() / 2;
  return with_commas(updates.size() % 2 == 1 ? updates[middle] : (updates[middle - 1] + updates[middle]) / 2);
}

// A line for each value of `line` over the values of `x`, of the cells that `keep`.
template <class Keep, class Line, class X>
LineChart chart_of(const std::vector<Cell>& cells, const std::string& title, const std::string& x_name,
                   Keep keep, Line line, X x) {
  LineChart chart{title, x_name, {}, [](double share) { return percent(share); }};
  std::map<std::string, size_t> series;
  std::vector<Cell> kept;
  std::copy_if(cells.begin(), cells.end(), std::back_inserter(kept), keep);
  std::stable_sort(kept.begin(), kept.end(), [&](const Cell& a, const Cell& b) { return x(a) < x(b); });
  for (const Cell& cell : kept) {
    const std::string name = line(cell);
    const auto [at, fresh] = series.emplace(name, chart.series.size());
    if (fresh) chart.series.push_back({name, {}, chart.series.size(), false});
    Series& one = chart.series[at->second];
    one.points.emplace_back(x(cell), cell.share());
    one.intervals.push_back(cell.interval());
  }
  return chart;
}

// ---- a moving picture

constexpr int kSide = 24, kFrames = 40, kPixels = 8;
constexpr double kFrameSeconds = 0.25;

using Rules = std::array<bool, 512>;

std::vector<uint8_t> step_of(const std::vector<uint8_t>& board, const Rules& rules) {
  std::vector<uint8_t> next(board.size());
  const auto at = [&](int y, int x) {
    return static_cast<unsigned>(
        board[static_cast<size_t>((y + kSide) % kSide * kSide + (x + kSide) % kSide)]);
  };
  for (int y = 0; y < kSide; ++y)
    for (int x = 0; x < kSide; ++x) {
      unsigned index = 0;
      for (int cell = 0; cell < 9; ++cell) index |= at(y + cell / 3 - 1, x + cell % 3 - 1) << cell;
      next[static_cast<size_t>(y * kSide + x)] = rules[index];
    }
  return next;
}

std::string cells_path(const std::vector<uint8_t>& board) {
  std::string path;
  for (int y = 0; y < kSide; ++y)
    for (int x = 0; x < kSide; ++x)
      if (board[static_cast<size_t>(y * kSide + x)])
        path += "M" + std::to_string(x) + " " + std::to_string(y) + "h1v1h-1z";
  return path;
}

// Boards one after the other; without motion where the reader wants none.
std::string moving_picture(const std::vector<std::vector<uint8_t>>& boards, const std::string& title) {
  std::string out = "<figure><figcaption><h3>" + escaped(title) +
                    "</h3></figcaption><svg class=\"life\" viewBox=\"0 0 " + std::to_string(kSide) + " " +
                    std::to_string(kSide) + "\" width=\"" + std::to_string(kSide * kPixels) +
                    "\" role=\"img\" aria-label=\"" + escaped(title) + "\">";
  for (size_t f = 0; f < boards.size(); ++f)
    out += "<path style=\"animation-delay:" + decimal(kFrameSeconds * static_cast<double>(f), 2) +
           "s\" d=\"" + cells_path(boards[f]) + "\"/>";
  return out + "</svg></figure>";
}

std::string picture_style() {
  const std::string share = decimal(100.0 / kFrames, 3);
  return "<style>svg.life{max-width:20rem;background:var(--panel)}svg.life "
         "path{fill:var(--s0);visibility:hidden;"
         "animation:life " +
         decimal(kFrameSeconds * kFrames, 2) + "s steps(1) infinite}@keyframes life{0%{visibility:visible}" +
         share +
         "%,100%{visibility:hidden}}@media(prefers-reduced-motion:reduce){svg.life path{animation:none}"
         "svg.life path:first-child{visibility:visible}}</style>";
}

std::vector<std::vector<uint8_t>> frames_of(const std::vector<uint8_t>& first, const Rules& rules) {
  std::vector<std::vector<uint8_t>> frames{first};
  while (frames.size() < kFrames) frames.push_back(step_of(frames.back(), rules));
  return frames;
}

Rules true_rules() {
  Rules rules;
  const std::vector<Neighbourhood> all = all_neighbourhoods();
  for (size_t n = 0; n < rules.size(); ++n) rules[n] = all[n].next != 0;
  return rules;
}

// The network of a row is found again: it is as quick as to keep it.
Result<Rules> learned_rules(const LifeStudy& study, const LifeRow& row) {
  TRY_ASSIGN(LifeFound found, search_life(search_of(study, row)));
  return life_answers(found);
}

// The true Life beside that of a network that learnt it, and of the one that came nearest without.
Result<std::string> life_section(const LifeStudy& study, const std::vector<LifeRow>& rows) {
  std::vector<uint8_t> board(kSide * kSide);
  Rng rng(study.search.seed, stream_id("life page", "board"));
  for (uint8_t& cell : board) cell = rng.uniform_double() < 0.35;
  std::string body =
      "<div class=\"charts\">" + moving_picture(frames_of(board, true_rules()), "The Game of Life");
  const auto add = [&](const LifeRow& row, const std::string& title) -> Status {
    TRY_ASSIGN(const Rules rules, learned_rules(study, row));
    body += moving_picture(frames_of(board, rules), title);
    return {};
  };
  const auto text = [](const LifeRow& row) {
    return "A network of width " + std::to_string(row.width) + ", " +
           with_commas(life_parameters(1, row.width)) + " parameters: " +
           (row.solved ? "all 512 rules right" : std::to_string(row.wrong) + " of 512 rules wrong");
  };
  const auto right = std::find_if(rows.begin(), rows.end(), [](const LifeRow& row) { return row.solved; });
  if (right != rows.end()) TRY(add(*right, text(*right)));
  const LifeRow* nearly = nullptr;
  for (const LifeRow& row : rows)
    if (!row.solved && (nearly == nullptr || row.wrong < nearly->wrong)) nearly = &row;
  if (nearly != nullptr) TRY(add(*nearly, text(*nearly)));
  return html_section("What they make of a board", picture_style() + body + "</div>");
}

}  // namespace

namespace {

const char* proof_text(int steps) {
  switch (steps) {
    case 1:
      return "A network has learnt it when all 512 neighbourhoods are right.";
    case 2:
      return "A network has learnt it when all 2^25 neighbourhoods of 5 x 5 cells are right.";
    default:
      return "A network has learnt it when 64 boards of all densities are right: no proof.";
  }
}

}  // namespace

Table life_table(int steps, const std::vector<LifeRow>& rows) {
  Table table({"width m", "parameters", "density of boards", "signs turned", "networks", "learnt it", "share",
               "95 % interval", "median updates of these"});
  table.left({});
  for (const Cell& cell : cells_of(rows)) {
    const auto [low, high] = cell.interval();
    table.add({std::to_string(cell.width), with_commas(life_parameters(steps, cell.width)),
               density_text(cell.density), std::to_string(cell.flips), with_commas(cell.all),
               with_commas(cell.solved), percent(cell.share()), percent(low) + " to " + percent(high),
               median_text(cell.updates)});
  }
  return table;
}

Result<std::string> life_page(const LifeStudy& study, const std::vector<LifeRow>& rows) {
  const std::vector<Cell> cells = cells_of(rows);
  const auto plain = [](const Cell& cell) { return cell.flips == 0; };
  const auto density = [](const Cell& cell) { return "boards: " + density_text(cell.density); };
  std::string charts = html_chart(chart_of(cells, "Learnt exactly, against the width m", "m", plain, density,
                                           [](const Cell& cell) { return static_cast<double>(cell.width); }));
  if (study.densities.size() > 1) {
    LineChart chart = chart_of(
        cells, "Learnt exactly, against the density of the boards", "density",
        [&](const Cell& cell) { return plain(cell) && cell.density > 0; },
        [](const Cell& cell) { return "m = " + std::to_string(cell.width); },
        [](const Cell& cell) { return cell.density; });
    chart.counts = false;
    charts += html_chart(chart);
  }
  if (!study.flips.empty())
    charts += html_chart(chart_of(
        cells, "Learnt it again, after signs of its first values were turned", "signs",
        [](const Cell& cell) { return cell.flips > 0; },
        [](const Cell& cell) {
          return "m = " + std::to_string(cell.width) + ", boards: " + density_text(cell.density);
        },
        [](const Cell& cell) { return static_cast<double>(cell.flips); }));
  const LifeSearch& search = study.search;
  std::string moving;
  if (search.steps == 1) {
    TRY_ASSIGN(moving, life_section(study, rows));
  }
  return html_page("Learning the Game of Life",
                   "<p class=\"mute\">After Springer and Kenyon (2020), arXiv 2009.01398: " +
                       std::to_string(search.steps) + (search.steps == 1 ? " step" : " steps") +
                       ", in each 2m filters of 3x3 and m of 1x1, then one output. " +
                       proof_text(search.steps) + " Up to " + with_commas(search.updates) + " updates of " +
                       std::to_string(search.boards) + " boards of " + std::to_string(search.side) + " x " +
                       std::to_string(search.side) + ", Adam, learning rate " +
                       decimal(search.learning_rate, 4) + ".</p>" + moving +
                       html_section("How often it is learnt",
                                    "<div class=\"charts\">" + charts + "</div>" +
                                        html_scroll(life_table(study.search.steps, rows).html())));
}

}  // namespace coppice
