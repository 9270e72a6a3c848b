// SPDX-License-Identifier: Apache-2.0
#include "io/csv.h"

#include <gtest/gtest.h>
#include <locale.h>

#include "support/temp_dir.h"

namespace coppice {
namespace {

using testing::TempDir;
using Rows = std::vector<std::vector<std::string>>;

Result<Rows> rows_of(const std::string& text) {
  const TempDir dir;
  TRY_ASSIGN(CsvReader reader, CsvReader::open(Env::system(), dir.write("t.csv", text)));
  Rows rows;
  std::vector<std::string_view> fields;
  while (true) {
    TRY_ASSIGN(const bool more, reader.next(fields));
    if (!more) return rows;
    rows.emplace_back(fields.begin(), fields.end());
  }
}

TEST(Csv, ReadsRowsAsRfc4180HasThem) {
  const Rows plain = {{"a", "b"}, {"1", "2"}};
  for (const char* text : {"a,b\n1,2\n", "a,b\r\n1,2\r\n", "a,b\n1,2",
                           "\xef\xbb\xbf"
                           "a,b\n1,2\n",
                           "\n\na,b\n\r\n1,2\r\n\n", "\"a\",\"b\"\n\"1\",2\n", "a;b\n1;2\n", "a\tb\r\n1\t2"})
    EXPECT_EQ(*rows_of(text), plain) << text;
  EXPECT_EQ(*rows_of("\"a,b\",\"say \"\"no\"\"\"\n\"two\nlines\",\n"),
            (Rows{{"a,b", "say \"no\""}, {"two\nlines", ""}}));
  EXPECT_EQ(*rows_of("a,\"b;c;d;e\"\n1,2"), (Rows{{"a", "b;c;d;e"}, {"1", "2"}})) << "quotes hide separators";
  EXPECT_EQ(*rows_of(",\n,"), (Rows{{"", ""}, {"", ""}}));
  EXPECT_EQ(*rows_of("\"\",\"\""), (Rows{{"", ""}}));
  EXPECT_EQ(*rows_of(""), Rows{});
}

TEST(Csv, NamesTheLineOfAMistake) {
  const auto refusal = [](const std::string& text) { return rows_of(text).status().message(); };
  const auto expect = [](const std::string& message, const std::string& part) {
    EXPECT_NE(message.find(part), std::string::npos) << message;
  };
  expect(refusal("a,b\n\"x\ny\",2\n1,2,3\n"), "t.csv line 4: has 3 fields, the first row has 2");
  expect(refusal("a,b\n1\n"), "t.csv line 2: has 1 fields");
  expect(refusal("a,b\n1,\"2\n3,4\n"), "t.csv line 2: a field begins with a quote that is never closed");
  expect(refusal("a,b\n\"1\"x,2\n"), "t.csv line 2: text follows the closing quote");
  expect(refusal(std::string("a,b\n1,\0\n", 8)), "holds zero bytes");
  expect(refusal(std::string(70000, ',')), "more than 65536 fields");
}

TEST(Csv, NumbersNeedNoLocale) {
  const char* const old = setlocale(LC_ALL, nullptr);
  const std::string kept = old != nullptr ? old : "C";
  setlocale(LC_ALL, "de_DE.UTF-8");  // where it is installed, a comma is its point
  float value = 0;
  for (const auto& [text, number] :
       {std::pair("1.5", 1.5f), {" -2 ", -2.0f}, {"+3e2", 300.0f}, {".5", 0.5f}}) {
    EXPECT_TRUE(parse_csv_number(text, &value)) << text;
    EXPECT_EQ(value, number) << text;
  }
  for (const char* text :
       {"", " ", "x", "1x", "1,5", "nan", "inf", "-inf", "1e400", "1e39", "0x10", "+-1", "1 2", "NA"})
    EXPECT_FALSE(parse_csv_number(text, &value)) << text;
  setlocale(LC_ALL, kept.c_str());
}

}  // namespace
}  // namespace coppice
