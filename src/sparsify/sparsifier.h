// SPDX-License-Identifier: Apache-2.0
// Changes which weights live while a network is trained: schedule x distribution x structure x method. It
// decides and applies the edits to the parameters; whoever holds executors rebinds them afterwards.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "exec/dense_gradient.h"
#include "exec/network.h"
#include "sparsify/chains.h"
#include "sparsify/method.h"

namespace coppice {

struct SparsifyConfig {
  std::string method = "static";
  TopologySchedule schedule;
};

// Updates of a run, and of each of its epochs.
struct RunLength {
  int64_t updates = 0, epoch = 0;
};

// Hands the dense gradients of one batch to the sink (Executor::dense_gradients).
using GradientSource = std::function<Status(const DenseGradientSink& sink)>;

// Told before each round of an edit; its error gives up.
using EditWatch = std::function<Status(int64_t done, int64_t all)>;

// What an edit came to.
struct EditReport {
  int64_t dropped = 0, grown = 0;  // weights
};

class Sparsifier {
 public:
  // Does nothing: the method static.
  Sparsifier() = default;
  // `target`: the density in the end and how it is spread. Fails, naming the key, where the schedule and the
  // method do not go together.
  static Result<Sparsifier> create(const SparsifyConfig& config, const SparsityConfig& target,
                                   const Graph& graph, uint64_t seed);
  // The sparsity that the network has at the start.
  static SparsityConfig initial(const SparsifyConfig& config, const SparsityConfig& target);

  // Whether the topology changes before the update `step`, counted from 0.
  bool due(int64_t step, const RunLength& run) const;
  // Whether that takes gradients of a batch. Its update is then left out, as RigL has it.
  bool takes_batch(int64_t step, const RunLength& run) const;
  // Whether the density before the update `step` is the one asked for.
  bool is_final(int64_t step, const RunLength& run) const;
  bool wants_gradients() const;                      // ever
  bool wants_gradient_of(const Param& param) const;  // ever
  bool may_change(const Param& param) const { return shares_.contains(param.name()); }

  // Edits the network before the update `step`. `gradients` is only asked where takes_batch(). Live counts
  // are exact, ties are broken by place, and the result depends on seed, step and network alone. Each layer
  // keeps a block at least. Memory: O(live weights), and the rows of a layer at work. `on_round`, which may
  // be empty, is asked before each of the rounds; its error leaves the network as it was.
  Result<EditReport> edit(Network& network, int64_t step, const RunLength& run,
                          const GradientSource& gradients, const EditWatch& on_round = {}) const;

 private:
  struct Layer;
  struct Share {
    double initial = 1, target = 1;
    bool alone = false;  // its density was asked for by name: it does not compete with other layers
  };
  bool falls() const { return method_ != nullptr && initial_density_ > target_density_; }
  double progress(int64_t step, const RunLength& run) const;
  bool prunes(int64_t step, const RunLength& run) const;
  bool moves(int64_t step, const RunLength& run) const;
  double drop_fraction(int64_t step, const RunLength& run) const;
  std::vector<Layer> layers_of(Network& network, int64_t step, const RunLength& run) const;
  Status score(std::vector<Layer>& layers, Network& network, const GradientSource& gradients) const;
  static Status score_by_flow(std::vector<Layer>& layers, Network& network);
  void cut(std::vector<Layer>& layers, const Network& network, double progress, double way) const;
  void cut_network(std::vector<Layer>& layers, int64_t budget) const;
  void drop(Layer& layer, double fraction) const;
  void remove_chains(std::vector<Layer>& layers, Network& network) const;
  std::vector<float> grown_values(const Layer& layer, const Network& network, const TopologyEdit& edit) const;
  Result<std::vector<std::vector<int64_t>>> grow_by_gradient(const std::vector<Layer>& layers,
                                                             const GradientSource& gradients) const;
  Result<std::vector<std::vector<int64_t>>> grow(const std::vector<Layer>& layers,
                                                 const GradientSource& gradients) const;

  const MethodDef* method_ = nullptr;
  TopologySchedule schedule_;
  double initial_density_ = 1, target_density_ = 1;
  std::map<std::string, Share> shares_;  // of the weights that may change
  std::vector<Chain> chains_;
  uint64_t seed_ = 0;
};

}  // namespace coppice
