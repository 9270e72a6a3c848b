// SPDX-License-Identifier: Apache-2.0
// From a wide network that learnt Life to a narrow one that knows it: whole filters are cut, one at a time,
// and the others are taught again, with the values and the state of Adam that they have. What goes is what
// the exact loss misses least. Where the rest does not learn it again, the next best is tried; after a few
// such dead ends a new wide network is begun.
//
// The filters that are left are the ticket of Frankle and Carbin (2019): the question is whether they learn
// it alone, from the first values that they had in the wide network.
#pragma once

#include "base/result.h"
#include "study/life_search.h"

namespace coppice {

// Whether the network of a search can be cut as it asks; fine where it asks for no cut.
Status check_cut(const LifeSearch& search);

// search.updates are those of all networks together that it takes. Made by search_life().
Result<LifeFound> prune_life(const LifeSearch& search);

// Which filters of the wide network's first values a small network begins with.
enum class LifeTicket {
  kWinning,  // those that were left
  kRandom,   // as many, drawn: what the choice is worth
};

// Teaches a small network alone, as search_life() would one without a cut.
Result<LifeTaught> search_ticket(const LifeSearch& search, const LifeFound& cut, LifeTicket ticket);

// The kernels of the wide network that `cut` was cut from, before the first update: [2 width][9].
Result<std::vector<float>> first_kernels(const LifeSearch& search, const LifeFound& cut);

}  // namespace coppice
