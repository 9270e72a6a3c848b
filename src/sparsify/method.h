// SPDX-License-Identifier: Apache-2.0
// A pruning method, as far as it differs from the others: which weights it would rather keep and where it
// would rather grow. When, how many, how they are spread over the layers and the exact selection are the same
// for all (sparsifier.h). One file each in src/sparsify/methods; CMake writes the table.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sparse/param.h"
#include "sparse/pattern.h"

namespace coppice {

// What a method may look at: one layer.
struct LayerState {
  const Param& param;
  const Pattern& pattern;
  std::span<const float> value;     // [live], canonical
  std::span<const float> gradient;  // [live], canonical; only where the method needs it
  uint64_t seed = 0;
  int64_t step = 0;  // with the seed and the name of the layer the key of what is drawn at random
};

// Live weights that compete when the density falls.
enum class Ranking { kLayer, kNetwork };

// How the share of weights that are dropped and grown anew falls over the run.
enum class Decay { kConstant, kCosine };

// When the topology changes, and how much of it. Shares of the run are shares of its updates.
struct TopologySchedule {
  // The density falls from `initial_density` along a cubic curve (Zhu and Gupta 2017) between two points of
  // the run; where both are 0, before the first update. 0: it is the final one from the start.
  double initial_density = 0, prune_begin = 0, prune_end = 0;
  // At each edit so much of the live weights is dropped and grown anew, until the given point of the run.
  double drop_fraction = 0, update_until = 0;
  Decay drop_decay = Decay::kCosine;
  int64_t update_every = 0;  // updates between edits; 0: an epoch
  Ranking ranking = Ranking::kLayer;
  // An edit comes to its density in so many steps of equal shares, each ranked anew.
  int64_t rounds = 1;
};

// The gradients by which a method ranks live weights.
enum class KeepGradient {
  kNone,
  kBatch,  // of the loss of one batch
  kFlow,   // of the synaptic flow (sparsify/flow.h)
};

struct MethodDef {
  const char* name;
  const char* summary;        // one line, with its source
  TopologySchedule defaults;  // what the paper says

  // A score for each live block, the larger ones stay. [blocks] Null: the topology never changes.
  std::vector<float> (*keep)(const LayerState& layer) = nullptr;
  KeepGradient keep_gradient = KeepGradient::kNone;

  // What grows: the positions with the largest scores among those that are dead. Null: by gradient, if
  // grows_by_gradient (a block's score is the mean absolute gradient of its weights), else nothing.
  // Scores of one row of blocks. [block columns]
  void (*grow)(const LayerState& layer, int64_t block_row, std::span<float> scores) = nullptr;
  bool grows_by_gradient = false;
  bool grows() const { return grow != nullptr || grows_by_gradient; }
};

// In the order of the files' names.
std::span<const MethodDef> all_methods();
const MethodDef* find_method(std::string_view name);  // null if there is none
// "'rigll' is not a pruning method; did you mean 'rigl'?"
std::string unknown_method(const std::string& name);

// The mean |x| of each block of a canonical array: layers of other blocks may compete with it.
std::vector<float> block_magnitudes(const Pattern& pattern, std::span<const float> canonical);
// MethodDef::keep of those that let the smallest weights die.
std::vector<float> keep_by_magnitude(const LayerState& layer);
// ... of those that let weights die without which least would change, to first order: |weight x gradient|.
std::vector<float> keep_by_effect(const LayerState& layer);
// Numbers between 0 and 1, drawn anew for each layer and step.
void random_scores(const LayerState& layer, const char* purpose, uint64_t row, std::span<float> scores);

}  // namespace coppice
