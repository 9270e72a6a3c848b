// SPDX-License-Identifier: Apache-2.0
#include "sheet.h"

#include <algorithm>
#include <utility>

#include "dataset/picture.h"
#include "io/png.h"
#include "report/html.h"
#include "report/text.h"

namespace coppice::cli {
namespace {

constexpr size_t kColumns = 12, kMostRows = 50;
constexpr int kLeastSide = 48;  // smaller pictures are shown larger
constexpr int kGap = 2;

Status check_pictures(const Dataset& data) {
  if (has_pictures(data)) return {};
  return invalid("--sheet: the samples of '" + data.name +
                 "' are rows of numbers, no pictures; leave it out");
}

// Boards have no classes: they stand in rows one after the other.
Image board_of(const Dataset& data, int64_t index) {
  const Features& f = data.features;
  Image image{{f.height, f.width, 1}, std::vector<uint8_t>(static_cast<size_t>(f.size()))};
  std::vector<uint8_t> targets(static_cast<size_t>(data.outputs));
  data.train.generate(0, index, image.pixels.data(), targets.data());
  return image;
}

struct Row {
  std::string name;
  int64_t count = 0;  // samples to learn from
  std::vector<Image> pictures;
};

std::vector<Row> rows_of(const Dataset& data) {
  std::vector<Row> rows;
  if (data.train.generate) {
    Row& row = rows.emplace_back(Row{"boards", data.train.size(), {}});
    for (int64_t i = 0; i < std::min<int64_t>(kColumns, data.train.size()); ++i)
      row.pictures.push_back(board_of(data, i));
    return rows;
  }
  for (const std::string& name : data.classes) rows.push_back({name, 0, {}});
  for (const int32_t index : data.train.indices) {
    const auto at = static_cast<size_t>(index);
    Row& row = rows[static_cast<size_t>(data.train.samples->labels[at])];
    ++row.count;
    if (row.pictures.size() < kColumns) row.pictures.push_back(sample_picture(data, *data.train.samples, at));
  }
  if (rows.size() > kMostRows) rows.resize(kMostRows);
  return rows;
}

int zoom_of(const Features& f) { return std::max(1, kLeastSide / std::max(f.height, f.width)); }

void paste(const Image& picture, int zoom, int top, int left, Image& sheet) {
  const int channels = sheet.info.channels;
  for (int y = 0; y < picture.info.height * zoom; ++y)
    for (int x = 0; x < picture.info.width * zoom; ++x)
      for (int c = 0; c < channels; ++c)
        sheet.pixels[static_cast<size_t>(((top + y) * sheet.info.width + left + x) * channels + c)] =
            picture.pixels[static_cast<size_t>((y / zoom * picture.info.width + x / zoom) * channels + c)];
}

// Pictures side by side on white, rows one below the other.
Image grid(const Features& f, const std::vector<Row>& rows, size_t first, size_t count) {
  const int zoom = zoom_of(f), height = f.height * zoom + kGap, width = f.width * zoom + kGap;
  Image sheet{{static_cast<int>(count) * height + kGap, static_cast<int>(kColumns) * width + kGap,
               f.channels == 3 ? 3 : 1},
              {}};
  sheet.pixels.assign(static_cast<size_t>(sheet.info.height) * static_cast<size_t>(sheet.info.width) *
                          static_cast<size_t>(sheet.info.channels),
                      255);
  for (size_t row = 0; row < count; ++row)
    for (size_t i = 0; i < rows[first + row].pictures.size(); ++i)
      paste(rows[first + row].pictures[i], zoom, kGap + static_cast<int>(row) * height,
            kGap + static_cast<int>(i) * width, sheet);
  return sheet;
}

}  // namespace

Result<Image> contact_sheet(const Dataset& data) {
  TRY(check_pictures(data));
  const std::vector<Row> rows = rows_of(data);
  return grid(data.features, rows, 0, rows.size());
}

Result<std::string> contact_page(const Dataset& data) {
  TRY(check_pictures(data));
  const std::vector<Row> rows = rows_of(data);
  std::string body = "<p>" + with_commas(data.train.size()) + " training, " +
                     with_commas(data.validation.size()) + " validation and " +
                     with_commas(data.test.size()) + " test samples. The first training samples of";
  body += rows.size() < data.classes.size() ? " the first " + std::to_string(rows.size()) + " of " +
                                                  with_commas(data.outputs) + " classes:</p>\n"
                                            : " each class:</p>\n";
  for (size_t row = 0; row < rows.size(); ++row) {
    TRY_ASSIGN(const std::string png, encode_png(grid(data.features, rows, row, 1)));
    body += html_section(rows[row].name + " (" + with_commas(rows[row].count) + ")",
                         html_scroll(html_picture(png, rows[row].name)));
  }
  return html_page(data.name, body);
}

Status write_sheet(Env& env, const std::string& path, const Dataset& data) {
  const auto is = [&](const std::string& suffix) {
    return path.size() > suffix.size() &&
           path.compare(path.size() - suffix.size(), suffix.size(), suffix) == 0;
  };
  if (is(".html")) {
    TRY_ASSIGN(const std::string page, contact_page(data));
    return write_atomic(env, path, page);
  }
  if (!is(".png")) return invalid("--sheet: '" + path + "' should end with .html or .png");
  TRY_ASSIGN(const Image sheet, contact_sheet(data));
  TRY_ASSIGN(const std::string png, encode_png(sheet));
  return write_atomic(env, path, png);
}

}  // namespace coppice::cli
