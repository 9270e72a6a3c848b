// SPDX-License-Identifier: Apache-2.0
// Conway's Game of Life on a torus as a task: given a board, say what it is `steps` steps later.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "dataset/dataset.h"

namespace coppice {

// One step of a board of 0 and 1, rows outermost; opposite edges touch. next must not overlap board.
void life_step(const uint8_t* board, int height, int width, uint8_t* next);  // board, next [height][width]

// The rule in full: a network that maps each of the 512 neighbourhoods to its `next` knows the game.
struct Neighbourhood {
  std::array<uint8_t, 9> cells;  // 3x3, rows outermost; on a 3x3 torus it is the whole board
  uint8_t next;                  // the centre after one step
};
std::vector<Neighbourhood> all_neighbourhoods();

// Boards as pixels 0 and 255, so that the usual normalisation (mean 0, deviation 1) makes them 0.0 and 1.0.
Result<Dataset> make_life(const LifeOptions& options, uint64_t seed);

}  // namespace coppice
