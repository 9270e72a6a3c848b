// SPDX-License-Identifier: Apache-2.0
#include "board.h"

#include <algorithm>

namespace coppice::cli {
namespace {

constexpr char kAlive[] = "\u2588\u2588", kDead[] = "\u00b7 ", kWronglyAlive[] = "++", kWronglyDead[] = "--";
constexpr char kRed[] = "\033[31m", kPlain[] = "\033[0m";

std::string cell_text(const Drawing& board, size_t at, bool colour) {
  const bool alive = board.cells[at] != 0;
  if (board.right.empty() || (board.right[at] != 0) == alive) return alive ? kAlive : kDead;
  const std::string mark = alive ? kWronglyAlive : kWronglyDead;
  return colour ? kRed + mark + kPlain : mark;
}

}  // namespace

std::string draw_boards(const std::vector<Drawing>& boards, int height, int width, bool colour) {
  const std::string gap = "   ";
  const auto columns = static_cast<size_t>(2 * width);
  std::string out;
  for (const Drawing& board : boards)
    out += board.title + std::string(columns - std::min(columns, board.title.size()), ' ') + gap;
  out += "\n";
  for (int row = 0; row < height; ++row) {
    for (const Drawing& board : boards) {
      for (int column = 0; column < width; ++column)
        out += cell_text(board, static_cast<size_t>(row * width + column), colour);
      out += gap;
    }
    out += "\n";
  }
  return out;
}

std::string draw_picture(const uint8_t* pixels, int height, int width) {
  const char* shades[] = {"  ", "\u2591\u2591", "\u2592\u2592", "\u2593\u2593", "\u2588\u2588"};
  std::string out;
  for (int row = 0; row < height; ++row) {
    for (int column = 0; column < width; ++column) out += shades[pixels[row * width + column] * 5 / 256];
    out += "\n";
  }
  return out;
}

}  // namespace coppice::cli
