// SPDX-License-Identifier: Apache-2.0
// A network is a static graph of named values. Training, pruning, packing and emitting are functions over it;
// gradients are nodes of the same graph. A graph owns its values and nodes and knows nothing of memory,
// kernels or threads.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "base/result.h"

namespace coppice {

struct OpDef;
using ValueId = int32_t;
using NodeId = int32_t;
inline constexpr ValueId kNoValue = -1;

// The size of an axis, and the numbers of a value: times the bytes of each and the samples of a batch they
// stay far from overflow.
inline constexpr int64_t kLargestAxis = int64_t{1} << 31, kLargestValue = int64_t{1} << 40;

// Sizes with the name of each axis, one letter: "chw" of a picture, "f" of a flat vector, "oi" of a linear
// weight, "oihw" of a convolution's. The batch axis is not part of a shape: tiled values have it, others do
// not.
struct Shape {
  std::string axes;
  std::vector<int64_t> sizes;

  int64_t elements() const;
  bool has(char axis) const { return axes.find(axis) != std::string::npos; }
  int64_t size(char axis) const;  // 1 if there is no such axis
  std::string text() const;       // "c=3 h=32 w=32"
  bool operator==(const Shape&) const = default;
};

enum class ValueKind {
  kInput,  // of the network, one per sample: comes with each batch
  kTiled,  // an activation or its gradient, one per sample
  kParam,  // trained: weights, biases, scales
  kState,  // kept from step to step, not trained: running statistics
  kWhole,  // one for the whole batch: gradients of parameters, batch statistics
};

enum class ParamRole {
  kWeight,  // matrix of a linear or convolution: may be sparse, decays, counts for the density
  kBias,
  kScale,  // of a normalisation, or a slope of prelu
};

enum class Init { kZero, kOne, kQuarter, kKaimingNormal, kKaimingUniform, kGlorotUniform };

struct Value {
  std::string name;
  ValueKind kind = ValueKind::kTiled;
  Shape shape;
  bool integer = false;  // class labels: int32, else float
  // kParam and kState only:
  ParamRole role = ParamRole::kWeight;
  Init init = Init::kZero;
  int64_t fan_in = 1;   // of the full pattern; initialisers scale it by the live density
  bool frozen = false;  // kParam: keeps its value, so it has neither gradient nor optimizer state
};

using Attribute = std::variant<int64_t, double, std::string, std::vector<int64_t>>;
using Attributes = std::map<std::string, Attribute>;

struct Node {
  const OpDef* op = nullptr;
  std::string name;
  std::vector<ValueId> inputs, outputs;
  Attributes attributes;

  int64_t integer(const std::string& key, int64_t otherwise) const;
  double real(const std::string& key, double otherwise) const;
  std::string text(const std::string& key, const std::string& otherwise) const;
  // One number for all `count` of them, or a list, which repeats: of [1, 2] four are [1, 2, 1, 2].
  std::vector<int64_t> integers(const std::string& key, size_t count, std::vector<int64_t> otherwise) const;
};

class Graph {
 public:
  ValueId add_value(Value value);
  // Appends a node; its op's shape rule gives the outputs, which are named NAME (or NAME.1, ...) unless
  // it names them.
  // Fails with a sentence that starts with the node's name.
  Result<std::vector<ValueId>> add(const OpDef& op, const std::string& name, std::vector<ValueId> inputs,
                                   Attributes attributes = {});

  const Value& value(ValueId id) const { return values_[static_cast<size_t>(id)]; }
  Value& value(ValueId id) { return values_[static_cast<size_t>(id)]; }
  const Node& node(NodeId id) const { return nodes_[static_cast<size_t>(id)]; }
  const std::vector<Value>& values() const { return values_; }
  const std::vector<Node>& nodes() const { return nodes_; }  // in an order in which they can run
  std::vector<Node>& nodes_for_pass() { return nodes_; }     // a pass leaves a graph that verify() accepts
  ValueId find(const std::string& name) const;               // kNoValue if there is none
  NodeId producer(ValueId id) const;                         // -1 for inputs, parameters and states

  // The roles that a network's values play; set by whoever builds it.
  // The op that adds two gradients of one activation; set by the builder, as a graph does not know the table
  // of ops.
  const OpDef* sum = nullptr;
  ValueId input = kNoValue, target = kNoValue, logits = kNoValue, loss = kNoValue;
  ValueId teacher = kNoValue;  // logits of another network; only while one trains (passes/add_teacher.h)

 private:
  std::vector<Value> values_;
  std::vector<Node> nodes_;
  std::map<std::string, ValueId> by_name_;
};

// Checks everything that the rest of the system relies on: names unique, every input produced before its use,
// one writer for each output, shapes as the ops' rules say. Runs after each pass.
Status verify(const Graph& graph);

}  // namespace coppice
