// SPDX-License-Identifier: Apache-2.0
// Boards of the Game of Life and pictures, drawn with letters.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace coppice::cli {

// Boards side by side under their titles, each [height][width] of 0 and 1. A cell that differs from the one
// of `right` (empty: none does) is marked.
struct Drawing {
  std::string title;
  std::vector<uint8_t> cells, right;
};
std::string draw_boards(const std::vector<Drawing>& boards, int height, int width, bool colour);

// One channel of bytes in shades.
std::string draw_picture(const uint8_t* pixels, int height, int width);

}  // namespace coppice::cli
