// SPDX-License-Identifier: Apache-2.0
// Curves as SVG, for pages of html.h, whose style they use.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace coppice {

struct Series {
  std::string name;
  std::vector<std::pair<double, double>> points;  // x ascending; where y is not finite the line has a gap
  size_t colour = 0;  // of eight; from the ninth on the lines are told apart by dashes
  bool dashed = false;
  std::vector<std::pair<double, double>> intervals = {};  // of each point, low and high; empty: none
};

struct LineChart {
  std::string title, x_name;
  std::vector<Series> series;
  std::function<std::string(double)> y_text;  // a value with its unit
  bool counts = true;                         // x has whole numbers only, and so has its axis
};

// A figure with title, legend and axes; what a point is stands in a tooltip. Says so where no point is
// finite.
std::string html_chart(const LineChart& chart);

// Round numbers in [low, high], three to seven of them where low < high, or fewer where only whole ones will
// do.
std::vector<double> axis_ticks(double low, double high, bool whole);

}  // namespace coppice
