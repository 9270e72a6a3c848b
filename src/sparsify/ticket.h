// SPDX-License-Identifier: Apache-2.0
// Lottery tickets (Frankle and Carbin 2019): what a trained network says about which of its weights were
// needed, and networks that begin with those alone.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "exec/network.h"
#include "sparsify/method.h"

namespace coppice {

// Takes the smallest weights of a trained network at once, so that target.density of all stay. Fails where
// there is nothing to take.
Status take_smallest(Network& network, const SparsityConfig& target, Ranking ranking);

// The weights of `network` keep what lives in `like` as well, with value and state. Both are of one graph and
// in the same blocks, and all that lives in `like` lives in `network`.
Status keep_patterns(Network& network, const Network& like);

// The same number of blocks as `like` has in each weight, at places that are drawn.
Status keep_as_many(Network& network, const Network& like, uint64_t seed);

// Every weight is as if it had just begun: the moments of the optimizer are zero.
void forget_moments(Network& network);

}  // namespace coppice
