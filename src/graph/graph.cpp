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
  if (at == attributes.end()) return otherwise;
  // Who writes a graph by hand writes 6 for 6.0.
  if (const auto* whole = std::get_if<int64_t>(&at->second)) return static_cast<double>(*whole);
  return std::get<double>(at->second);
}

std::string Node::text(const std::string& key, const std::string& otherwise) const {
  const auto at = attributes.find(key);
  return at == attributes.end() ? otherwise : std::get<std::string>(at->second);
}

std::vector<int64_t> Node::integers(const std::string& key, size_t count,
                                    std::vector<int64_t> otherwise) const {
  const auto at = attributes.find(key);
  if (at != attributes.end()) {
    const auto* one = std::get_if<int64_t>(&at->second);
    otherwise = one ? std::vector<int64_t>{*one} : std::get<std::vector<int64_t>>(at->second);
  }
  std::vector<int64_t> out;
  for (size_t i = 0; i < count && !otherwise.empty(); ++i) out.push_back(otherwise[i % otherwise.size()]);
  return out;
}

ValueId Graph::add_value(Value value) {
  const auto id = static_cast<ValueId>(values_.size());
  by_name_.emplace(value.name, id);
  values_.push_back(std::move(value));
  return id;
}

namespace {

// The attributes of a node may ask for more than its inputs have.
Status check_size(const Shape& shape) {
  int64_t elements = 1;
  for (const int64_t size : shape.sizes) {
    if (size < 1 || size > kLargestAxis || elements > kLargestValue / size)
      return invalid("its output would be " + shape.text() + "; an axis has 1 to 2^31 numbers, a value 2^40");
    elements *= size;
  }
  return {};
}

}  // namespace

Result<std::vector<ValueId>> Graph::add(const OpDef& op, const std::string& name, std::vector<ValueId> inputs,
                                        Attributes attributes) {
  Node node{&op, name, std::move(inputs), {}, std::move(attributes)};
  const std::string place = std::string(op.name) + " '" + name + "'";
  for (const ValueId in : node.inputs)
    if (in < 0 || static_cast<size_t>(in) >= values_.size())
      return invalid(place + ": reads a value that does not exist");
  auto inferred = op.infer(*this, node);
  if (!inferred.ok()) return inferred.status().within(place);
  for (size_t index = 0; index < inferred->size(); ++index) {
    TRY(check_size((*inferred)[index].shape).within(place));
    std::string& made = (*inferred)[index].name;
    if (made.empty()) made = index == 0 ? name : name + "." + std::to_string(index);
    if (by_name_.count(made)) return invalid(place + ": the name '" + made + "' is already in use");
  }
  for (Value& value : *inferred) node.outputs.push_back(add_value(std::move(value)));
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

namespace {

Status verify_values(const Graph& graph) {
  std::set<std::string> names;
  for (const Value& value : graph.values()) {
    if (!names.insert(value.name).second) return invalid("value '" + value.name + "' exists twice");
    if (value.shape.axes.size() != value.shape.sizes.size())
      return invalid("value '" + value.name + "': axes and sizes differ in number");
    for (const int64_t size : value.shape.sizes)
      if (size <= 0)
        return invalid("value '" + value.name + "': " + value.shape.text() + " has an empty axis");
  }
  return {};
}

// Every value that a node writes is an activation or a gradient, and has no other writer.
Status verify_outputs(const Graph& graph, const Node& node, std::vector<bool>& written) {
  for (const ValueId out : node.outputs) {
    if (out < 0 || static_cast<size_t>(out) >= written.size())
      return invalid("writes a value that does not exist");
    const Value& value = graph.value(out);
    if (value.kind != ValueKind::kTiled && value.kind != ValueKind::kWhole)
      return invalid("writes '" + value.name + "', which is an input, a parameter or a state");
    if (written[static_cast<size_t>(out)])
      return invalid("writes '" + value.name + "', which another node writes as well");
    written[static_cast<size_t>(out)] = true;
  }
  return {};
}

}  // namespace

Status verify(const Graph& graph) {
  TRY(verify_values(graph));
  std::vector<bool> written(graph.values().size(), false);
  for (const Node& node : graph.nodes())
    TRY(verify_outputs(graph, node, written).within(std::string(node.op->name) + " '" + node.name + "'"));
  std::vector<bool> ready;
  for (const Value& value : graph.values())
    ready.push_back(value.kind == ValueKind::kInput || value.kind == ValueKind::kParam ||
                    value.kind == ValueKind::kState);
  for (const Node& node : graph.nodes()) {
    const std::string place = std::string(node.op->name) + " '" + node.name + "'";
    for (const ValueId in : node.inputs) {
      if (in < 0 || static_cast<size_t>(in) >= ready.size())
        return invalid(place + ": reads a value that does not exist");
      if (!ready[static_cast<size_t>(in)])
        return invalid(place + ": reads '" + graph.value(in).name + "' before it is computed");
    }
    auto inferred = node.op->infer(graph, node);
    if (!inferred.ok()) return inferred.status().within(place);
    if (inferred->size() != node.outputs.size())
      return invalid(place + ": has " + std::to_string(node.outputs.size()) + " outputs, its rule says " +
                     std::to_string(inferred->size()));
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
