// SPDX-License-Identifier: Apache-2.0
#include "report/html.h"

#include <gtest/gtest.h>

#include "report/table.h"
#include "report/text.h"

namespace coppice {
namespace {

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST(Html, APageIsOneFileThatFetchesNothing) {
  const std::string page = html_page("a <title>", html_picture("PNG", "what it is"));
  EXPECT_TRUE(page.starts_with("<!doctype html>"));
  EXPECT_TRUE(has(page, "<title>a &lt;title&gt;</title>"));
  for (const char* foreign : {"http:", "https:", "<script", "<link", "url(", "@import"})
    EXPECT_FALSE(has(page, foreign)) << foreign;
  EXPECT_TRUE(has(page, "src=\"data:image/png;base64,UE5H\""));
  EXPECT_TRUE(has(page, "prefers-color-scheme:dark"));
}

// The examples of RFC 4648, section 10.
TEST(Html, PicturesAreBase64) {
  for (const auto& [bytes, text] :
       {std::pair("", ""), {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foobar", "Zm9vYmFy"}})
    EXPECT_TRUE(has(html_picture(bytes, ""), "base64," + std::string(text) + "\"")) << bytes;
}

TEST(Html, ATableSaysWhatItsTextSays) {
  Table table({"name", "n"});
  table.add({"a & b", "1"});
  table.add({"short"});
  EXPECT_EQ(table.text(), "name   n\na & b  1\nshort");
  EXPECT_EQ(table.html(),
            "<table><thead><tr><th>name</th><th class=\"n\">n</th></tr></thead><tbody><tr><td>a &amp; b</td>"
            "<td class=\"n\">1</td></tr><tr><td>short</td><td class=\"n\"></td></tr></tbody></table>");
}

TEST(Html, BarsAreAsLongAsTheirShareOfTheLongest) {
  const std::string bars = html_bars({{"a", 2, "two", 0}, {"b", 1, "one", 1}, {"c", 0, "none", 9}});
  EXPECT_TRUE(has(bars, "width:100.0%"));
  EXPECT_TRUE(has(bars, "width:50.0%"));
  EXPECT_TRUE(has(bars, "var(--s1);width:0.0%"));
  EXPECT_TRUE(has(html_bars({{"a", 0, "", 0}}), "width:0.0%"));
}

TEST(Html, AConfusionShadesARowByItsShares) {
  const std::string table = html_confusion({"cat", "dog"}, {9, 1, 0, 0});
  EXPECT_TRUE(has(table, "<td class=\"full\" style=\"--v:0.91\">9</td><td style=\"--v:0.15\">1</td>"));
  EXPECT_TRUE(has(table, "<th>dog</th><td></td><td></td>"));
}

TEST(Text, NumbersReadAsPeopleWriteThem) {
  EXPECT_EQ(with_commas(-1234567), "-1,234,567");
  EXPECT_EQ(with_commas(999), "999");
  EXPECT_EQ(percent(0.97349), "97.35 %");
  EXPECT_EQ(percent(0.00012), "0.012 %");
  EXPECT_EQ(bytes_text(1536), "1.5 KiB");
  EXPECT_EQ(seconds_text(3661), "1:01:01 h");
  EXPECT_EQ(seconds_text(1e300), "2.8e+296 h");
  EXPECT_EQ(quantity(1.234e9, "FLOP"), "1.23 GFLOP");
  EXPECT_EQ(loss_text(3.1e12), "3.1e+12");
  EXPECT_EQ(measure_text(4127700), "4,127,700");
  EXPECT_EQ(measure_text(-99999.96), "-100,000");
  EXPECT_EQ(measure_text(123456789012345), "123,456,789,012,345");
  EXPECT_EQ(measure_text(1e15), "1e+15");
  EXPECT_EQ(measure_text(12.3456), "12.346");
  EXPECT_EQ(measure_text(-1306.84), "-1,306.8");
  EXPECT_EQ(measure_text(9999.96), "10,000");
  EXPECT_EQ(measure_text(1.2e-7), "1.2e-07");
  EXPECT_EQ(measure_text(0), "0");
}

}  // namespace
}  // namespace coppice
