// SPDX-License-Identifier: Apache-2.0
// Neurons between two linear layers that have links on one side only: what comes in reaches no output, or
// what goes out depends on no input. Their links are taken out, and what that cuts off, in both directions.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "sparse/pattern.h"

namespace coppice {

// Two weights: the outputs of one are the inputs of the other, one by one, and of nobody else.
struct Chain {
  std::string before, after;
};
// Linear layers with at most functions of one number between them.
std::vector<Chain> find_chains(const Graph& graph);

// The blocks of a weight.
struct Links {
  const Pattern& pattern;
  std::vector<bool> kept;  // [blocks]
  bool fixed = false;      // none may be taken out
};
// Takes out the links of one-sided neurons; `pairs` name weights that follow each other.
void remove_chains(std::span<Links> weights, std::span<const std::pair<size_t, size_t>> pairs);

}  // namespace coppice
