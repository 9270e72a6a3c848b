// SPDX-License-Identifier: Apache-2.0
// How one network is taught Life and judged; what searches that start from first values share with those that
// cut wide networks (life_search.h). Only they include this.
#pragma once

#include <array>
#include <cstdint>

#include "base/result.h"
#include "dataset/life.h"
#include "exec/network.h"
#include "study/life_search.h"

namespace coppice {

constexpr int kLifeRules = 512;

// A network of one step on neighbourhoods: so many filters of 3x3 and, behind them, decides of 1x1. Its six
// parameters come in the order of the layers, weight before bias.
Result<Network> neighbourhood_network(int filters, int decides, uint64_t seed);

// PyTorch's first values.
void draw_life_values(Network& network, uint64_t seed);

// Teaches a network for at most `updates`, or until a check finds nothing wrong. `age`: the updates that it
// has had before; boards and Adam's bias correction go on from there.
Result<LifeTaught> teach_life(const LifeSearch& search, Network& network, int64_t age, int64_t updates);

// What a network of one step says.
Result<std::array<bool, kLifeRules>> answers_of_network(Network& network);

// How often each neighbourhood is expected on boards of a density (0: drawn uniformly in (0, 1)). Sums to 1.
std::array<double, kLifeRules> expected_neighbourhoods(double density);

}  // namespace coppice
