// SPDX-License-Identifier: Apache-2.0
// All that the system knows about an op, in one place. Tests, gradient checks, benchmarks, `explain` and the
// docs walk the table of ops; a facet that is absent can be asked for and is refused with a sentence.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "graph/axes.h"
#include "graph/graph.h"

namespace coppice {

class GradBuilder;  // graph/grad.h
class Lowering;     // graph/lowering.h

// Work of one sample, 2 x weights x positions for each matrix product. `useful` counts the live weights,
// `executed` all that the format multiplies with, such as rows that pad a dense layer, and `dense` those of
// the network without sparsity.
struct Cost {
  int64_t useful = 0, executed = 0, dense = 0;

  Cost operator*(int64_t times) const { return {useful * times, executed * times, dense * times}; }
  Cost& operator+=(const Cost& other) {
    useful += other.useful;
    executed += other.executed;
    dense += other.dense;
    return *this;
  }
};
using WeightCounts = std::function<Cost(ValueId)>;  // of a parameter

// What the double-precision evaluation hands to an op: row-major arrays, tiled values with the batch as first
// axis.
struct ReferenceArray {
  Shape shape;
  std::vector<double> data;
};
struct ReferenceCall {
  const Node& node;
  int64_t batch;
  bool training;
  double loss_scale;  // as coppice_run_state
  uint64_t seed, step;
  std::vector<const ReferenceArray*> in;
  std::vector<ReferenceArray*> out;             // sized and zero
  std::span<const double> sample_weights = {};  // [batch], or empty: all 1
  double weight(int64_t sample) const {
    return sample_weights.empty() ? 1.0 : sample_weights[static_cast<size_t>(sample)];
  }
};

// How an op meets the batch: it works on each tile alone, or it reduces over all samples.
enum class Locality { kTile, kReduce };

// A small problem for tests and gradient checks: a graph with input, target, logits and loss set.
struct Sample {
  std::string name;
  Graph graph;
};

// An attribute that a graph file may give to a node. All may be left out; the op checks their values.
enum class AttributeKind { kInteger, kReal, kText, kIntegers, kIntegerOrIntegers };
struct AttributeDef {
  const char* name;
  AttributeKind kind;
};

struct OpDef {
  const char* name;
  const char* summary;

  // A file that gives a node others is refused. Passes and gradients give each other more, which no file may.
  std::span<const AttributeDef> attributes = {};

  // Shapes (and kinds) of the outputs, or a sentence. inputs are in the graph.
  Result<std::vector<Value>> (*infer)(const Graph& graph, const Node& node);

  // Appends the gradient nodes of `node`. Null: not trainable.
  Status (*grad)(GradBuilder& builder, const Node& node) = nullptr;

  // Null: no matrix product.
  Cost (*cost)(const Graph& graph, const Node& node, const WeightCounts& weights) = nullptr;

  // Refuses (micro-)batches of too few samples to train on. Null: one sample will do.
  Status (*check_samples)(const Graph& graph, const Node& node, int samples) = nullptr;

  // The naive definition in double: the truth for values and gradients.
  void (*reference)(const ReferenceCall& call) = nullptr;

  // Of an op whose gradient is one by definition, as it has no slope of its own: the function that the
  // gradient is that of, in double. Null: `reference` is.
  void (*smooth)(const ReferenceCall& call) = nullptr;

  // Emits the calls that compute it in float. Null: has no kernel of its own.
  Status (*lower)(Lowering& lowering, const Node& node) = nullptr;

  // Of an op that computes the gradient of a weight, which is its third input: emits the call that leaves the
  // gradient of all positions, dead ones too, part by part in the scratch of its items. Null: computes none.
  Status (*lower_dense_dw)(Lowering& lowering, const Node& node) = nullptr;

  // A node (without outputs) that computes the first output anew from the inputs and the other outputs, once
  // `after` is there; its op is null where that is not worth it (passes/recompute.h). Null: never.
  Node (*again)(const Node& node, ValueId after) = nullptr;

  // How the units of inputs, outputs and parameters hang together: calls what graph/axes.h has for it. Null:
  // unknown, so that nothing which the op touches is ever removed or moved.
  void (*axes)(AxisMap& map, const Node& node) = nullptr;

  // The attributes that the node has once only these units are left. Null: those that it had.
  Attributes (*cut)(const Node& node, const KeptUnits& kept) = nullptr;

  // Problems whose gradients are checked against finite differences; null for gradient ops, which forward ops
  // cover.
  std::vector<Sample> (*samples)() = nullptr;
};

}  // namespace coppice
