// SPDX-License-Identifier: Apache-2.0
// Does a network know the Game of Life? One step depends on 3x3 cells, so 512 questions settle it, where
// random boards would overlook a rule that rarely matters.
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "dataset/life.h"
#include "train/checkpoint.h"

namespace coppice {

// The neighbourhoods that the network answers wrongly. Only for networks of one step (model life:1,m).
Result<std::vector<Neighbourhood>> wrong_neighbourhoods(Checkpoint& model);

// What the network makes of a board of its own size, [height][width] of 0 and 1; and what is right.
struct LifeAnswer {
  std::vector<uint8_t> board, right, said;
};
Result<LifeAnswer> ask_life(Checkpoint& model, const std::vector<uint8_t>& board);

// A random board of the size that the network takes.
std::vector<uint8_t> random_board(const Checkpoint& model, double density, uint64_t seed);

}  // namespace coppice
