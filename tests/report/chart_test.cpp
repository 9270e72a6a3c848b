// SPDX-License-Identifier: Apache-2.0
#include "report/chart.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <set>

#include "report/text.h"

namespace coppice {
namespace {

size_t count_of(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

LineChart chart_of(std::vector<std::pair<double, double>> points) {
  return {"a title", "epoch", {{"a series", std::move(points), 0, false}}, loss_text};
}

TEST(Chart, TicksAreRoundAndWithinTheAxis) {
  for (const double low : {-3.0, 0.0, 0.1234, 7.0, 1e6})
    for (const double width : {1e-6, 0.003, 0.9, 1.0, 17.0, 12345.0}) {
      const std::vector<double> ticks = axis_ticks(low, low + width, false);
      SCOPED_TRACE(std::to_string(low) + " " + std::to_string(width));
      EXPECT_GE(ticks.size(), 2U);
      EXPECT_LE(ticks.size(), 7U);
      EXPECT_GE(ticks.front(), low - 1e-6 * width);
      EXPECT_LE(ticks.back(), low + width + 1e-6 * width);
      const double step = ticks[1] - ticks[0];
      const double digit = step / std::pow(10, std::floor(std::log10(step) + 1e-9));
      EXPECT_NEAR(digit, std::round(digit), 1e-3) << step;
    }
  EXPECT_EQ(axis_ticks(1, 3, true), (std::vector<double>{1, 2, 3}));
  EXPECT_EQ(axis_ticks(0, 1, true), (std::vector<double>{0, 1}));
}

TEST(Chart, APointThatIsNotFiniteLeavesAGap) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const std::string svg = html_chart(chart_of({{1, 0.5}, {2, 0.4}, {3, nan}, {4, 0.3}, {5, 0.2}}));
  EXPECT_EQ(count_of(svg, "<circle"), 4U);
  const size_t path = svg.find(" d=\"M");
  const std::string line = svg.substr(path, svg.find('"', path + 4) - path);
  EXPECT_EQ(count_of(line, "M"), 2U);
  EXPECT_EQ(count_of(line, "L"), 2U);
  EXPECT_EQ(count_of(svg, "nan"), 0U);
}

TEST(Chart, SaysSoWhereThereIsNothing) {
  EXPECT_NE(html_chart(chart_of({})).find("Nothing to show yet"), std::string::npos);
  EXPECT_NE(html_chart(chart_of({{1, std::nan("")}})).find("Nothing to show yet"), std::string::npos);
}

TEST(Chart, OnePointAndAConstantHaveAnAxis) {
  for (const std::string& svg : {html_chart(chart_of({{1, 0.5}})), html_chart(chart_of({{1, 0}, {2, 0}}))}) {
    EXPECT_EQ(count_of(svg, "nan"), 0U);
    EXPECT_EQ(count_of(svg, "inf"), 0U);
    EXPECT_GE(count_of(svg, "class=\"grid\""), 2U);
  }
}

TEST(Chart, StaysSmallForManyPointsAndKeepsTheEnds) {
  std::vector<std::pair<double, double>> points;
  for (int i = 1; i <= 100000; ++i) points.emplace_back(i, 1.0 / i);
  const std::string svg = html_chart(chart_of(points));
  EXPECT_LT(svg.size(), 200000U);
  EXPECT_NE(svg.find("epoch 1:"), std::string::npos);
  EXPECT_NE(svg.find("epoch 100,000:"), std::string::npos);
}

TEST(Chart, NamesAreEscaped) {
  LineChart chart = chart_of({{1, 1}});
  chart.series[0].name = "<b>&\"";
  chart.series.push_back(chart.series[0]);
  const std::string svg = html_chart(chart);
  EXPECT_EQ(svg.find("<b>"), std::string::npos);
  EXPECT_NE(svg.find("&lt;b&gt;&amp;&quot;"), std::string::npos);
}

TEST(Chart, APointByItselfIsSeen) {
  const double nan = std::nan("");
  const std::string svg = html_chart(chart_of({{1, 0.5}, {2, nan}, {3, 0.4}, {4, 0.3}, {5, nan}, {6, 0.2}}));
  EXPECT_EQ(count_of(svg, "class=\"spot\""), 2U);
  EXPECT_EQ(count_of(svg, "class=\"dot\""), 2U);
}

TEST(Chart, LinesOfOneColourHaveTheirOwnDashes) {
  std::set<std::string> strokes;
  for (const bool dashed : {false, true})
    for (size_t colour = 0; colour < 32; ++colour) {
      LineChart chart = chart_of({{1, 0.5}, {2, 0.4}});
      chart.series[0].colour = colour;
      chart.series[0].dashed = dashed;
      const std::string svg = html_chart(chart);
      const size_t at = svg.find("stroke=\"var(--s");
      strokes.insert(svg.substr(at, svg.find(" d=", at) - at));
    }
  EXPECT_EQ(strokes.size(), 64U);
}

TEST(Chart, LongNumbersHaveRoomBesideTheAxis) {
  LineChart chart = chart_of({{1, 1e9}, {2, 2e9}});
  const auto end_of_numbers = [&] {
    const std::string svg = html_chart(chart), mark = "text-anchor=\"end\" x=\"";
    return std::stod(svg.substr(svg.find(mark) + mark.size()));
  };
  const double usual = end_of_numbers();
  chart.y_text = [](double) { return std::string(19, '8'); };
  EXPECT_GT(end_of_numbers(), 19 * 8.0);
  EXPECT_LT(usual, 80);
}

TEST(Chart, ValuesThatOnlyRoundingTellsApartAreOne) {
  double value = std::log(10.0);
  std::vector<std::pair<double, double>> points;
  for (int i = 0; i < 5; ++i, value = std::nextafter(value, 10.0)) points.emplace_back(i, value);
  EXPECT_LT(html_chart(chart_of(points)).size(), 10000U);
  EXPECT_LE(axis_ticks(points[0].second, points[1].second, false).size(), 16U);
}

TEST(Chart, LogarithmicAxesHaveRoundNumbers) {
  EXPECT_EQ(logarithmic_ticks(0.05, 1), (std::vector<double>{0.05, 0.1, 0.2, 0.5, 1}));
  EXPECT_EQ(logarithmic_ticks(1e3, 1e7), (std::vector<double>{1e3, 1e4, 1e5, 1e6, 1e7}));
  EXPECT_EQ(logarithmic_ticks(0.41, 0.44), axis_ticks(0.41, 0.44, false));
  EXPECT_LE(logarithmic_ticks(1e-300, 1e300).size(), 7U);
}

// From 1 to 100 the middle is 10.
TEST(Chart, ALogarithmicAxisPlacesPointsByTheirPower) {
  LineChart chart{
      "t", "x", {{"a", {{1, 0}, {10, 1}, {100, 2}}, 0}}, [](double y) { return std::to_string(y); }};
  chart.logarithmic = true;
  chart.series[0].spots = true;
  chart.x_text = [](double x) { return std::to_string(static_cast<int>(x)) + " FLOP"; };
  const std::string drawn = html_chart(chart);
  EXPECT_NE(drawn.find("d=\"M82.0 240.0L314.0 125.0L546.0 10.0\""), std::string::npos) << drawn;
  EXPECT_NE(drawn.find("<text text-anchor=\"middle\" x=\"314.0\" y=\"258\">10 FLOP</text>"),
            std::string::npos)
      << drawn;
  EXPECT_NE(drawn.find("<text text-anchor=\"end\" x=\"546.0\" y=\"258\">100 FLOP</text>"), std::string::npos)
      << drawn;
  EXPECT_EQ(drawn.find("class=\"dot\""), std::string::npos) << "each point is seen";
}

}  // namespace
}  // namespace coppice
