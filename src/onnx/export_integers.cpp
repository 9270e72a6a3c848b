// SPDX-License-Identifier: Apache-2.0
// What the exporter writes of networks in 8-bit integers: pairs of QuantizeLinear and DequantizeLinear around
// values, and integers for the parameters of layers, as ONNX Runtime's own quantisation of a network does, so
// that it finds its integer kernels for them.
#include <algorithm>
#include <cmath>
#include <utility>

#include "formats/apply.h"
#include "graph/op.h"
#include "onnx/exporter.h"
#include "passes/nodes.h"

namespace coppice::onnx {
namespace {

constexpr char kRound[] = "fake_quantise";
constexpr int64_t kMostColumns = COPPICE_APPLY_I8_COLS;  // of which products of bytes fit a sum of 32 bits

// A layer's parameters in integers: value = integer * scale of the row, and a bias in steps of x and row.
struct IntegerLayer {
  std::vector<int8_t> weight;  // with its zeros
  std::vector<int32_t> bias;   // empty, or one for each row
  std::vector<float> scale, bias_scale;
};

IntegerLayer in_integers(const Pattern& pattern, const std::vector<float>& values,
                         const std::vector<float>& bias, float x_scale) {
  IntegerLayer out;
  QuantisedRows rows = quantise_rows(pattern, values, bias, x_scale);
  out.scale = std::move(rows.scale);
  out.weight.assign(static_cast<size_t>(pattern.rows() * pattern.cols()), 0);
  const std::vector<size_t> places = live_places(pattern);
  for (size_t k = 0; k < places.size(); ++k) out.weight[places[k]] = rows.value[k];
  for (const float scale : out.scale) out.bias_scale.push_back(x_scale * scale);
  for (size_t row = 0; row < bias.size(); ++row)
    out.bias.push_back(static_cast<int32_t>(std::nearbyint(bias[row] / (double{x_scale} * out.scale[row]))));
  return out;
}

bool all_finite(const std::vector<float>& values) {
  return std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); });
}

}  // namespace

Exporter::Rounding rounding_of(const coppice::Node& node) {
  return {static_cast<float>(node.real("scale", 1.0)), static_cast<int8_t>(node.integer("zero_point", 0))};
}

Status Exporter::check_integers() const {
  if (!options_.integers) return {};
  const auto& nodes = network_.graph.nodes();
  if (std::any_of(nodes.begin(), nodes.end(), [](const coppice::Node& node) { return is(node, kRound); }))
    return {};
  return invalid("cannot be exported in integers: no fake_quantise says how its activations are rounded");
}

const Exporter::Bytes* Exporter::bytes(ValueId value) const {
  const auto found = bytes_.find(value);
  return options_.integers && found != bytes_.end() ? &found->second : nullptr;
}

std::optional<Exporter::Rounding> Exporter::rounding_after(ValueId value) const {
  const NodeId reader = options_.integers ? only_reader(network_.graph, value) : -1;
  if (reader < 0 || !is(network_.graph.node(reader), kRound)) return std::nullopt;
  return rounding_of(network_.graph.node(reader));
}

bool Exporter::ends_with_bytes(const coppice::Node& clip, double low, double high) const {
  const auto after = rounding_after(clip.outputs[0]);
  if (!after) return false;
  return std::nearbyint(low / after->scale) + after->zero_point <= -128 &&
         std::nearbyint(high / after->scale) + after->zero_point >= 127;
}

Exporter::Bytes Exporter::rounded(const std::string& wish, const std::string& x, Rounding rounding) {
  const bool plain = options_.integers == ByteKind::kUnsigned;
  const char zero = static_cast<char>(rounding.zero_point + (plain ? 128 : 0));
  Bytes out;
  out.rounding = rounding;
  out.scale = constant(wish + ".scale", {}, {rounding.scale});
  out.zero_point = constant(wish + ".zero_point", {}, plain ? Type::kUint8 : Type::kInt8, {&zero, 1});
  out.bytes = step("QuantizeLinear", wish + ".integers", {x, out.scale, out.zero_point});
  return out;
}

std::string Exporter::numbers(const std::string& wish, const Bytes& bytes) {
  return step("DequantizeLinear", wish, {bytes.bytes, bytes.scale, bytes.zero_point});
}

// What only moves numbers does so with bytes: programs that compute in integers need not find out that the
// steps before and behind it are the same.
Status Exporter::move_bytes(const coppice::Node& node,
                            Status (*write)(Exporter& to, const coppice::Node& node)) {
  Bytes moved = *bytes(node.inputs[0]);
  const std::string read = std::exchange(names_[node.inputs[0]], moved.bytes);
  const Status status = write(*this, node);
  names_[node.inputs[0]] = read;
  TRY(status);
  moved.bytes = name(node.outputs[0]);
  set_bytes(node.outputs[0], moved);
  gives(node, numbers(node.name + ".real", moved));
  return {};
}

// Numbers of bytes that only move.
void Exporter::drop_unread() {
  std::set<std::string> read{name(network_.graph.logits)};
  for (const FileNode& node : nodes_) read.insert(node.inputs.begin(), node.inputs.end());
  std::erase_if(nodes_, [&](const FileNode& node) {
    const bool unread = node.op == "DequantizeLinear" && read.count(node.output) == 0;
    if (unread) --result_.ops[node.op];
    return unread;
  });
}

// Integers of rows, each with its scale, as numbers.
std::string Exporter::rows_back(const std::string& parameter, Type type, const std::vector<int64_t>& sizes,
                                std::string_view integers, const std::vector<float>& scale) {
  const std::vector<int64_t> rows{static_cast<int64_t>(scale.size())};
  const std::string whole = constant(parameter + ".integers", sizes, type, integers),
                    steps = constant(parameter + ".scale", rows, scale),
                    zero = constant(parameter + ".zero_point", rows, type,
                                    std::string(scale.size() * (type == Type::kInt8 ? 1 : 4), '\0'));
  return step("DequantizeLinear", parameter + ".real", {whole, steps, zero}, {integer_attribute("axis", 0)});
}

Status Exporter::layer_parameters(const coppice::Node& node, Names& inputs) {
  const Bytes* x = bytes(node.inputs[0]);
  if (x == nullptr) {
    for (size_t i = 1; i < node.inputs.size(); ++i) inputs.push_back(parameter(node.inputs[i]));
    return {};
  }
  const auto param_of = [&](size_t i) -> const Param& {
    return *network_.find(network_.graph.value(node.inputs[i]).name);
  };
  const Param& weight = param_of(1);
  const Pattern pattern = weight.pattern();
  const bool biased = node.inputs.size() > 2;
  const std::vector<float> values = weight.canonical(weight.value),
                           bias = biased ? param_of(2).canonical(param_of(2).value) : std::vector<float>();
  if (!all_finite(values) || !all_finite(bias))
    return unsupported("has a weight or bias that is NaN or infinite, which integers are not");
  if (pattern.cols() > kMostColumns)
    return unsupported("has " + std::to_string(pattern.cols()) +
                       " inputs, more than sums of integers take (" + std::to_string(kMostColumns) + ")");
  const IntegerLayer layer = onnx::in_integers(pattern, values, bias, x->rounding.scale);
  inputs.push_back(rows_back(weight.name(), Type::kInt8, weight.dims(), bytes_of(layer.weight), layer.scale));
  if (biased)
    inputs.push_back(rows_back(param_of(2).name(), Type::kInt32, {pattern.rows()}, bytes_of(layer.bias),
                               layer.bias_scale));
  return {};
}

}  // namespace coppice::onnx
