// SPDX-License-Identifier: Apache-2.0
#include "models/graph_json.h"

#include <array>
#include <utility>

#include "models/json.h"
#include "ops/ops.h"

namespace coppice {
namespace {

constexpr int64_t kLargestAxis = int64_t{1} << 31;
constexpr int64_t kLargestValue = int64_t{1}
                                  << 40;  // elements; products of it with 4 bytes stay far from overflow

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
Result<Enum> value_of(const Names<Enum>& names, const JsonObject& json, const char* key) {
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

// ---- reading

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

Status add_declared(Graph& graph, const JsonObject& json, ValueKind kind) {
  Value value;
  value.kind = kind;
  TRY_ASSIGN(value.name, json.text("name"));
  if (value.name.empty()) return corrupt(json.place() + ".name: is empty");
  if (graph.find(value.name) != kNoValue)
    return corrupt(json.place() + ": the name '" + value.name + "' is used twice");
  TRY_ASSIGN(value.shape, read_shape(json));
  if (kind == ValueKind::kInput) {
    TRY_ASSIGN(value.integer, json.flag("integer"));
  } else {
    TRY_ASSIGN(value.role, value_of(role_names(), json, "role"));
    TRY_ASSIGN(value.init, value_of(init_names(), json, "init"));
    TRY_ASSIGN(value.fan_in, json.integer("fan_in", 1, kLargestValue));
  }
  graph.add_value(std::move(value));
  return {};
}

Result<Attributes> read_attributes(const JsonObject& node) {
  TRY_ASSIGN(const JsonObject json, node.object("attributes"));
  Attributes attributes;
  for (const auto& [key, value] : json.raw().items()) {
    const char* name = key.c_str();
    if (value.is_string()) {
      attributes[key] = value.get<std::string>();
    } else if (value.is_number_integer()) {
      TRY_ASSIGN(attributes[key], json.integer(name, -kLargestAxis, kLargestAxis));
    } else if (value.is_number_float()) {
      attributes[key] = value.get<double>();
    } else if (value.is_array()) {
      TRY_ASSIGN(attributes[key], json.integers(name, -kLargestAxis, kLargestAxis));
    } else {
      return corrupt(json.place() + "." + key + ": should be a number, a text or a list of integers");
    }
  }
  return attributes;
}

Status add_node(Graph& graph, const JsonObject& json) {
  TRY_ASSIGN(const std::string op_name, json.text("op"));
  TRY_ASSIGN(const std::string name, json.text("name"));
  const std::string place = op_name + " '" + name + "'";
  const OpDef* op = find_op(op_name);
  if (op == nullptr)
    return unsupported("node '" + name + "': this version of coppice has no op '" + op_name +
                       "'; a newer one may");
  TRY_ASSIGN(const std::vector<std::string> input_names, json.texts("inputs"));
  std::vector<ValueId> inputs;
  for (const std::string& input : input_names) {
    inputs.push_back(graph.find(input));
    if (inputs.back() == kNoValue)
      return corrupt(place + ": reads '" + input + "', which nothing before it makes");
  }
  TRY_ASSIGN(Attributes attributes, read_attributes(json));
  TRY_ASSIGN(const std::vector<JsonObject> shapes, json.objects("outputs"));

  Result<std::vector<ValueId>> outputs = corrupt(place + ": has an attribute of the wrong type");
  try {
    outputs = graph.add(*op, name, std::move(inputs), std::move(attributes));
  } catch (const std::bad_variant_access&) {
    // Node's accessors trust the type of an attribute; a file must not be trusted.
  }
  if (!outputs.ok()) return {Code::kCorrupt, outputs.status().message()};
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

std::string graph_to_json(const Graph& graph) {
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
  return json_text(json);
}

Result<Graph> graph_from_json(const std::string& text) {
  TRY_ASSIGN(const Json parsed, parse_json("graph", text));
  TRY_ASSIGN(const JsonObject json, JsonObject::of(parsed, "graph"));
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
    TRY_ASSIGN(const std::vector<JsonObject> values, json.objects(key));
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
