// SPDX-License-Identifier: Apache-2.0
#include "sheet.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "io/png.h"
#include "terminal.h"

namespace coppice::cli {
namespace {

constexpr size_t kColumns = 12, kMostRows = 50;
constexpr int kLeastSide = 48;  // smaller pictures are shown larger
constexpr int kGap = 2;

Status check_pictures(const Dataset& data) {
  if (data.features.height > 1 && data.features.width > 1) return {};
  return invalid("--sheet: the samples of '" + data.name +
                 "' are rows of numbers, no pictures; leave it out");
}

// Grey, or colour where there are three channels; [height][width][channels].
Image picture_of(const Dataset& data, const Samples& samples, size_t index) {
  const Features& f = data.features;
  const auto plane = static_cast<size_t>(f.plane()), size = static_cast<size_t>(f.size());
  Image image{{f.height, f.width, f.channels == 3 ? 3 : 1}, {}};
  const auto channels = static_cast<size_t>(image.info.channels);
  image.pixels.resize(plane * channels);
  std::vector<uint8_t> bytes(size);
  if (data.numbers) {
    // Numbers have no white: each picture spans from its least to its largest.
    const auto begin = samples.numbers.begin() + static_cast<std::ptrdiff_t>(index * size);
    const auto ends = std::minmax_element(begin, begin + static_cast<std::ptrdiff_t>(size));
    const float low = *ends.first, span = std::max(*ends.second - low, 1e-30f);
    std::transform(begin, begin + static_cast<std::ptrdiff_t>(size), bytes.begin(), [&](float value) {
      return static_cast<uint8_t>(std::lround((value - low) / span * 255));
    });
  } else {
    std::copy_n(samples.pixels.begin() + static_cast<std::ptrdiff_t>(index * size), size, bytes.begin());
  }
  for (size_t i = 0; i < plane; ++i)
    for (size_t c = 0; c < channels; ++c) image.pixels[i * channels + c] = bytes[c * plane + i];
  return image;
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
    if (row.pictures.size() < kColumns) row.pictures.push_back(picture_of(data, *data.train.samples, at));
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

std::string base64(const std::string& bytes) {
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (size_t at = 0; at < bytes.size(); at += 3) {
    uint32_t group = 0;
    for (size_t i = 0; i < 3; ++i)
      group = group << 8 | (at + i < bytes.size() ? static_cast<uint8_t>(bytes[at + i]) : 0);
    const size_t digits = std::min<size_t>(bytes.size() - at, 3) + 1;
    for (size_t i = 0; i < 4; ++i) out += i < digits ? kDigits[group >> (18 - 6 * i) & 63] : '=';
  }
  return out;
}

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '"')
      out += "&quot;";
    else
      out += c;
  }
  return out;
}

constexpr char kStyle[] =
    ":root{color-scheme:light dark}body{font:15px system-ui,sans-serif;margin:1rem auto;max-width:60rem;"
    "padding:0 1rem}h2{font-size:1rem;margin:1rem 0 .25rem}img{max-width:100%;image-rendering:pixelated}"
    "small{font-weight:normal;opacity:.7}";

}  // namespace

Result<Image> contact_sheet(const Dataset& data) {
  TRY(check_pictures(data));
  const std::vector<Row> rows = rows_of(data);
  return grid(data.features, rows, 0, rows.size());
}

Result<std::string> contact_page(const Dataset& data) {
  TRY(check_pictures(data));
  const std::vector<Row> rows = rows_of(data);
  const std::string title = escaped(data.name);
  std::string page = "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">";
  page += "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>" + title +
          "</title><style>" + kStyle + "</style></head><body>\n<h1>" + title + "</h1>\n<p>" +
          with_commas(data.train.size()) + " training, " + with_commas(data.validation.size()) +
          " validation and " + with_commas(data.test.size()) + " test samples. The first training samples of";
  page += rows.size() < data.classes.size() ? " the first " + std::to_string(rows.size()) + " of " +
                                                  with_commas(data.outputs) + " classes:</p>\n"
                                            : " each class:</p>\n";
  for (size_t row = 0; row < rows.size(); ++row) {
    const std::string name = escaped(rows[row].name);
    TRY_ASSIGN(const std::string png, encode_png(grid(data.features, rows, row, 1)));
    page += "<h2>" + name + " <small>" + with_commas(rows[row].count) + "</small></h2><img alt=\"" + name +
            "\" src=\"data:image/png;base64," + base64(png) + "\">\n";
  }
  return page + "</body></html>\n";
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
