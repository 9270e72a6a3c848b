// SPDX-License-Identifier: Apache-2.0
#include "structure/rewrite.h"

#include <algorithm>
#include <set>

#include "graph/op.h"

namespace coppice {
namespace {

bool is_made(ValueKind kind) { return kind == ValueKind::kTiled || kind == ValueKind::kWhole; }

// The same graph with its values in an order in which nodes can be added again, without those that nobody
// reads.
class Rebuilder {
 public:
  explicit Rebuilder(const Graph& edited) : edited_(edited), now_(edited.values().size(), kNoValue) {
    for (const Node& node : edited.nodes()) read_.insert(node.inputs.begin(), node.inputs.end());
  }

  Result<Graph> run() {
    ValueId next = 0;
    for (const Node& node : edited_.nodes()) {
      for (; next < node.outputs[0]; ++next) carry(next);
      // A parameter that the pass has added lies behind all others.
      for (const ValueId in : node.inputs) carry(in);
      TRY(add(node));
    }
    for (; next < static_cast<ValueId>(now_.size()); ++next) carry(next);
    out_.sum = edited_.sum;
    for (const auto role : {&Graph::input, &Graph::target, &Graph::logits, &Graph::loss, &Graph::teacher})
      out_.*role = edited_.*role == kNoValue ? kNoValue : now_[static_cast<size_t>(edited_.*role)];
    TRY(verify(out_));
    return std::move(out_);
  }

 private:
  // Who has an executor feeds the network's inputs, read or not.
  void carry(ValueId id) {
    const Value& value = edited_.value(id);
    ValueId& now = now_[static_cast<size_t>(id)];
    if (now != kNoValue || is_made(value.kind)) return;
    if (value.kind == ValueKind::kInput || read_.contains(id)) now = out_.add_value(value);
  }

  Status add(const Node& node) {
    std::vector<ValueId> inputs;
    for (const ValueId in : node.inputs) inputs.push_back(now_[static_cast<size_t>(in)]);
    TRY_ASSIGN(const std::vector<ValueId> outputs,
               out_.add(*node.op, node.name, std::move(inputs), node.attributes));
    for (size_t i = 0; i < outputs.size(); ++i) now_[static_cast<size_t>(node.outputs[i])] = outputs[i];
    return {};
  }

  const Graph& edited_;
  Graph out_;
  std::set<ValueId> read_;
  std::vector<ValueId> now_;
};

}  // namespace

std::string described(const Node& node) { return std::string(node.op->name) + " '" + node.name + "'"; }

bool can_bypass(const Graph& graph, NodeId node) {
  const ValueId x = graph.node(node).inputs[0], y = graph.node(node).outputs[0];
  if (y != graph.logits && y != graph.loss) return true;
  const NodeId from = graph.producer(x);
  return y != graph.loss && from >= 0 && graph.node(from).outputs[0] == x;
}

void bypass(Graph& graph, NodeId node) {
  std::vector<Node>& nodes = graph.nodes_for_pass();
  const Node gone = nodes[static_cast<size_t>(node)];
  const ValueId x = gone.inputs[0], y = gone.outputs[0];
  if (graph.logits == y) {
    graph.logits = x;
    nodes[static_cast<size_t>(graph.producer(x))].name = gone.name;
  }
  nodes.erase(nodes.begin() + node);
  for (Node& reader : nodes) std::replace(reader.inputs.begin(), reader.inputs.end(), y, x);
}

Status rebuild(Network& network, const Graph& edited, std::map<std::string, Param> made) {
  TRY_ASSIGN(Graph graph, Rebuilder(edited).run());
  std::vector<Param> params, states;
  for (const Value& value : graph.values()) {
    if (value.kind != ValueKind::kParam && value.kind != ValueKind::kState) continue;
    const auto at = made.find(value.name);
    Param* const param = at != made.end() ? &at->second : network.find(value.name);
    (value.kind == ValueKind::kParam ? params : states).push_back(std::move(*param));
  }
  network.graph = std::move(graph);
  network.params = std::move(params);
  network.states = std::move(states);
  std::erase_if(network.choices,
                [&network](const LayerChoice& choice) { return network.find(choice.weight) == nullptr; });
  return {};
}

}  // namespace coppice
