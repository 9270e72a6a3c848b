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
  std::vector<std::pair<double, double>> points;  // joined in their order; a gap where y is not finite
  size_t colour = 0;  // of eight; from the ninth on the lines are told apart by dashes
  bool dashed = false;
  std::vector<std::pair<double, double>> intervals = {};  // of each point, low and high; empty: none
  bool spots = false;  // each point is seen, not only where somebody points
};

struct LineChart {
  std::string title, x_name;
  std::vector<Series> series;
  std::function<std::string(double)> y_text;  // a value with its unit
  bool counts = true;                         // x has whole numbers only, and so has its axis
  // Where x is no plain number: a value with its unit.
  std::function<std::string(double)> x_text = nullptr;
  bool logarithmic = false;  // x, which is above 0 then
};

// A figure with title, legend and axes; what a point is stands in a tooltip. Says so where no point is
// finite.
std::string html_chart(const LineChart& chart);

// Round numbers in [low, high], three to seven of them where low < high, or fewer where only whole ones will
// do.
std::vector<double> axis_ticks(double low, double high, bool whole);
// 1, 2 and 5 times powers of ten in [low, high], above 0; where those are many, some powers of ten only, and
// where there is hardly one, as axis_ticks().
std::vector<double> logarithmic_ticks(double low, double high);

}  // namespace coppice
