// SPDX-License-Identifier: Apache-2.0
#include "dataset/life.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <set>
#include <string>

#include "base/rng.h"

namespace coppice {
namespace {

using Board = std::vector<uint8_t>;

// The rule as it is told: count the eight neighbours of a cell on a torus.
Board told_step(const Board& board, int height, int width) {
  Board next(board.size());
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      int neighbours = 0;
      for (int dy = -1; dy <= 1; ++dy)
        for (int dx = -1; dx <= 1; ++dx)
          if (dy != 0 || dx != 0)
            neighbours +=
                board[static_cast<size_t>((y + dy + height) % height * width + (x + dx + width) % width)];
      const bool live = board[static_cast<size_t>(y * width + x)] != 0;
      next[static_cast<size_t>(y * width + x)] = live ? neighbours == 2 || neighbours == 3 : neighbours == 3;
    }
  return next;
}

Board step(const Board& board, int height, int width) {
  Board next(board.size());
  life_step(board.data(), height, width, next.data());
  return next;
}

Board drawn(const std::string& picture) {
  Board board;
  for (const char c : picture) board.push_back(c == '#');
  return board;
}

TEST(Life, StepsAsTheRuleIsTold) {
  Rng rng(1, stream_id("test", "life"));
  for (const auto& [height, width] : {std::pair{3, 3}, {3, 8}, {5, 4}, {16, 16}, {7, 33}})
    for (int round = 0; round < 20; ++round) {
      Board board(static_cast<size_t>(height * width));
      for (uint8_t& cell : board) cell = rng.below(2) != 0;
      EXPECT_EQ(step(board, height, width), told_step(board, height, width)) << height << "x" << width;
    }
}

TEST(Life, GliderCrossesTheEdgeAndComesBack) {
  const Board glider = drawn(
      ".#...."
      "..#..."
      "###..."
      "......"
      "......"
      "......");
  Board board = glider;
  for (int i = 0; i < 4; ++i) board = step(board, 6, 6);
  EXPECT_NE(board, glider);
  for (int i = 4; i < 24; ++i) board = step(board, 6, 6);  // one cell diagonally in four steps
  EXPECT_EQ(board, glider);
}

TEST(Life, EnumeratesThe512NeighbourhoodsOnce) {
  const auto all = all_neighbourhoods();
  ASSERT_EQ(all.size(), 512u);
  std::set<std::array<uint8_t, 9>> seen;
  int live = 0;
  for (const Neighbourhood& one : all) {
    seen.insert(one.cells);
    const int neighbours = std::accumulate(one.cells.begin(), one.cells.end(), 0) - one.cells[4];
    EXPECT_EQ(one.next, neighbours == 3 || (neighbours == 2 && one.cells[4]));
    live += one.next;
  }
  EXPECT_EQ(seen.size(), 512u);
  EXPECT_EQ(live, 2 * 56 + 28);  // C(8,3) with the centre dead or live, C(8,2) with it live
}

TEST(Life, TargetIsTheBoardAfterTheAskedSteps) {
  LifeOptions options;
  options.height = 7;
  options.width = 9;
  options.steps = 3;
  const Dataset data = make_life(options, 5).take();
  ASSERT_EQ(data.outputs, 63);
  EXPECT_TRUE(data.dense_targets());
  for (int64_t index = 0; index < 20; ++index) {
    Board pixels(63), target(63);
    data.train.generate(2, index, pixels.data(), target.data());
    Board board(63);
    std::transform(pixels.begin(), pixels.end(), board.begin(), [](uint8_t p) { return p / 255; });
    for (int i = 0; i < 3; ++i) board = told_step(board, 7, 9);
    EXPECT_EQ(target, board);
  }
}

TEST(Life, BoardsArePureFunctionsOfSeedEpochAndIndex) {
  const auto board = [](uint64_t seed, int64_t epoch, int64_t index) {
    const Dataset data = make_life({}, seed).take();
    Board pixels(256), target(256);
    data.train.generate(epoch, index, pixels.data(), target.data());
    return pixels;
  };
  EXPECT_EQ(board(1, 3, 4), board(1, 3, 4));
  EXPECT_NE(board(1, 3, 4), board(2, 3, 4));
  EXPECT_NE(board(1, 3, 4), board(1, 4, 4));
  EXPECT_NE(board(1, 3, 4), board(1, 3, 5));
}

TEST(Life, DensityIsTheAskedOneOrDrawnAnewForEachBoard) {
  const auto densities = [](double asked) {
    LifeOptions options;
    options.density = asked;
    const Dataset data = make_life(options, 9).take();
    std::vector<double> found;
    Board pixels(256), target(256);
    for (int64_t index = 0; index < 400; ++index) {
      data.train.generate(0, index, pixels.data(), target.data());
      found.push_back(static_cast<double>(std::count(pixels.begin(), pixels.end(), 255)) / 256);
    }
    return found;
  };
  const auto mean = [](const std::vector<double>& v) {
    return std::accumulate(v.begin(), v.end(), 0.0) / static_cast<double>(v.size());
  };
  const auto fixed = densities(0.38);
  EXPECT_NEAR(mean(fixed), 0.38, 0.01);
  EXPECT_GT(*std::min_element(fixed.begin(), fixed.end()), 0.2);
  const auto uniform = densities(0);
  EXPECT_NEAR(mean(uniform), 0.5, 0.05);
  EXPECT_LT(*std::min_element(uniform.begin(), uniform.end()), 0.05);
  EXPECT_GT(*std::max_element(uniform.begin(), uniform.end()), 0.95);
  for (const double density : densities(1)) EXPECT_EQ(density, 1);
}

TEST(Life, RefusesImpossibleBoardsWithASentence) {
  const auto message = [](auto change) {
    LifeOptions options;
    change(options);
    return make_life(options, 0).status().message();
  };
  EXPECT_NE(message([](LifeOptions& o) { o.height = 2; }).find("2 x 16"), std::string::npos);
  EXPECT_NE(message([](LifeOptions& o) { o.width = 1 << 20; }).find("3..1024"), std::string::npos);
  EXPECT_NE(message([](LifeOptions& o) { o.steps = 0; }).find("steps"), std::string::npos);
  EXPECT_NE(message([](LifeOptions& o) { o.density = 1.5; }).find("density"), std::string::npos);
  EXPECT_NE(message([](LifeOptions& o) { o.density = std::stod("nan"); }).find("density"), std::string::npos);
  EXPECT_NE(message([](LifeOptions& o) { o.test = int64_t{1} << 40; }).find("too many"), std::string::npos);
}

}  // namespace
}  // namespace coppice
