// SPDX-License-Identifier: Apache-2.0
#include "graph/graph.h"

#include <set>

#include "graph/op.h"

namespace coppice {

int64_t Shape::elements() const {
  int64_t product = 1;
  for (const int64_t size : sizes) product *= size;
  return product;
}

int64_t Shape::size(char axis) const {
  const size_t at = axes.find(axis);
  return at == std::string::npos ? 1 : sizes[at];
}

std::string Shape::text() const {
  std::string out;
  for (size_t i = 0; i < axes.size(); ++i)
    out += std::string(i ? " " : "") + axes[i] + "=" + std::to_string(sizes[i]);
  return out.empty() ? "scalar" : out;
}

int64_t Node::integer(const std::string& key, int64_t otherwise) const {
  const auto at = attributes.find(key);
  return at == attributes.end() ? otherwise : std::get<int64_t>(at->second);
}

double Node::real(const std::string& key, double otherwise) const {
  const auto at = attributes.find(key);
  return at == attributes.end() ? otherwise : std::get<double>(at->second);
}

std::string Node::text(const std::string& key, const std::string& otherwise) const {
  const auto at = attributes.find(key);
  return at == attributes.end() ? otherwise : std::get<std::string>(at->second);
}

ValueId Graph::add_value(Value value) {
  const auto id = static_cast<ValueId>(values_.size());
  by_name_.emplace(value.name, id);
  values_.push_back(std::move(value));
  return id;
}

Result<std::vector<ValueId>> Graph::add(const OpDef& op, const std::string& name, std::vector<ValueId> inputs,
                                        Attributes attributes) {
  Node node{&op, name, std::move(inputs), {}, std::move(attributes)};
  const std::string place = std::string(op.name) + " '" + name + "'";
  auto inferred = op.infer(*this, node);
  if (!inferred.ok()) return inferred.status().within(place);
  size_t index = 0;
  for (Value& value : *inferred) {
    if (value.name.empty()) value.name = index == 0 ? name : name + "." + std::to_string(index);
    if (by_name_.count(value.name)) return invalid(place + ": the name '" + value.name + "' is already in use");
    node.outputs.push_back(add_value(std::move(value)));
    ++index;
  }
  nodes_.push_back(node);
  return node.outputs;
}

ValueId Graph::find(const std::string& name) const {
  const auto at = by_name_.find(name);
  return at == by_name_.end() ? kNoValue : at->second;
}

NodeId Graph::producer(ValueId id) const {
  for (size_t n = 0; n < nodes_.size(); ++n)
    for (const ValueId out : nodes_[n].outputs)
      if (out == id) return static_cast<NodeId>(n);
  return -1;
}

Status verify(const Graph& graph) {
  std::set<std::string> names;
  for (const Value& value : graph.values()) {
    if (!names.insert(value.name).second) return invalid("value '" + value.name + "' exists twice");
    if (value.shape.axes.size() != value.shape.sizes.size())
      return invalid("value '" + value.name + "': axes and sizes differ in number");
    for (const int64_t size : value.shape.sizes)
      if (size <= 0) return invalid("value '" + value.name + "': " + value.shape.text() + " has an empty axis");
  }
  std::vector<bool> ready(graph.values().size(), true);
  for (const Node& node : graph.nodes())
    for (const ValueId out : node.outputs) ready[static_cast<size_t>(out)] = false;
  for (const Node& node : graph.nodes()) {
    const std::string place = std::string(node.op->name) + " '" + node.name + "'";
    for (const ValueId in : node.inputs) {
      if (in < 0 || static_cast<size_t>(in) >= ready.size()) return invalid(place + ": reads a value that does not exist");
      if (!ready[static_cast<size_t>(in)])
        return invalid(place + ": reads '" + graph.value(in).name + "' before it is computed");
    }
    auto inferred = node.op->infer(graph, node);
    if (!inferred.ok()) return inferred.status().within(place);
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      const ValueId out = node.outputs[i];
      if (!((*inferred)[i].shape == graph.value(out).shape))
        return invalid(place + ": output is " + graph.value(out).shape.text() + ", its rule says " +
                       (*inferred)[i].shape.text());
      ready[static_cast<size_t>(out)] = true;
    }
  }
  return {};
}

}  // namespace coppice
