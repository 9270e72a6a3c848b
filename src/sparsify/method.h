// SPDX-License-Identifier: Apache-2.0
// A pruning method, as far as it differs from the others: which weights it would rather keep and where it
// would rather grow. When, how many, how they are spread over the layers and the exact selection are the same
// for all (sparsifier.h). One file each in src/sparsify/methods; CMake writes the table.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sparse/param.h"
#include "sparse/pattern.h"

namespace coppice {

// Live weights that compete when the density falls.
enum class Ranking { kLayer, kNetwork };

// How the share of weights that are dropped and grown anew falls over the run.
enum class Decay { kConstant, kCosine };

// How the density falls: fast first and slower all the time (Zhu and Gupta 2017), or slow at both ends.
enum class PruneCurve { kCubic, kSigmoid };

// What a block is worth where blocks are drawn: its magnitude, or the shares that it has of the magnitudes of
// its row and of its column, added up.
enum class Importance { kMagnitude, kRelative };

// What a grown weight begins with: nothing, or a number as the first weights of its layer were drawn, for as
// many live inputs as there are now.
enum class GrownValue { kZero, kInitial };

// When the topology changes, and how much of it. Shares of the run are shares of its updates.
struct TopologySchedule {
  // The density falls from `initial_density` between two points of the run; where both are 0, before the
  // first update. 0: it is the final one from the start.
  double initial_density = 0, prune_begin = 0, prune_end = 0;
  PruneCurve prune_curve = PruneCurve::kCubic;
  double prune_steepness = 6;  // of the sigmoid: it is drawn from -6 to 6
  // At each edit so much of the live weights is dropped and grown anew, until the given point of the run.
  double drop_fraction = 0, update_until = 0;
  Decay drop_decay = Decay::kCosine;
  int64_t update_every = 0;  // updates between edits; 0: an epoch
  Ranking ranking = Ranking::kLayer;
  // An edit comes to its density in so many steps of equal shares, each ranked anew.
  int64_t rounds = 1;
  // Of a method that draws what stays: by importance to the power delta / (1 - delta), delta going from one
  // to the other over the run. 0: anything may stay; towards 1: the most important.
  double delta_begin = 0, delta_end = 0;
  Importance importance = Importance::kMagnitude;
  GrownValue grown_value = GrownValue::kZero;
};

// What a method may look at: one layer.
struct LayerState {
  const Param& param;
  const Pattern& pattern;           // of what is live, or of what is left of it
  std::span<const float> value;     // [live], canonical
  std::span<const float> gradient;  // [live], canonical; only where the method needs it
  const TopologySchedule& schedule;
  double share = 0;   // of the run that is over
  uint64_t seed = 0;  // with the step and the name of the layer the key of what is drawn at random
  int64_t step = 0;
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
  // Second order: the trained network is pruned as a whole before the first update (sparsify/reconstruct.h),
  // and the topology never changes after that.
  bool reconstructs = false;

  // A score of its own for the choice of those that move. Null: keep().
  std::vector<float> (*hold)(const LayerState& layer) = nullptr;
  // Neurons that are left without a link on one side lose those on the other (sparsify/chains.h), and as many
  // grow.
  bool removes_chains = false;

  // What grows: so many of the positions where no block is left, ascending. Null: by gradient, if
  // grows_by_gradient (those with the largest mean absolute gradient), else nothing.
  std::vector<int64_t> (*grow)(const LayerState& left, int64_t blocks) = nullptr;
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
void random_scores(const LayerState& layer, const char* purpose, std::span<float> scores);
// MethodDef::grow of those that grow anywhere, all positions alike but for those of `taken`, ascending.
std::vector<int64_t> grow_anywhere(const LayerState& left, int64_t blocks, std::span<const int64_t> taken);
// `count` different numbers as draw() gives them, ascending; those that came before, and negative ones, are
// drawn again. Fewer, where that takes more than `tries` draws.
std::vector<int64_t> draw_different(int64_t count, int64_t tries, const std::function<int64_t()>& draw);
// The block positions that are live, ascending: block row * block columns + block column.
std::vector<int64_t> block_positions(const Pattern& pattern);

}  // namespace coppice
