// SPDX-License-Identifier: Apache-2.0
// Reverse-mode differentiation: appends gradient nodes to a graph. Gradients of values are named "d NAME".
#pragma once

#include <string>
#include <vector>

#include "graph/graph.h"
#include "graph/op.h"

namespace coppice {

// What an op's grad facet works with. An output nobody differentiates has the gradient kNoValue; a facet is
// only called when at least one output has one (or is the loss).
class GradBuilder {
 public:
  explicit GradBuilder(Graph& graph) : graph_(graph) {}

  const Graph& graph() const { return graph_; }
  ValueId gradient_of(ValueId value) const;
  // True if a parameter that is trained or an activation that depends on one: then its gradient is worth
  // computing.
  bool needs_gradient(ValueId value) const;
  // Appends a gradient node "d TARGET" (made unique) and books its first output as (part of) the gradient of
  // `target`. Does nothing where that is not needed.
  Status contribute(ValueId target, const OpDef& op, std::vector<ValueId> inputs, Attributes attributes = {});
  // Appends a node that several gradients share; not itself anybody's gradient.
  Result<std::vector<ValueId>> append(const std::string& name, const OpDef& op, std::vector<ValueId> inputs,
                                      Attributes attributes = {});
  // The same as contribute() for a gradient that exists already (add, and other ops that hand dy on
  // unchanged).
  Status pass_on(ValueId target, ValueId gradient);

 private:
  friend Result<std::vector<ValueId>> build_gradients(Graph&);
  Graph& graph_;
  std::vector<ValueId> gradients_;
  std::vector<bool> needed_;
};

// Appends the gradient of graph.loss (averaged over the samples) for every parameter that is not frozen.
// Returns the gradient of each value, kNoValue where there is none.
Result<std::vector<ValueId>> build_gradients(Graph& graph);

}  // namespace coppice
