// SPDX-License-Identifier: Apache-2.0
#include "onnx/exporter.h"

#include <algorithm>

#include "base/text.h"
#include "coppice.h"
#include "graph/op.h"
#include "report/text.h"
#include "sparse/dense.h"

namespace coppice::onnx {
namespace {

constexpr char kInput[] = "input", kOutput[] = "output", kBatch[] = "N";
constexpr int64_t kReal = 1, kInteger = 2, kIntegers = 7;  // AttributeProto.AttributeType
// A protobuf message is smaller than 2 GiB; nodes and names have to fit beside the weights.
constexpr int64_t kLargestFile = int64_t{2} << 30, kLargestWeights = kLargestFile - (int64_t{16} << 20);
constexpr size_t kMostProblems = 30;

ProtoWriter value_info(const char* name, const std::vector<int64_t>& sizes) {
  ProtoWriter shape;
  shape.message(1, ProtoWriter().bytes(2, kBatch));
  for (const int64_t size : sizes) shape.message(1, ProtoWriter().integer(1, size));
  return ProtoWriter().bytes(1, name).message(
      2, ProtoWriter().message(
             1, ProtoWriter().integer(1, static_cast<int64_t>(Type::kFloat)).message(2, shape)));
}

// One number for each channel, so that it goes along with a sample of this shape.
struct PerChannel {
  std::vector<int64_t> sizes;
  std::vector<float> values;
};
PerChannel along_channels(const Shape& x, const std::vector<float>& numbers) {
  const auto channels = static_cast<int64_t>(numbers.size());
  if (channels == 1) return {{}, numbers};
  if (x.axes == "chw" && x.sizes[0] == channels) return {{channels, 1, 1}, numbers};
  // A flat sample has its channels one after the other.
  PerChannel out{x.sizes, {}};
  for (const float number : numbers)
    out.values.insert(out.values.end(), static_cast<size_t>(x.elements() / channels), number);
  return out;
}

}  // namespace

ProtoWriter real_attribute(const char* name, double value) {
  return ProtoWriter().bytes(1, name).real(2, static_cast<float>(value)).integer(20, kReal);
}
ProtoWriter integer_attribute(const char* name, int64_t value) {
  return ProtoWriter().bytes(1, name).integer(3, value).integer(20, kInteger);
}
ProtoWriter integers_attribute(const char* name, const std::vector<int64_t>& values) {
  ProtoWriter out;
  out.bytes(1, name);
  for (const int64_t value : values) out.integer(8, value);
  out.integer(20, kIntegers);
  return out;
}

Result<ExportedNetwork> Exporter::run() {
  TRY(check_size());
  TRY(check_normalisation());
  TRY(check_integers());
  declare();
  const Graph& graph = network_.graph;
  // What the loss needs beside the outputs stays out.
  std::set<ValueId> needed{graph.logits};
  for (size_t n = graph.nodes().size(); n-- > 0;) {
    const coppice::Node& node = graph.nodes()[n];
    if (std::any_of(node.outputs.begin(), node.outputs.end(),
                    [&](ValueId output) { return needed.count(output) > 0; }))
      needed.insert(node.inputs.begin(), node.inputs.end());
  }
  for (const coppice::Node& node : graph.nodes())
    if (needed.count(node.outputs[0]) > 0) export_node(node);
  if (problem_count_ > 0) {
    if (problem_count_ > kMostProblems)
      problems_ += "; and " + std::to_string(problem_count_ - kMostProblems) + " more";
    return unsupported("cannot be exported: " + problems_ + "; docs/export.md lists what can");
  }
  TRY(finish());
  result_.bytes = file();
  return std::move(result_);
}

Status Exporter::check_size() const {
  int64_t bytes = 0;
  for (const std::vector<Param>* list : {&network_.params, &network_.states})
    for (const Param& param : *list) bytes += param.total() * static_cast<int64_t>(sizeof(float));
  if (bytes <= kLargestWeights) return {};
  return unsupported("cannot be exported: its weights are " + bytes_text(bytes) +
                     " with their zeros, and an ONNX file is at most " + bytes_text(kLargestFile) +
                     "; a .safetensors file takes them");
}

Status Exporter::check_normalisation() const {
  if (!options_.normalisation) return {};
  const auto numbers = static_cast<int64_t>(options_.normalisation->mean.size());
  const Shape& x = shape(network_.graph.input);
  if (numbers > 0 && options_.normalisation->stddev.size() == options_.normalisation->mean.size() &&
      x.elements() % numbers == 0)
    return {};
  return invalid("cannot be exported: the normalisation has " + std::to_string(numbers) +
                 " channels, which do not divide an input of " + x.text());
}

// The names that others look for are taken first: of the input, the output and the parameters.
void Exporter::declare() {
  taken_ = {kInput, kOutput};
  const Graph& graph = network_.graph;
  for (size_t v = 0; v < graph.values().size(); ++v) {
    const Value& value = graph.values()[v];
    if (value.kind == ValueKind::kParam || value.kind == ValueKind::kState)
      names_[static_cast<ValueId>(v)] = unique(value.name);
  }
  const Shape& x = shape(graph.input);
  result_.input_sizes = x.sizes;
  result_.output_sizes = shape(graph.logits).sizes;
  names_[graph.input] = kInput;
  there_ = {kInput};
  if (!options_.normalisation) return;
  const PerChannel mean = along_channels(x, options_.normalisation->mean),
                   stddev = along_channels(x, options_.normalisation->stddev);
  const std::string centred =
      step("Sub", "preprocess.sub", {kInput, constant("preprocess.mean", mean.sizes, mean.values)});
  names_[graph.input] =
      step("Div", "preprocess.div", {centred, constant("preprocess.stddev", stddev.sizes, stddev.values)});
}

void Exporter::export_node(const coppice::Node& node) {
  const std::span<const AttributeDef> known = node.op->attributes;
  const ExportRow* row = find_export_row(node.op->name);
  Status status = row == nullptr ? unsupported("has no row in the table of ops") : Status();
  for (const auto& [key, value] : node.attributes)
    if (std::none_of(known.begin(), known.end(),
                     [&, k = key](const AttributeDef& def) { return k == def.name; }))
      status = unsupported("has '" + key + "' from a pass; export the network as it was before");
  const size_t before = nodes_.size();
  if (status.ok())
    status = row->moves && bytes(node.inputs[0]) ? move_bytes(node, row->write) : row->write(*this, node);
  for (size_t n = before; n < nodes_.size(); ++n)
    for (const std::string& input : nodes_[n].inputs)
      if (!input.empty() && there_.count(input) == 0)
        status = unsupported("reads '" + input + "', which is no activation");
  if (status.ok()) return;
  refuse(node, status);
  // What follows is judged for itself.
  names_[node.outputs[0]] = node.name;
  there_.insert(node.name);
}

void Exporter::refuse(const coppice::Node& node, const Status& why) {
  if (++problem_count_ > kMostProblems) return;
  append_item(problems_, std::string(node.op->name) + " '" + node.name + "': " + why.message(), "; ");
}

Status Exporter::finish() {
  const Graph& graph = network_.graph;
  std::string last = name(graph.logits);
  if (options_.probabilities) {
    const std::string ending = ending_of(graph);
    if (ending.empty())
      return unsupported("says numbers, not probabilities: its loss holds no softmax and no sigmoid");
    last = ending == "softmax" ? step("Softmax", ending, {last}, {integer_attribute("axis", -1)})
                               : step("Sigmoid", ending, {last});
  }
  drop_unread();
  // An output has to be made by a node.
  if (last == kInput) last = step("Identity", "identity", {last});
  for (FileNode& node : nodes_) {
    std::replace(node.inputs.begin(), node.inputs.end(), last, std::string(kOutput));
    if (node.output == last) node.output = kOutput;
  }
  return {};
}

std::string Exporter::file() {
  ProtoWriter graph;
  for (const FileNode& node : nodes_) {
    ProtoWriter out;
    for (const std::string& input : node.inputs) out.bytes(1, input);
    out.bytes(2, node.output).bytes(3, node.name).bytes(4, node.op);
    for (const ProtoWriter& attribute : node.attributes) out.message(5, attribute);
    graph.message(1, out);
  }
  graph.bytes(2, "coppice");
  for (ProtoWriter& tensor : tensors_) {
    graph.message(5, tensor);
    tensor = {};  // so that all weights lie in memory twice at most
  }
  graph.message(11, value_info(kInput, result_.input_sizes));
  graph.message(12, value_info(kOutput, result_.output_sizes));
  ProtoWriter model;
  model.integer(1, kExportIr).bytes(2, "coppice").bytes(3, COPPICE_VERSION_STRING).message(7, graph);
  model.message(8, ProtoWriter().bytes(1, "").integer(2, kExportOpset));
  for (const auto& [key, text] : options_.metadata)
    model.message(14, ProtoWriter().bytes(1, key).bytes(2, text));
  return model.out();
}

// Of an output that ops keep for their gradients nothing is in the file.
const std::string& Exporter::name(ValueId value) const {
  const auto found = names_.find(value);
  return found == names_.end() ? network_.graph.value(value).name : found->second;
}

// A name that is taken gets a number.
std::string Exporter::unique(const std::string& wish) {
  std::string name = wish;
  for (int number = 2; !taken_.insert(name).second; ++number) name = wish + "_" + std::to_string(number);
  return name;
}

void Exporter::tensor(const std::string& name, const std::vector<int64_t>& sizes, Type type,
                      std::string_view raw) {
  there_.insert(name);
  ProtoWriter& out = tensors_.emplace_back();
  for (const int64_t size : sizes) out.integer(1, size);
  out.integer(2, static_cast<int64_t>(type)).bytes(8, name).bytes(9, raw);
}

std::string Exporter::parameter(ValueId value, const std::vector<int64_t>& sizes) {
  auto& uses = parameters_[value];
  if (const auto found = uses.find(sizes); found != uses.end()) return found->second;
  // Its own name, unless it is there already with other sizes.
  const std::string use = uses.empty() ? name(value) : unique(name(value));
  tensor(use, sizes, Type::kFloat, bytes_of(dense_floats(*network_.find(network_.graph.value(value).name))));
  return uses[sizes] = use;
}

std::string Exporter::constant(const std::string& wish, const std::vector<int64_t>& sizes,
                               const std::vector<float>& values) {
  return constant(wish, sizes, Type::kFloat, bytes_of(values));
}

std::string Exporter::constant(const std::string& wish, const std::vector<int64_t>& sizes, Type type,
                               std::string_view raw) {
  std::string name = unique(wish);
  tensor(name, sizes, type, raw);
  return name;
}

std::string Exporter::integers(const std::string& wish, const std::vector<int64_t>& values) {
  return constant(wish, {static_cast<int64_t>(values.size())}, Type::kInt64, bytes_of(values));
}

std::string Exporter::step(const char* op, const std::string& wish, const Names& inputs,
                           const Fields& attributes) {
  std::string name = unique(wish);
  nodes_.push_back({op, name, inputs, name, attributes});
  there_.insert(name);
  ++result_.ops[op];
  return name;
}

void Exporter::make(const coppice::Node& node, const char* op, const Names& inputs,
                    const Fields& attributes) {
  names_[node.outputs[0]] = step(op, node.name, inputs, attributes);
}

}  // namespace coppice::onnx

namespace coppice {

std::string ending_of(const Graph& graph) {
  const NodeId id = graph.producer(graph.loss);
  const std::string loss = id < 0 ? "" : graph.node(id).op->name;
  return loss == "softmax_cross_entropy" ? "softmax" : loss == "binary_cross_entropy" ? "sigmoid" : "";
}

Result<ExportedNetwork> export_onnx(const Network& network, const ExportOptions& options) {
  return onnx::Exporter(network, options).run();
}

}  // namespace coppice
