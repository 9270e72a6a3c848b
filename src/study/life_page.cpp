// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <set>

#include "base/rng.h"
#include "dataset/life.h"
#include "report/chart.h"
#include "report/html.h"
#include "report/text.h"
#include "study/life_cells.h"
#include "study/life_prune.h"

namespace coppice {
namespace {

// A line for each value of `line` over the values of `x`, of the cells that `keep`.
template <class Keep, class Line, class X>
LineChart chart_of(const std::vector<LifeCell>& cells, const std::string& title, const std::string& x_name,
                   Keep keep, Line line, X x) {
  LineChart chart{title, x_name, {}, [](double share) { return percent(share); }};
  std::map<std::string, size_t> series;
  std::vector<LifeCell> kept;
  std::copy_if(cells.begin(), cells.end(), std::back_inserter(kept), keep);
  std::stable_sort(kept.begin(), kept.end(),
                   [&](const LifeCell& a, const LifeCell& b) { return x(a) < x(b); });
  for (const LifeCell& cell : kept) {
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

// ---- the ticket

constexpr int kKernelPixels = 44;

// A 3x3 kernel: the colour is the sign of a weight, its strength the size.
std::string kernel_picture(const float* kernel, float largest, bool framed, const std::string& title) {
  std::string out = "<svg class=\"kernel" + std::string(framed ? " kept" : "") +
                    "\" viewBox=\"-0.2 -0.2 3.4 3.4\" style=\"width:" + std::to_string(kKernelPixels) +
                    "px\" role=\"img\" aria-label=\"" + escaped(title) + "\"><title>" + escaped(title) +
                    "</title>";
  for (int cell = 0; cell < 9; ++cell)
    out += "<rect x=\"" + std::to_string(cell % 3) + "\" y=\"" + std::to_string(cell / 3) +
           "\" width=\"1\" height=\"1\" fill=\"var(--s" + (kernel[cell] < 0 ? "1" : "0") +
           ")\" fill-opacity=\"" + decimal(std::abs(kernel[cell]) / largest, 2) + "\"/>";
  return out + "</svg>";
}

float largest_of(const std::vector<float>& values) {
  float largest = 1e-30f;
  for (const float value : values) largest = std::max(largest, std::abs(value));
  return largest;
}

std::vector<float> values_of(const LifeFound& found, size_t param) {
  const Param& of = found.network.params[param];
  return of.canonical(of.value);
}

// All numbers that are left, in the order of the layers.
std::string numbers_table(const LifeFound& found) {
  const auto number = [](float value) { return decimal(static_cast<double>(value), 3); };
  const std::vector<float> kernels = values_of(found, 0), biases = values_of(found, 1);
  std::vector<std::string> headline = {"filter of 3x3"};
  for (const char* cell : {"NW", "N", "NE", "W", "cell", "E", "SW", "S", "SE"}) headline.emplace_back(cell);
  headline.emplace_back("bias");
  Table counts(headline);
  for (size_t f = 0; f < found.filters.size(); ++f) {
    std::vector<std::string> line = {std::to_string(found.filters[f] + 1)};
    for (size_t cell = 0; cell < 9; ++cell) line.push_back(number(kernels[f * 9 + cell]));
    line.push_back(number(biases[f]));
    counts.add(line);
  }
  headline = {"filter of 1x1"};
  for (const int filter : found.filters) headline.push_back("of filter " + std::to_string(filter + 1));
  headline.insert(headline.end(), {"bias", "weight in the output"});
  Table decides(headline);
  for (size_t d = 0; d < found.decides.size(); ++d) {
    std::vector<std::string> line = {std::to_string(found.decides[d] + 1)};
    for (size_t f = 0; f < found.filters.size(); ++f)
      line.push_back(number(values_of(found, 2)[d * found.filters.size() + f]));
    line.push_back(number(values_of(found, 3)[d]));
    line.push_back(number(values_of(found, 4)[d]));
    decides.add(line);
  }
  return html_scroll(counts.html()) + html_scroll(decides.html()) +
         "<p>Behind each filter relu; the bias of the output is " + number(values_of(found, 5)[0]) +
         ". A cell lives where the output is above 0.</p>";
}

Result<std::string> ticket_section(const LifeSearch& search, const LifeFound& found) {
  TRY_ASSIGN(const std::vector<float> first, first_kernels(search, found));
  std::string strip = "<div class=\"kernels\">";
  for (size_t f = 0; f * 9 < first.size(); ++f) {
    const bool kept =
        std::find(found.filters.begin(), found.filters.end(), static_cast<int>(f)) != found.filters.end();
    strip += kernel_picture(&first[f * 9], largest_of(first), kept,
                            "filter " + std::to_string(f + 1) + (kept ? ", left" : ", cut"));
  }
  const std::vector<float> last = values_of(found, 0);
  std::string after = "<div class=\"kernels\">";
  for (size_t f = 0; f < found.filters.size(); ++f)
    after += kernel_picture(&last[f * 9], largest_of(last), true,
                            "filter " + std::to_string(found.filters[f] + 1) + " in the end");
  const std::string style =
      "<style>.kernels{display:flex;flex-wrap:wrap;gap:.4rem;margin:.4rem "
      "0}svg.kernel{background:var(--panel);"
      "border:2px solid transparent}svg.kernel.kept{border-color:var(--s0)}</style>";
  return html_section("The ticket in a network of width " + std::to_string(search.width),
                      style + "<p>The first values of its " + std::to_string(2 * search.width) +
                          " filters of 3x3; framed are those that were left when it had been cut to width " +
                          std::to_string(search.prune_to) + ". The colour is the sign.</p>" + strip +
                          "</div><p>The same after the last update, all 512 rules right. It took " +
                          with_commas(found.updates) + " updates" +
                          (found.starts == 1 ? ""
                                             : ", those of " + std::to_string(found.starts - 1) +
                                                   " wide ones that were given up before included") +
                          ".</p>" + after + "</div>" + numbers_table(found));
}

// ---- boards

std::string what_it_is(const LifeRow& row) {
  return "A network of width " + std::to_string(row.width) +
         (row.pruned_to > 0 ? " cut to width " + std::to_string(row.pruned_to) : "") + ", " +
         with_commas(life_parameters(1, row.pruned_to > 0 ? row.pruned_to : row.width)) + " parameters: " +
         (row.solved ? "all 512 rules right" : std::to_string(row.wrong) + " of 512 rules wrong");
}

// The true Life beside that of a network that learnt it, of the one that came nearest without, and of one
// that was cut. A network of a row is found again: it is as quick as to keep it.
Result<std::string> life_section(const LifeStudy& study, const std::vector<LifeRow>& rows) {
  std::vector<uint8_t> board(kSide * kSide);
  Rng rng(study.search.seed, stream_id("life page", "board"));
  for (uint8_t& cell : board) cell = rng.uniform_double() < 0.35;
  const LifeRow *right = nullptr, *nearly = nullptr, *cut = nullptr;
  for (const LifeRow& row : rows) {
    if (row.solved && row.pruned_to == 0 && right == nullptr) right = &row;
    // Of the widest there is most to see.
    if (row.solved && row.pruned_to > 0 && (cut == nullptr || row.width > cut->width)) cut = &row;
    if (!row.solved && row.pruned_to == 0 && (nearly == nullptr || row.wrong < nearly->wrong)) nearly = &row;
  }
  std::string pictures = moving_picture(frames_of(board, true_rules()), "The Game of Life"), ticket;
  for (const LifeRow* row : {right, nearly, cut}) {
    if (row == nullptr) continue;
    const LifeSearch search = search_of(study, *row);
    TRY_ASSIGN(LifeFound found, search_life(search));
    TRY_ASSIGN(const Rules rules, life_answers(found));
    pictures += moving_picture(frames_of(board, rules), what_it_is(*row));
    if (row == cut) {
      TRY_ASSIGN(ticket, ticket_section(search, found));
    }
  }
  return html_section("What they make of a board",
                      picture_style() + "<div class=\"charts\">" + pictures + "</div>") +
         ticket;
}

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

std::string introduction(const LifeSearch& search) {
  const std::string boards = search.boards == 0
                                 ? " on all boards at once"
                                 : " of " + std::to_string(search.boards) + " boards of " +
                                       std::to_string(search.side) + " x " + std::to_string(search.side);
  return "<p class=\"mute\">After Springer and Kenyon (2020), arXiv 2009.01398: " +
         std::to_string(search.steps) + (search.steps == 1 ? " step" : " steps") +
         ", in each 2m filters of 3x3 and m of 1x1, then one output. " + proof_text(search.steps) +
         " Up to " + with_commas(search.updates) + " updates" + boards + ", Adam, learning rate " +
         decimal(search.learning_rate, 4) +
         ". Work: multiplications by weights of all networks of a line, for each that learnt it; given up in "
         "time: had all been given up at the moment that is best in hindsight.</p>";
}

std::string charts_of(const std::vector<LifeCell>& cells) {
  const auto any = [&](const auto& is) { return std::any_of(cells.begin(), cells.end(), is); };
  const auto plain = [](const LifeCell& cell) { return cell.flips == 0 && cell.pruned_to == 0; };
  std::string charts = html_chart(chart_of(
      cells, "Learnt exactly, against the width m", "m", [](const LifeCell& cell) { return cell.flips == 0; },
      [](const LifeCell& cell) {
        return (cell.pruned_to > 0 ? "cut to " + std::to_string(cell.pruned_to) + ", boards: " : "boards: ") +
               life_density_text(cell.density);
      },
      [](const LifeCell& cell) { return static_cast<double>(cell.width); }));
  std::set<double> densities;
  for (const LifeCell& cell : cells)
    if (plain(cell) && cell.density > 0) densities.insert(cell.density);
  if (densities.size() > 1) {
    LineChart chart = chart_of(
        cells, "Learnt exactly, against the density of the boards", "density",
        [&](const LifeCell& cell) { return plain(cell) && cell.density > 0; },
        [](const LifeCell& cell) { return "m = " + std::to_string(cell.width); },
        [](const LifeCell& cell) { return cell.density; });
    chart.counts = false;
    charts += html_chart(chart);
  }
  if (any([](const LifeCell& cell) { return cell.flips > 0; }))
    charts += html_chart(chart_of(
        cells, "Learnt it again, after signs of its first values were turned", "signs",
        [](const LifeCell& cell) { return cell.flips > 0; },
        [](const LifeCell& cell) {
          return "m = " + std::to_string(cell.width) + ", boards: " + life_density_text(cell.density);
        },
        [](const LifeCell& cell) { return static_cast<double>(cell.flips); }));
  return charts;
}

}  // namespace

Result<std::string> life_page(const LifeStudy& study, const std::vector<LifeRow>& rows) {
  const LifeSearch& search = study.search;
  std::string moving;
  if (search.steps == 1) {
    TRY_ASSIGN(moving, life_section(study, rows));
  }
  std::string tables = html_scroll(life_table(search.steps, rows).html());
  if (const auto tickets = ticket_table(rows))
    tables += "<h3>Filters that were left, alone from their first values; and as many that were drawn</h3>" +
              html_scroll(tickets->html());
  return html_page(
      "Learning the Game of Life",
      introduction(search) + moving +
          html_section("How often it is learnt",
                       "<div class=\"charts\">" + charts_of(life_cells(rows)) + "</div>" + tables));
}

}  // namespace coppice
