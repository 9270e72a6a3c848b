// SPDX-License-Identifier: Apache-2.0
#include "models/graph_json.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/text.h"
#include "graph/op.h"
#include "models/json.h"
#include "ops/ops.h"

namespace coppice {
namespace {

template <class Enum>
using Names = std::vector<std::pair<Enum, const char*>>;

const Names<ParamRole>& role_names() {
  static const Names<ParamRole> kNames = {
      {ParamRole::kWeight, "weight"}, {ParamRole::kBias, "bias"}, {ParamRole::kScale, "scale"}};
  return kNames;
}

const Names<Init>& init_names() {
  static const Names<Init> kNames = {{Init::kZero, "zero"},
                                     {Init::kOne, "one"},
                                     {Init::kQuarter, "quarter"},
                                     {Init::kKaimingNormal, "kaiming_normal"},
                                     {Init::kKaimingUniform, "kaiming_uniform"},
                                     {Init::kGlorotUniform, "glorot_uniform"}};
  return kNames;
}

template <class Enum>
const char* name_of(const Names<Enum>& names, Enum value) {
  for (const auto& [candidate, name] : names)
    if (candidate == value) return name;
  return "";
}

template <class Enum>
Result<Enum> value_of(const Names<Enum>& names, const JsonObject& json, const char* key, Enum otherwise) {
  if (!json.has(key)) return otherwise;
  TRY_ASSIGN(const std::string text, json.text(key));
  std::string known;
  for (const auto& [value, name] : names) {
    if (text == name) return value;
    known += std::string(known.empty() ? "" : ", ") + name;
  }
  return corrupt(json.place() + "." + key + ": '" + text + "' is none of " + known);
}

// ---- writing

Json shape_json(const Shape& shape) { return Json{{"axes", shape.axes}, {"sizes", shape.sizes}}; }

Json input_json(const Value& value) {
  Json json{{"name", value.name}, {"integer", value.integer}};
  json.update(shape_json(value.shape));
  return json;
}

Json trained_json(const Value& value) {
  Json json{{"name", value.name}};
  json.update(shape_json(value.shape));
  json["role"] = name_of(role_names(), value.role);
  json["init"] = name_of(init_names(), value.init);
  json["fan_in"] = value.fan_in;
  if (value.frozen) json["frozen"] = true;
  return json;
}

Json node_json(const Graph& graph, const Node& node) {
  Json inputs = Json::array(), outputs = Json::array(), attributes = Json::object();
  for (const ValueId id : node.inputs) inputs.push_back(graph.value(id).name);
  for (const ValueId id : node.outputs) outputs.push_back(shape_json(graph.value(id).shape));
  for (const auto& [key, attribute] : node.attributes)
    std::visit([&, &name = key](const auto& value) { attributes[name] = value; }, attribute);
  return Json{{"op", node.op->name},
              {"name", node.name},
              {"inputs", std::move(inputs)},
              {"outputs", std::move(outputs)},
              {"attributes", std::move(attributes)}};
}

Json graph_json(const Graph& graph) {
  Json inputs = Json::array(), parameters = Json::array(), states = Json::array(), nodes = Json::array();
  for (const Value& value : graph.values()) {
    if (value.kind == ValueKind::kInput) inputs.push_back(input_json(value));
    if (value.kind == ValueKind::kParam) parameters.push_back(trained_json(value));
    if (value.kind == ValueKind::kState) states.push_back(trained_json(value));
  }
  for (const Node& node : graph.nodes()) nodes.push_back(node_json(graph, node));
  Json json{{"version", kGraphFormatVersion},
            {"inputs", std::move(inputs)},
            {"parameters", std::move(parameters)},
            {"states", std::move(states)},
            {"nodes", std::move(nodes)}};
  const std::pair<const char*, ValueId> roles[] = {
      {"input", graph.input}, {"target", graph.target}, {"logits", graph.logits}, {"loss", graph.loss}};
  for (const auto& [key, id] : roles) json[key] = graph.value(id).name;
  return json;
}

// ---- reading. What follows from the rest may be left out: files are also written by hand

Result<std::vector<JsonObject>> optional_objects(const JsonObject& json, const char* key) {
  return json.has(key) ? json.objects(key) : Result<std::vector<JsonObject>>(std::vector<JsonObject>());
}

Result<Shape> read_shape(const JsonObject& json) {
  Shape shape;
  TRY_ASSIGN(shape.axes, json.text("axes"));
  TRY_ASSIGN(shape.sizes, json.integers("sizes", 1, kLargestAxis));
  if (shape.axes.size() != shape.sizes.size())
    return corrupt(json.place() + ": has " + std::to_string(shape.axes.size()) + " axes but " +
                   std::to_string(shape.sizes.size()) + " sizes");
  int64_t elements = 1;
  for (const int64_t size : shape.sizes) {
    if (elements > kLargestValue / size) return corrupt(json.place() + ": is larger than 2^40 numbers");
    elements *= size;
  }
  return shape;
}

Init usual_init(ParamRole role) {
  switch (role) {
    case ParamRole::kWeight:
      return Init::kKaimingUniform;
    case ParamRole::kScale:
      return Init::kOne;
    default:
      return Init::kZero;
  }
}

Status add_declared(Graph& graph, const JsonObject& json, ValueKind kind) {
  TRY(json.expect_only(
      kind == ValueKind::kInput
          ? std::vector<std::string>{"name", "axes", "sizes", "integer"}
          : std::vector<std::string>{"name", "axes", "sizes", "role", "init", "fan_in", "frozen"}));
  Value value;
  value.kind = kind;
  TRY_ASSIGN(value.name, json.text("name"));
  if (value.name.empty()) return corrupt(json.place() + ".name: is empty");
  if (graph.find(value.name) != kNoValue)
    return corrupt(json.place() + ": the name '" + value.name + "' is used twice");
  TRY_ASSIGN(value.shape, read_shape(json));
  if (kind == ValueKind::kInput && json.has("integer")) {
    TRY_ASSIGN(value.integer, json.flag("integer"));
  }
  if (kind != ValueKind::kInput) {
    const bool matrix = value.shape.has('o');
    TRY_ASSIGN(value.role,
               value_of(role_names(), json, "role", matrix ? ParamRole::kWeight : ParamRole::kBias));
    TRY_ASSIGN(value.init, value_of(init_names(), json, "init", usual_init(value.role)));
    if (matrix) value.fan_in = value.shape.elements() / value.shape.size('o');
    if (json.has("fan_in")) {
      TRY_ASSIGN(value.fan_in, json.integer("fan_in", 1, kLargestValue));
    }
    if (json.has("frozen")) {
      TRY_ASSIGN(value.frozen, json.flag("frozen"));
    }
  }
  graph.add_value(std::move(value));
  return {};
}

Result<Attribute> read_attribute(const JsonObject& json, const AttributeDef& def) {
  Attribute attribute;
  switch (def.kind) {
    case AttributeKind::kInteger: {
      TRY_ASSIGN(attribute, json.integer(def.name, -kLargestAxis, kLargestAxis));
      break;
    }
    case AttributeKind::kReal: {
      TRY_ASSIGN(const double real, json.real(def.name));
      if (!std::isfinite(real)) return corrupt(json.place() + "." + def.name + ": should be a number");
      attribute = real;
      break;
    }
    case AttributeKind::kText: {
      TRY_ASSIGN(attribute, json.text(def.name));
      break;
    }
    case AttributeKind::kIntegers: {
      TRY_ASSIGN(attribute, json.integers(def.name, -kLargestAxis, kLargestAxis));
      break;
    }
    case AttributeKind::kIntegerOrIntegers: {
      const AttributeKind kind =
          json.raw().at(def.name).is_array() ? AttributeKind::kIntegers : AttributeKind::kInteger;
      return read_attribute(json, {def.name, kind});
    }
  }
  return attribute;
}

// A misspelt attribute would silently mean its default.
Status unknown_attribute(const OpDef& op, const std::string& key) {
  if (op.attributes.empty()) return corrupt("'" + key + "' is no attribute of this op, which has none");
  std::vector<std::string> known;
  for (const AttributeDef& def : op.attributes) known.emplace_back(def.name);
  return corrupt("'" + key + "' is no attribute of this op; did you mean '" + nearest(key, known) + "'?");
}

Result<Attributes> read_attributes(const JsonObject& node, const OpDef& op) {
  Attributes attributes;
  if (!node.has("attributes")) return attributes;
  TRY_ASSIGN(const JsonObject json, node.object("attributes"));
  for (const auto& [key, value] : json.raw().items()) {
    const auto def = std::find_if(op.attributes.begin(), op.attributes.end(),
                                  [&name = key](const AttributeDef& d) { return name == d.name; });
    if (def == op.attributes.end()) return unknown_attribute(op, key);
    TRY_ASSIGN(attributes[key], read_attribute(json, *def));
  }
  return attributes;
}

Status add_node(Graph& graph, const JsonObject& json) {
  TRY(json.expect_only({"op", "name", "inputs", "outputs", "attributes"}));
  TRY_ASSIGN(const std::string op_name, json.text("op"));
  TRY_ASSIGN(const std::string name, json.text("name"));
  const std::string place = op_name + " '" + name + "'";
  const OpDef* op = find_op(op_name);
  if (op == nullptr)
    return unsupported("node '" + name + "': this version of coppice has no op '" + op_name +
                       "'; a newer one may");
  if (op->grad == nullptr)
    return corrupt(place + ": belongs to gradients, which follow from the graph; leave it out");
  TRY_ASSIGN(const std::vector<std::string> input_names, json.texts("inputs"));
  std::vector<ValueId> inputs;
  for (const std::string& input : input_names) {
    inputs.push_back(graph.find(input));
    if (inputs.back() == kNoValue)
      return corrupt(place + ": reads '" + input + "', which nothing before it makes");
  }
  auto attributes = read_attributes(json, *op);
  if (!attributes.ok()) return attributes.status().within(place);
  auto outputs = graph.add(*op, name, std::move(inputs), attributes.take());
  if (!outputs.ok()) return {Code::kCorrupt, outputs.status().message()};
  if (!json.has("outputs")) return {};
  TRY_ASSIGN(const std::vector<JsonObject> shapes, json.objects("outputs"));
  if (outputs->size() != shapes.size())
    return corrupt(place + ": has " + std::to_string(outputs->size()) + " outputs, the file lists " +
                   std::to_string(shapes.size()));
  for (size_t i = 0; i < shapes.size(); ++i) {
    TRY_ASSIGN(const Shape written, read_shape(shapes[i]));
    const Shape& ruled = graph.value((*outputs)[i]).shape;
    if (!(ruled == written))
      return corrupt(place + ": its output is " + ruled.text() + " by the rule of the op, but " +
                     written.text() + " in the file");
  }
  return {};
}

Status read_role(const Graph& graph, const JsonObject& json, const char* key, ValueId* role) {
  TRY_ASSIGN(const std::string name, json.text(key));
  *role = graph.find(name);
  if (*role == kNoValue) return corrupt(json.place() + "." + key + ": there is no value '" + name + "'");
  return {};
}

}  // namespace

std::string graph_to_json(const Graph& graph) { return json_text(graph_json(graph)); }

std::string graph_to_lines(const Graph& graph) {
  const Json json = graph_json(graph);
  std::string text;
  for (const auto& [key, value] : json.items()) {
    text += text.empty() ? "{" : ",\n ";
    text += json_text(Json(key)) + ": ";
    if (!value.is_array()) {
      text += json_text(value);
      continue;
    }
    text += "[";
    for (size_t i = 0; i < value.size(); ++i) text += (i == 0 ? "\n  " : ",\n  ") + json_text(value[i]);
    text += "]";
  }
  return text + "}";
}
Result<Graph> graph_from_json(const std::string& text) {
  TRY_ASSIGN(const Json parsed, parse_json("graph", text));
  TRY_ASSIGN(const JsonObject json, JsonObject::of(parsed, "graph"));
  TRY(json.expect_only(
      {"version", "inputs", "parameters", "states", "nodes", "input", "target", "logits", "loss"}));
  TRY_ASSIGN(const int64_t version, json.integer("version", 1, kLargestAxis));
  if (version > kGraphFormatVersion)
    return unsupported("graph: has format version " + std::to_string(version) +
                       ", this coppice reads up to " + std::to_string(kGraphFormatVersion) +
                       "; use a newer one");
  Graph graph;
  graph.sum = find_op("add");
  const std::pair<const char*, ValueKind> declared[] = {
      {"inputs", ValueKind::kInput}, {"parameters", ValueKind::kParam}, {"states", ValueKind::kState}};
  for (const auto& [key, kind] : declared) {
    TRY_ASSIGN(const std::vector<JsonObject> values, optional_objects(json, key));
    for (const JsonObject& value : values) TRY(add_declared(graph, value, kind));
  }
  TRY_ASSIGN(const std::vector<JsonObject> nodes, json.objects("nodes"));
  for (const JsonObject& node : nodes) TRY(add_node(graph, node));
  TRY(read_role(graph, json, "input", &graph.input));
  TRY(read_role(graph, json, "target", &graph.target));
  TRY(read_role(graph, json, "logits", &graph.logits));
  TRY(read_role(graph, json, "loss", &graph.loss));
  const Status verified = verify(graph);
  if (!verified.ok()) return corrupt(verified.message());
  return graph;
}

}  // namespace coppice
