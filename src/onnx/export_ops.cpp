// SPDX-License-Identifier: Apache-2.0
// The ops that are written: one row each, and what ONNX 17 lacks as the few nodes that make it up.
// docs/export.md is this table for people.
#include <algorithm>
#include <cmath>
#include <limits>

#include "graph/op.h"
#include "onnx/exporter.h"

namespace coppice::onnx {
namespace {

using Integers = std::vector<int64_t>;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

Integers list(const coppice::Node& node, const char* key, const Integers& otherwise) {
  const auto found = node.attributes.find(key);
  return found == node.attributes.end() ? otherwise : std::get<Integers>(found->second);
}

// ---- what has an op of its own

template <const char* kOp>
Status as(Exporter& to, const coppice::Node& node) {
  Exporter::Names inputs;
  for (size_t i = 0; i < node.inputs.size(); ++i) inputs.push_back(to.x(node, i));
  to.make(node, kOp, inputs);
  return {};
}
constexpr char kAdd[] = "Add", kMul[] = "Mul", kSigmoid[] = "Sigmoid", kTanh[] = "Tanh",
               kHardSwish[] = "HardSwish";

Status export_dropout(Exporter& to, const coppice::Node& node) {
  to.gives(node, to.x(node));
  return {};
}

Status export_flatten(Exporter& to, const coppice::Node& node) {
  to.make(node, "Flatten", {to.x(node)}, {integer_attribute("axis", 1)});
  return {};
}

Status export_concat(Exporter& to, const coppice::Node& node) {
  Exporter::Names inputs;
  for (size_t i = 0; i < node.inputs.size(); ++i) inputs.push_back(to.x(node, i));
  to.make(node, "Concat", inputs, {integer_attribute("axis", 1)});
  return {};
}

Status export_leaky_relu(Exporter& to, const coppice::Node& node) {
  to.make(node, "LeakyRelu", {to.x(node)}, {real_attribute("alpha", node.real("slope", 0.01))});
  return {};
}

Status export_elu(Exporter& to, const coppice::Node& node) {
  to.make(node, "Elu", {to.x(node)}, {real_attribute("alpha", node.real("alpha", 1.0))});
  return {};
}

Status export_hard_sigmoid(Exporter& to, const coppice::Node& node) {
  to.make(node, "HardSigmoid", {to.x(node)}, {real_attribute("alpha", 1.0 / 6), real_attribute("beta", 0.5)});
  return {};
}

Status export_relu(Exporter& to, const coppice::Node& node) {
  if (to.ends_with_bytes(node, 0, kInfinity))
    to.gives(node, to.x(node));
  else
    to.make(node, "Relu", {to.x(node)});
  return {};
}

// Limits are inputs; an empty name is no limit.
Status export_clip(Exporter& to, const coppice::Node& node) {
  if (to.ends_with_bytes(node, node.real("min", -kInfinity), node.real("max", kInfinity))) {
    to.gives(node, to.x(node));
    return {};
  }
  const auto limit = [&](const char* key) {
    return to.constant(node.name + "." + key, {}, {static_cast<float>(node.real(key, 0))});
  };
  const bool least = node.attributes.count("min") > 0, most = node.attributes.count("max") > 0;
  // ONNX Runtime 1.30 refuses files where a Clip that bytes do not replace stands between a Conv and them.
  if (to.rounding_after(node.outputs[0]) && (least || most)) {
    std::string x = to.x(node);
    if (least) x = to.step("Max", node.name + (most ? ".least" : ""), {x, limit("min")});
    if (most) x = to.step("Min", node.name, {x, limit("max")});
    to.gives(node, x);
    return {};
  }
  Exporter::Names inputs = {to.x(node)};
  for (const char* key : {"min", "max"}) inputs.push_back(node.attributes.count(key) > 0 ? limit(key) : "");
  while (inputs.back().empty()) inputs.pop_back();
  to.make(node, "Clip", inputs);
  return {};
}

// To 8-bit integers and back, which programs that compute in them take for the range of the value.
Status export_fake_quantise(Exporter& to, const coppice::Node& node) {
  const Exporter::Bytes* there = to.bytes(node.inputs[0]);
  if (there != nullptr && there->rounding == rounding_of(node)) {
    to.set_bytes(node.outputs[0], *there);
    to.gives(node, to.x(node));
    return {};
  }
  const Exporter::Bytes bytes = to.rounded(node.name, to.x(node), rounding_of(node));
  to.set_bytes(node.outputs[0], bytes);
  to.gives(node, to.numbers(node.name, bytes));
  return {};
}

// Slopes of channels go along with the places behind them.
Status export_prelu(Exporter& to, const coppice::Node& node) {
  Integers sizes = to.shape(node.inputs[1]).sizes;
  if (to.shape(node.inputs[0]).axes == "chw") sizes.insert(sizes.end(), {1, 1});
  to.make(node, "PRelu", {to.x(node), to.parameter(node.inputs[1], sizes)});
  return {};
}

// ---- layers with weights

Status export_linear(Exporter& to, const coppice::Node& node) {
  Exporter::Names inputs = {to.x(node)};
  TRY(to.layer_parameters(node, inputs));
  to.make(node, "Gemm", inputs, {integer_attribute("transB", 1)});
  return {};
}

// ONNX pads with a wrap from opset 19 on; before, the places are named one by one.
std::string wrapped(Exporter& to, const coppice::Node& node, int64_t padding) {
  const Exporter::Bytes* bytes = to.bytes(node.inputs[0]);
  std::string x = bytes != nullptr ? bytes->bytes : to.x(node);
  for (const char axis : {'h', 'w'}) {
    const int64_t size = to.shape(node.inputs[0]).size(axis);
    Integers places;
    for (int64_t at = -padding; at < size + padding; ++at) places.push_back(((at % size) + size) % size);
    const std::string name = node.name + (axis == 'h' ? ".wrap_h" : ".wrap_w");
    x = to.step("Gather", name, {x, to.integers(name + ".places", places)},
                {integer_attribute("axis", axis == 'h' ? 2 : 3)});
  }
  if (bytes == nullptr) return x;
  return to.numbers(node.name + ".wrapped", {x, bytes->scale, bytes->zero_point, bytes->rounding});
}

Status export_conv2d(Exporter& to, const coppice::Node& node) {
  const Shape& weight = to.shape(node.inputs[1]);
  const int64_t stride = node.integer("stride", 1), dilation = node.integer("dilation", 1);
  int64_t padding = node.integer("padding", 0);
  Exporter::Names inputs = {to.x(node)};
  if (node.integer("wrap", 0) != 0) {
    inputs[0] = wrapped(to, node, padding);
    padding = 0;
  }
  TRY(to.layer_parameters(node, inputs));
  to.make(
      node, "Conv", inputs,
      {integers_attribute("dilations", {dilation, dilation}),
       integer_attribute("group", node.integer("groups", 1)),
       integers_attribute("kernel_shape", {weight.size('h'), weight.size('w')}),
       integers_attribute("pads", Integers(4, padding)), integers_attribute("strides", {stride, stride})});
  return {};
}

// In the form of inference: by the running statistics.
Status export_batch_norm(Exporter& to, const coppice::Node& node) {
  if (node.inputs.size() > 5)
    return unsupported("has a sum from a pass; export the network as it was before");
  Exporter::Names inputs = {to.x(node)};
  for (size_t i = 1; i < node.inputs.size(); ++i) inputs.push_back(to.parameter(node.inputs[i]));
  // ONNX says how much of the old statistics stays, PyTorch how much of the batch comes in.
  to.make(node, "BatchNormalization", inputs,
          {real_attribute("epsilon", node.real("epsilon", 1e-5)),
           real_attribute("momentum", 1.0 - node.real("momentum", 0.1))});
  return {};
}

Status export_layer_norm(Exporter& to, const coppice::Node& node) {
  to.make(node, "LayerNormalization",
          {to.x(node), to.parameter(node.inputs[1]), to.parameter(node.inputs[2])},
          {integer_attribute("axis", 1), real_attribute("epsilon", node.real("epsilon", 1e-5))});
  return {};
}

// ---- windows and parts of pictures

Exporter::Fields window_attributes(const coppice::Node& node) {
  const Integers kernel = node.integers("kernel", 2, {2});
  return {integers_attribute("kernel_shape", kernel),
          integers_attribute("pads", node.integers("padding", 4, {0})),
          integers_attribute("strides", node.integers("stride", 2, kernel))};
}

Status export_max_pool(Exporter& to, const coppice::Node& node) {
  to.make(node, "MaxPool", {to.x(node)}, window_attributes(node));
  return {};
}

Status export_avg_pool(Exporter& to, const coppice::Node& node) {
  Exporter::Fields attributes = window_attributes(node);
  attributes.push_back(integer_attribute("count_include_pad", node.integer("count_padding", 1)));
  to.make(node, "AveragePool", {to.x(node)}, attributes);
  return {};
}

Status export_global_pool(Exporter& to, const coppice::Node& node) {
  const std::string mean = to.step("GlobalAveragePool", node.name + ".mean", {to.x(node)});
  const Exporter::Fields axis = {integer_attribute("axis", 1)};
  const auto rounding = to.rounding_after(node.outputs[0]);
  if (!rounding) {
    to.make(node, "Flatten", {mean}, axis);
    return {};
  }
  // A mean of bytes becomes bytes before anything else happens to it, else programs compute it in floats.
  Exporter::Bytes bytes = to.rounded(node.name + ".mean.rounded", mean, *rounding);
  bytes.bytes = to.step("Flatten", node.name + ".bytes", {bytes.bytes}, axis);
  to.set_bytes(node.outputs[0], bytes);
  to.gives(node, to.numbers(node.name, bytes));
  return {};
}

// Sums and products in ONNX spread one of their operands by themselves.
bool spreads_itself(const Graph& graph, ValueId value) {
  if (value == graph.logits) return false;
  for (const coppice::Node& reader : graph.nodes()) {
    if (std::find(reader.inputs.begin(), reader.inputs.end(), value) == reader.inputs.end()) continue;
    const std::string op = reader.op->name;
    if (op != "add" && op != "mul") return false;
    const ValueId other = reader.inputs[reader.inputs[0] == value ? 1 : 0];
    const NodeId maker = graph.producer(other);
    if (maker >= 0 && std::string(graph.node(maker).op->name) == "spread") return false;
  }
  return true;
}

Status export_spread(Exporter& to, const coppice::Node& node) {
  const std::string axes = to.integers(node.name + ".axes", {2, 3});
  if (spreads_itself(to.graph(), node.outputs[0])) {
    to.make(node, "Unsqueeze", {to.x(node), axes});
    return {};
  }
  Integers sizes = {1};  // as many samples as there are
  for (const int64_t size : to.shape(node.outputs[0]).sizes) sizes.push_back(size);
  const std::string pixel = to.step("Unsqueeze", node.name + ".pixel", {to.x(node), axes});
  to.make(node, "Expand", {pixel, to.integers(node.name + ".sizes", sizes)});
  return {};
}

// Counts the samples, of which there are no more.
Status export_pad(Exporter& to, const coppice::Node& node) {
  Integers pads = {0};
  for (const int64_t before : list(node, "before", {0, 0, 0})) pads.push_back(before);
  pads.push_back(0);
  for (const int64_t after : list(node, "after", {0, 0, 0})) pads.push_back(after);
  Exporter::Names inputs = {to.x(node), to.integers(node.name + ".pads", pads)};
  if (const Exporter::Bytes* bytes = to.bytes(node.inputs[0])) inputs.push_back(bytes->zero_point);
  to.make(node, "Pad", inputs);
  return {};
}

Status export_slice(Exporter& to, const coppice::Node& node) {
  const Integers starts = list(node, "start", {0, 0, 0}), steps = list(node, "step", {1, 1, 1});
  const Integers& sizes = to.shape(node.outputs[0]).sizes;
  Integers ends;
  for (size_t d = 0; d < 3; ++d) ends.push_back(starts[d] + (sizes[d] - 1) * steps[d] + 1);
  to.make(node, "Slice",
          {to.x(node), to.integers(node.name + ".starts", starts), to.integers(node.name + ".ends", ends),
           to.integers(node.name + ".axes", {1, 2, 3}), to.integers(node.name + ".steps", steps)});
  return {};
}

// ---- activations of several nodes

std::string number(Exporter& to, const coppice::Node& node, const char* what, double value) {
  return to.constant(node.name + "." + what, {}, {static_cast<float>(value)});
}

Status export_silu(Exporter& to, const coppice::Node& node) {
  to.make(node, "Mul", {to.x(node), to.step("Sigmoid", node.name + ".sigmoid", {to.x(node)})});
  return {};
}

// x (1 + f(x)) / 2, where f is erf(x / sqrt(2)), or tanh(sqrt(2 / pi) x (1 + 0.044715 x^2)): as PyTorch's
// exporter writes the former, so that programs know it for a gelu.
Status export_gelu(Exporter& to, const coppice::Node& node) {
  const std::string &x = to.x(node), &at = node.name;
  std::string inner;
  if (node.text("approximate", "none") == "none") {
    inner = to.step("Div", at + ".div", {x, number(to, node, "root_2", std::sqrt(2.0))});
    inner = to.step("Erf", at + ".erf", {inner});
  } else {
    inner = to.step("Mul", at + ".square", {x, x});
    inner = to.step("Mul", at + ".cubic", {inner, number(to, node, "cubic_share", 0.044715)});
    inner = to.step("Add", at + ".inner", {inner, number(to, node, "linear_share", 1.0)});
    inner = to.step("Mul", at + ".times_x", {inner, x});
    inner = to.step("Mul", at + ".scaled", {inner, number(to, node, "root_2_over_pi", std::sqrt(2 / M_PI))});
    inner = to.step("Tanh", at + ".tanh", {inner});
  }
  inner = to.step("Add", at + ".add", {inner, number(to, node, "one", 1.0)});
  inner = to.step("Mul", at + ".mul", {x, inner});
  to.make(node, "Mul", {inner, number(to, node, "half", 0.5)});
  return {};
}

constexpr ExportRow kRows[] = {
    {"add", as<kAdd>},
    {"avg_pool", export_avg_pool},
    {"batch_norm", export_batch_norm},
    {"clip", export_clip},
    {"concat", export_concat},
    {"conv2d", export_conv2d},
    {"dropout", export_dropout},
    {"elu", export_elu},
    {"fake_quantise", export_fake_quantise},
    {"flatten", export_flatten, true},
    {"gelu", export_gelu},
    {"global_pool", export_global_pool},
    {"hard_sigmoid", export_hard_sigmoid},
    {"hard_swish", as<kHardSwish>},
    {"layer_norm", export_layer_norm},
    {"leaky_relu", export_leaky_relu},
    {"linear", export_linear},
    {"max_pool", export_max_pool, true},
    {"mul", as<kMul>},
    {"pad", export_pad, true},
    {"prelu", export_prelu},
    {"relu", export_relu},
    {"sigmoid", as<kSigmoid>},
    {"silu", export_silu},
    {"slice", export_slice, true},
    {"spread", export_spread, true},
    {"tanh", as<kTanh>},
};

}  // namespace

const ExportRow* find_export_row(const std::string& op) {
  for (const ExportRow& row : kRows)
    if (op == row.op) return &row;
  return nullptr;
}

}  // namespace coppice::onnx
