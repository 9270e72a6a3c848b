// SPDX-License-Identifier: Apache-2.0
#include "report/chart.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "report/html.h"
#include "report/text.h"

namespace coppice {
namespace {

constexpr double kWidth = 560, kHeight = 280, kLeft = 78, kRight = 14, kTop = 10, kBottom = 40;
// More points than pixels only make a page large.
constexpr size_t kMostPoints = 600;

struct Range {
  double low = std::numeric_limits<double>::infinity(), high = -low;
  void take(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
  // One value only still needs an axis.
  void widen() {
    if (low < high) return;
    const double by = low != 0 ? std::abs(low) * 0.1 : 1;
    low -= by;
    high += by;
  }
};

struct Scale {
  Range x, y;
  std::string at_x(double value) const {
    return decimal(kLeft + (value - x.low) / (x.high - x.low) * (kWidth - kLeft - kRight), 1);
  }
  std::string at_y(double value) const {
    return decimal(kHeight - kBottom - (value - y.low) / (y.high - y.low) * (kHeight - kTop - kBottom), 1);
  }
};

std::string stroke(const Series& series) {
  return "stroke=\"var(--s" + std::to_string(series.colour % 8) + ")\"" +
         (series.dashed ? " stroke-dasharray=\"6 4\"" : "");
}

std::vector<std::pair<double, double>> thinned(const std::vector<std::pair<double, double>>& points) {
  if (points.size() <= kMostPoints) return points;
  std::vector<std::pair<double, double>> out;
  for (size_t i = 0; i < kMostPoints; ++i) out.push_back(points[i * (points.size() - 1) / (kMostPoints - 1)]);
  return out;
}

std::string line_of(const Series& series, const Scale& scale, const LineChart& chart) {
  std::string path, dots;
  bool down = false;  // the pen
  for (const auto& [x, y] : thinned(series.points)) {
    if (!std::isfinite(y)) {
      down = false;
      continue;
    }
    path += (down ? "L" : "M") + scale.at_x(x) + " " + scale.at_y(y);
    down = true;
    dots += "<circle class=\"dot\" r=\"5\" cx=\"" + scale.at_x(x) + "\" cy=\"" + scale.at_y(y) +
            "\" fill=\"var(--s" + std::to_string(series.colour % 8) + ")\"><title>" +
            escaped(series.name + ", " + chart.x_name + " " + with_commas(std::llround(x)) + ": " +
                    chart.y_text(y)) +
            "</title></circle>";
  }
  return "<path class=\"line\" " + stroke(series) + " d=\"" + path + "\"/>" + dots;
}

std::string axes(const LineChart& chart, const Scale& scale) {
  std::string out;
  for (const double y : axis_ticks(scale.y.low, scale.y.high, false)) {
    out += "<line class=\"grid\" x1=\"" + decimal(kLeft, 0) + "\" x2=\"" + decimal(kWidth - kRight, 0) +
           "\" y1=\"" + scale.at_y(y) + "\" y2=\"" + scale.at_y(y) + "\"/><text text-anchor=\"end\" x=\"" +
           decimal(kLeft - 8, 0) + "\" y=\"" + scale.at_y(y) + "\" dy=\"4\">" + escaped(chart.y_text(y)) +
           "</text>";
  }
  for (const double x : axis_ticks(scale.x.low, scale.x.high, true))
    out += "<text text-anchor=\"middle\" x=\"" + scale.at_x(x) + "\" y=\"" +
           decimal(kHeight - kBottom + 18, 0) + "\">" + with_commas(std::llround(x)) + "</text>";
  return out + "<text text-anchor=\"end\" x=\"" + decimal(kWidth - kRight, 0) + "\" y=\"" +
         decimal(kHeight - 4, 0) + "\">" + escaped(chart.x_name) + "</text>";
}

}  // namespace

std::vector<double> axis_ticks(double low, double high, bool whole) {
  if (!(low < high) || !std::isfinite(high - low)) return {low};
  const double rough = (high - low) / 5, power = std::pow(10, std::floor(std::log10(rough)));
  double step = power;
  for (const double factor : {2.0, 5.0, 10.0})
    if (step < rough * 0.75) step = factor * power;
  if (whole) step = std::max(step, 1.0);
  std::vector<double> ticks;
  // Counted, as a sum of steps would drift.
  for (double i = std::ceil(low / step - 1e-9); i * step <= high + step * 1e-9; ++i)
    ticks.push_back(i * step);
  return ticks;
}

std::string html_chart(const LineChart& chart) {
  std::string out = "<figure><figcaption><h3>" + escaped(chart.title) + "</h3>";
  if (chart.series.size() > 1)
    for (const Series& series : chart.series)
      out += "<span class=\"key\"><svg viewBox=\"0 0 32 10\"><path class=\"line\" " + stroke(series) +
             " d=\"M0 5H32\"/></svg>" + escaped(series.name) + "</span>";
  out += "</figcaption>";
  Scale scale;
  for (const Series& series : chart.series)
    for (const auto& [x, y] : series.points)
      if (std::isfinite(y)) {
        scale.x.take(x);
        scale.y.take(y);
      }
  if (scale.y.low > scale.y.high) return out + "<p class=\"mute\">Nothing to show yet.</p></figure>\n";
  scale.x.widen();
  scale.y.widen();
  out += "<svg viewBox=\"0 0 " + decimal(kWidth, 0) + " " + decimal(kHeight, 0) +
         "\" role=\"img\" aria-label=\"" + escaped(chart.title) + "\">" + axes(chart, scale);
  for (const Series& series : chart.series) out += line_of(series, scale, chart);
  return out + "</svg></figure>\n";
}

}  // namespace coppice
