// SPDX-License-Identifier: Apache-2.0
// A network: its forward graph (with loss) and its parameters. What a checkpoint holds and an executor runs.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/rng.h"
#include "graph/graph.h"
#include "kernels/choose.h"
#include "sparse/param.h"

namespace coppice {

// How the density of the whole network is spread over its weights.
enum class Distribution { kUniform, kEr, kErk };

struct SparsityConfig {
  double density = 1.0;  // live / all weights of linear and convolution layers, those kept dense included
  Distribution distribution = Distribution::kErk;
  BlockShape block;
  std::map<std::string, double> layers;  // by weight or layer name: density of that one; 1 keeps it dense
};

// So many numbers as a parameter is drawn that has `live` weights: initialisers go by the live inputs.
std::vector<float> initial_values(const Value& parameter, int64_t live, size_t count, Rng& rng);

// Whether the density of this weight was asked for by its name, or that of its layer.
bool names_layer(const SparsityConfig& sparsity, const std::string& weight);

// Why a layer got the density and block that it has; shown by `explain`.
struct LayerChoice {
  std::string weight;
  double density = 1.0;
  BlockShape block;
  std::string reason;
  std::string format = {};  // that it was in when it was saved: the choice goes on from there
};

class Network {
 public:
  Graph graph;
  std::vector<Param> params;         // trained, in the order of their values in the graph
  std::vector<Param> states;         // running statistics
  std::vector<LayerChoice> choices;  // one per weight
  // What the formats of its weights are chosen by. It belongs to the network, as a format decides the order
  // of sums: the same table, the same bits.
  CostTable cost_table = shipped_cost_table();

  // How many numbers create() would allocate for values, without the indices of their patterns; trained are
  // those of the parameters that are not frozen.
  struct Size {
    int64_t params = 0, trained = 0, states = 0;
  };
  static Result<Size> size(const Graph& graph, const SparsityConfig& sparsity);

  // Draws patterns and initial values for every parameter of the graph, keyed by (seed, name).
  static Result<Network> create(Graph graph, const SparsityConfig& sparsity, uint64_t seed);

  Param& param(ValueId value);
  bool frozen(const Param& param) const;
  Param* find(const std::string& name);  // parameter or state; null if there is none
  const Param* find(const std::string& name) const;
  int64_t live_weights() const;  // of linear and convolution layers
  int64_t total_weights() const;
};

// Freezes the parameters whose names match one of the patterns: commas between them, * stands for any
// characters. Fails where one matches nothing or nothing is left to train.
Status freeze(Graph& graph, const std::string& patterns);

// Densities of the weights of a graph so that the whole has the density asked for. ER: a layer's density is
// proportional to (O + K) / (O * K); ERK (Evci et al. 2020): to (O + I + kh + kw) / (O * I * kh * kw). Layers
// that would exceed 1 are dense and the rest is spread again. Fails if the demand is impossible, or names a
// layer that does not exist.
Result<std::vector<LayerChoice>> distribute(const Graph& graph, const SparsityConfig& sparsity);

}  // namespace coppice
