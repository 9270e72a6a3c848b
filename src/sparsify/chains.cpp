// SPDX-License-Identifier: Apache-2.0
#include "sparsify/chains.h"

#include <algorithm>

#include "graph/op.h"
#include "passes/nodes.h"

namespace coppice {
namespace {

// Neither a product nor an op with parameters, which may mix the numbers of a sample, as layer_norm does.
bool keeps_neurons_apart(const Graph& graph, const Node& node) {
  return node.inputs.size() == 1 && node.outputs.size() == 1 &&
         graph.value(node.inputs[0]).shape == graph.value(node.outputs[0]).shape;
}

// Calls f(block, block row, block column) for each block that is kept.
template <class F>
void for_each_kept(const Links& links, F f) {
  size_t block = 0;
  for (int64_t row = 0; row < links.pattern.block_rows(); ++row)
    for (const int32_t column : links.pattern.row(row)) {
      if (links.kept[block]) f(block, row, int64_t{column});
      ++block;
    }
}

// Takes out what lies at places (of `size` neurons each) of which no neuron is alive.
template <class Place>
bool take_out(Links& links, const std::vector<bool>& alive, int64_t size, Place place) {
  bool changed = false;
  if (links.fixed) return changed;
  for_each_kept(links, [&](size_t block, int64_t row, int64_t column) {
    const auto first = alive.begin() + place(row, column) * size;
    if (std::find(first, first + size, true) != first + size) return;
    links.kept[block] = false;
    changed = true;
  });
  return changed;
}

bool remove_between(Links& before, Links& after) {
  const int64_t rows = before.pattern.block().rows, cols = after.pattern.block().cols;
  std::vector<bool> fed(static_cast<size_t>(before.pattern.rows())), heard(fed.size());
  for_each_kept(before,
                [&](size_t, int64_t row, int64_t) { std::fill_n(fed.begin() + row * rows, rows, true); });
  for_each_kept(after, [&](size_t, int64_t, int64_t column) {
    std::fill_n(heard.begin() + column * cols, cols, true);
  });
  const bool backward = take_out(before, heard, rows, [](int64_t row, int64_t) { return row; });
  const bool forward = take_out(after, fed, cols, [](int64_t, int64_t column) { return column; });
  return backward || forward;
}

}  // namespace

std::vector<Chain> find_chains(const Graph& graph) {
  std::vector<Chain> chains;
  for (const Node& node : graph.nodes()) {
    if (!is(node, "linear")) continue;
    for (ValueId x = node.inputs[0]; readers(graph, x) == 1;) {
      const NodeId producer = graph.producer(x);
      if (producer < 0) break;
      const Node& from = graph.node(producer);
      if (is(from, "linear"))
        chains.push_back({graph.value(from.inputs[1]).name, graph.value(node.inputs[1]).name});
      if (!keeps_neurons_apart(graph, from)) break;
      x = from.inputs[0];
    }
  }
  return chains;
}

void remove_chains(std::span<Links> weights, std::span<const std::pair<size_t, size_t>> pairs) {
  for (bool changed = true; changed;) {
    changed = false;
    for (const auto& [before, after] : pairs)
      if (remove_between(weights[before], weights[after])) changed = true;
  }
}

}  // namespace coppice
