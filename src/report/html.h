// SPDX-License-Identifier: Apache-2.0
// Pages that are one file: no script, nothing fetched, so they can be mailed and are read offline. They
// follow the reader's system into the dark and fit a phone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace coppice {

// Text as it may stand between tags and in attributes.
std::string escaped(const std::string& text);

// Everything below takes pieces that are HTML already, titles and names excepted: those are escaped here.
std::string html_page(const std::string& title, const std::string& body);
std::string html_section(const std::string& title, const std::string& body);
// Folded away until somebody clicks on the title.
std::string html_details(const std::string& title, const std::string& body);
// Large figures side by side, each above what it is.
std::string html_tiles(const std::vector<std::pair<std::string, std::string>>& figures_and_names);
// Keeps what is too wide for a phone from widening the page.
std::string html_scroll(const std::string& body);
// A picture from the bytes of a PNG file; small ones keep their pixels when they are scaled up.
std::string html_picture(const std::string& png, const std::string& what);

// Names how often each pair of the two came together, as shades; rows are what is true. counts:
// [rows][columns].
std::string html_confusion(const std::vector<std::string>& classes, const std::vector<int64_t>& counts);

// Bars of one unit below each other, the longest as wide as there is room.
struct Bar {
  std::string name;
  double value = 0;
  std::string text;  // "12.3 ms"
  size_t colour = 0;
};
std::string html_bars(const std::vector<Bar>& bars);

}  // namespace coppice
