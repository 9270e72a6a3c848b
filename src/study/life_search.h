// SPDX-License-Identifier: Apache-2.0
// Does a small network learn the Game of Life? The question of Springer and Kenyon (2020), asked of one
// network at a time; life_study.h asks many.
//
// One step depends on 3x3 cells, so the loss of a batch of boards is a sum over the 512 neighbourhoods, each
// weighted by how often it occurs there. That is exact and 16 times cheaper than 8 boards of 32 x 32 cells.
// Networks of more steps see the boards themselves.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "base/result.h"
#include "exec/network.h"

namespace coppice {

struct LifeSearch {
  int steps = 1;  // n: what the board is so many steps later
  int width = 1;  // m: in each step 2m filters of 3x3 and m of 1x1; then the output
  int64_t updates = 10000;
  int64_t check_every = 250;  // updates, until all 512 are right
  // Of a batch, drawn anew for each update; a torus. 0 boards (one step only): all there are, so that each
  // neighbourhood counts as often as it is expected.
  int boards = 8, side = 32;
  double density = 0;           // of live cells; 0: drawn anew for each board, uniform in (0, 1)
  double learning_rate = 1e-3;  // of Adam
  int flips = 0;                // signs of first weights that are turned, drawn
  // Above 0 (one step only): the network, wider than that, is cut to this width; see life_prune.h.
  int prune_to = 0;
  int64_t cut_updates = 500;  // at most, after each cut
  uint64_t seed = 1;
};

struct LifeTaught {
  bool solved = false;    // nothing was wrong at a check
  bool diverged = false;  // it ended as no numbers
  int64_t updates = 0;    // done
  // Cells that it was asked about at the last check, and got wrong. One step: the 512 neighbourhoods. Two:
  // all 2^25 of 5x5 cells, once 64 boards are right. More: 64 boards with densities from 0 to 1, and no
  // proof.
  int64_t asked = 0, wrong = 0;
  // Multiplications by weights in updates and checks, other than of all 2^25; of cut networks also in the
  // choice of what goes.
  int64_t work = 0;
};

struct LifeFound : LifeTaught {
  Network network;  // of one step: 9 cells in, one logit out; else on boards
  // Of cut networks: how many wide ones were begun, the seed of the last one's first values, and which of its
  // filters of 3x3 and of 1x1 are left.
  int starts = 1;
  uint64_t start_seed = 0;
  std::vector<int> filters, decides;
};

// Whether a search makes sense, in a sentence; search_life() asks it too.
Status check_life(const LifeSearch& search);

// Starts from PyTorch's default values, uniform within 1 / sqrt(fan in). The same search finds the same
// network.
Result<LifeFound> search_life(const LifeSearch& search);

// What a network of one step says about each neighbourhood, by its index as in count_neighbourhoods().
Result<std::array<bool, 512>> life_answers(LifeFound& found);

// Of the 2^25 neighbourhoods of 5x5 cells, those whose centre a network of two steps on boards (model
// life:2,m) gets wrong. Summed in double, so that no order of sums decides.
Result<int64_t> wrong_after_two_steps(const Network& network);

// Parameters of a network, biases included: 25 for n = 1, m = 1, and 23 n + 2 for m = 1.
int64_t life_parameters(int steps, int width);

// How often each neighbourhood occurs on a torus of `side` x `side` cells of 0 and 1, added to counts. Bit 3
// r + c of an index is the cell in row r and column c.
void count_neighbourhoods(const uint8_t* board, int side, std::array<int32_t, 512>& counts);

// The same function as a network on boards (model life:1,m), for `coppice eval` and pictures. Fails where
// `found` was not made by search_life().
Result<Network> board_network(const Network& found, int width, int side);

}  // namespace coppice
