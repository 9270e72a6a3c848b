// SPDX-License-Identifier: Apache-2.0
#include "report/chart.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>

#include "report/html.h"
#include "report/text.h"

namespace coppice {
namespace {

constexpr double kWidth = 560, kHeight = 280, kLeast = 82, kRight = 14, kTop = 10, kBottom = 40;
// Left of the axis: what a digit takes on a phone, where letters are larger, and what is left free.
constexpr double kDigit = 8.3, kGap = 12;
// More points than pixels only make a page large.
constexpr size_t kMostPoints = 600;
constexpr int kMostTicks = 16;
constexpr size_t kColours = 8;

struct Range {
  double low = std::numeric_limits<double>::infinity(), high = -low;
  void take(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
  // One value only still needs an axis, and so do values that only rounding tells apart.
  void widen() {
    if (high - low > 1e-9 * std::max(std::abs(low), std::abs(high))) return;
    const double by = low != 0 ? std::abs(low) * 0.1 : 1;
    low -= by;
    high += by;
  }
};

struct Scale {
  Range x, y;
  double left = kLeast;
  bool logarithmic = false;  // x
  double share_of_x(double value) const {
    return logarithmic ? std::log(value / x.low) / std::log(x.high / x.low)
                       : (value - x.low) / (x.high - x.low);
  }
  // Where a text in its middle would stand out of the picture.
  bool near_the_end(double value) const { return share_of_x(value) > 0.97; }
  std::string at_x(double value) const {
    return decimal(left + share_of_x(value) * (kWidth - left - kRight), 1);
  }
  std::string at_y(double value) const {
    return decimal(kHeight - kBottom - (value - y.low) / (y.high - y.low) * (kHeight - kTop - kBottom), 1);
  }
};

std::string x_text(const LineChart& chart, double value) {
  if (chart.x_text) return chart.x_text(value);
  return value == std::round(value) ? with_commas(std::llround(value)) : decimal(value, 2);
}

// Each round of the colours has dashes of its own.
std::string stroke(const Series& series) {
  constexpr const char *kWhole[] = {"", "2 3", "14 4", "14 3 2 3"},
                       *kDashed[] = {"6 4", "6 3 2 3", "3 7", "9 3 2 3 2 3"};
  const size_t round = series.colour / kColours % std::size(kWhole);
  const char* dashes = series.dashed ? kDashed[round] : kWhole[round];
  return "stroke=\"var(--s" + std::to_string(series.colour % kColours) + ")\"" +
         (*dashes == '\0' ? "" : " stroke-dasharray=\"" + std::string(dashes) + "\"");
}

std::vector<std::pair<double, double>> thinned(const std::vector<std::pair<double, double>>& points) {
  if (points.size() <= kMostPoints) return points;
  std::vector<std::pair<double, double>> out;
  for (size_t i = 0; i < kMostPoints; ++i) out.push_back(points[i * (points.size() - 1) / (kMostPoints - 1)]);
  return out;
}

std::string dot(const std::string& kind, const Series& series, const Scale& scale, const LineChart& chart,
                const std::pair<double, double>& point) {
  const auto& [x, y] = point;
  return "<circle class=\"" + kind + "\" r=\"" + (kind == "dot" ? "5" : "3") + "\" cx=\"" + scale.at_x(x) +
         "\" cy=\"" + scale.at_y(y) + "\" fill=\"var(--s" + std::to_string(series.colour % kColours) +
         ")\"><title>" +
         escaped(series.name + ", " + chart.x_name + " " + x_text(chart, x) + ": " + chart.y_text(y)) +
         "</title></circle>";
}

// A line through the points, with a gap where one is not finite; a point without neighbours is a spot.
std::string line_of(const Series& series, const Scale& scale, const LineChart& chart) {
  const std::vector<std::pair<double, double>> points = thinned(series.points);
  const auto finite = [&](size_t i) { return i < points.size() && std::isfinite(points[i].second); };
  std::string path, dots;
  for (size_t i = 0; i < points.size(); ++i) {
    if (!finite(i)) continue;
    const bool goes_on = i > 0 && finite(i - 1);
    path += (goes_on ? "L" : "M") + scale.at_x(points[i].first) + " " + scale.at_y(points[i].second);
    dots +=
        dot(!series.spots && (goes_on || finite(i + 1)) ? "dot" : "spot", series, scale, chart, points[i]);
  }
  return "<path class=\"line\" " + stroke(series) + " d=\"" + path + "\"/>" + dots;
}

std::string whiskers_of(const Series& series, const Scale& scale) {
  std::string out;
  for (size_t i = 0; i < series.intervals.size(); ++i) {
    const std::string x = scale.at_x(series.points[i].first);
    out += "<line " + stroke(series) + " x1=\"" + x + "\" x2=\"" + x + "\" y1=\"" +
           scale.at_y(series.intervals[i].first) + "\" y2=\"" + scale.at_y(series.intervals[i].second) +
           "\"/>";
  }
  return out;
}

std::string axes(const LineChart& chart, const Scale& scale) {
  std::string out;
  for (const double y : axis_ticks(scale.y.low, scale.y.high, false)) {
    out += "<line class=\"grid\" x1=\"" + decimal(scale.left, 0) + "\" x2=\"" + decimal(kWidth - kRight, 0) +
           "\" y1=\"" + scale.at_y(y) + "\" y2=\"" + scale.at_y(y) + "\"/><text text-anchor=\"end\" x=\"" +
           decimal(scale.left - 8, 0) + "\" y=\"" + scale.at_y(y) + "\" dy=\"4\">" +
           escaped(chart.y_text(y)) + "</text>";
  }
  for (const double x : chart.logarithmic ? logarithmic_ticks(scale.x.low, scale.x.high)
                                          : axis_ticks(scale.x.low, scale.x.high, chart.counts))
    out += "<text text-anchor=\"" + std::string(scale.near_the_end(x) ? "end" : "middle") + "\" x=\"" +
           scale.at_x(x) + "\" y=\"" + decimal(kHeight - kBottom + 18, 0) + "\">" +
           escaped(x_text(chart, x)) + "</text>";
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
  // Counted from the first, as a sum of steps would drift.
  const double first = std::ceil(low / step - 1e-9);
  for (int i = 0; i < kMostTicks && (first + i) * step <= high + step * 1e-9; ++i)
    ticks.push_back(first + i == 0 ? 0.0 : (first + i) * step);
  return ticks;
}

std::vector<double> logarithmic_ticks(double low, double high) {
  constexpr size_t kFew = 3, kMany = 7;
  std::vector<double> ticks, tens;
  for (int power = static_cast<int>(std::floor(std::log10(low))); std::pow(10, power) <= high; ++power)
    for (const double factor : {1.0, 2.0, 5.0}) {
      const double tick = factor * std::pow(10, power);
      if (tick < low * (1 - 1e-9) || tick > high * (1 + 1e-9)) continue;
      ticks.push_back(tick);
      if (factor == 1) tens.push_back(tick);
    }
  if (ticks.size() < kFew) return axis_ticks(low, high, false);
  if (ticks.size() <= kMany || tens.size() < kFew) return ticks;
  std::vector<double> some;
  const size_t step = (tens.size() + kMany - 1) / kMany;
  for (size_t i = 0; i < tens.size(); i += step) some.push_back(tens[i]);
  return some;
}

std::string html_chart(const LineChart& chart) {
  std::string out = "<figure><figcaption><h3>" + escaped(chart.title) + "</h3>";
  if (chart.series.size() > 1)
    for (const Series& series : chart.series)
      out += "<span class=\"key\"><svg viewBox=\"0 0 32 10\"><path class=\"line\" " + stroke(series) +
             " d=\"M0 5H32\"/></svg>" + escaped(series.name) + "</span>";
  out += "</figcaption>";
  Scale scale;
  scale.logarithmic = chart.logarithmic;
  for (const Series& series : chart.series)
    for (const auto& [x, y] : series.points)
      if (std::isfinite(y)) {
        scale.x.take(x);
        scale.y.take(y);
      }
  for (const Series& series : chart.series)
    for (const auto& [low, high] : series.intervals) {
      scale.y.take(low);
      scale.y.take(high);
    }
  if (scale.y.low > scale.y.high) return out + "<p class=\"mute\">Nothing to show yet.</p></figure>\n";
  scale.x.widen();
  scale.y.widen();
  for (const double y : axis_ticks(scale.y.low, scale.y.high, false))
    scale.left = std::max(scale.left, kDigit * static_cast<double>(chart.y_text(y).size()) + kGap);
  out += "<svg viewBox=\"0 0 " + decimal(kWidth, 0) + " " + decimal(kHeight, 0) +
         "\" role=\"img\" aria-label=\"" + escaped(chart.title) + "\">" + axes(chart, scale);
  for (const Series& series : chart.series) out += whiskers_of(series, scale) + line_of(series, scale, chart);
  return out + "</svg></figure>\n";
}

}  // namespace coppice
