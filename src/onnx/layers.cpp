// SPDX-License-Identifier: Apache-2.0
// Layers with weights. What only adds to their bias, or scales what they say, becomes part of them.
#include <algorithm>
#include <cmath>

#include "onnx/ops.h"

namespace coppice::onnx {
namespace {

using Floats = std::vector<float>;

// One number for each of `count`: a constant that has as many, or one for all. Its other axes have one
// element, and `axis_from_back` axes may stand behind the numbers.
Result<Floats> spread(Importer& importer, const Constant& constant, int64_t count, size_t axes_behind) {
  Floats values = constant.all_reals();
  if (values.size() == 1) {
    TRY(importer.spend(static_cast<uint64_t>(count)));
    return Floats(static_cast<size_t>(count), values[0]);
  }
  const size_t rank = constant.dims.size();
  if (constant.size() != count || rank <= axes_behind || constant.dims[rank - 1 - axes_behind] != count)
    return unsupported("has a constant of " + sizes_text(constant.dims) +
                       ", needed is one number for each of " + std::to_string(count));
  return values;
}

// The running form of a batch norm: y = x * scale + shift.
struct Affine {
  Floats scale, shift;
};

struct Norm {
  Floats scale, bias, mean, variance;
  double epsilon = 1e-5, momentum = 0.9;
};

Result<Norm> read_norm(At& at, int64_t channels) {
  Norm norm;
  TRY_ASSIGN(norm.epsilon, at.real("epsilon", 1e-5));
  TRY_ASSIGN(norm.momentum, at.real("momentum", 0.9));
  TRY_ASSIGN(const int64_t training, at.integer("training_mode", 0));
  at.ignore("spatial");  // 1 in what exporters write; gone in opset 9
  if (training != 0)
    return unsupported("takes the mean of the batch (training_mode 1); export it in eval mode");
  Floats* const parts[] = {&norm.scale, &norm.bias, &norm.mean, &norm.variance};
  for (size_t i = 0; i < std::size(parts); ++i) {
    TRY_ASSIGN(const ConstantPtr values, at.constant(i + 1));
    TRY_ASSIGN(*parts[i], spread(at.importer, *values, channels, 0));
  }
  if (!(norm.epsilon > 0)) return unsupported("has an epsilon of 0 or less");
  return norm;
}

Affine affine_of(const Norm& norm) {
  Affine out;
  for (size_t c = 0; c < norm.scale.size(); ++c) {
    const double scale =
        static_cast<double>(norm.scale[c]) / std::sqrt(static_cast<double>(norm.variance[c]) + norm.epsilon);
    out.scale.push_back(static_cast<float>(scale));
    out.shift.push_back(
        static_cast<float>(static_cast<double>(norm.bias[c]) - static_cast<double>(norm.mean[c]) * scale));
  }
  return out;
}

// A layer before it becomes a node: what follows it alone may still join.
struct Layer {
  int64_t outputs = 0;
  Floats weight, bias;         // [outputs][inputs of each]; none, or [outputs]
  const Node* last = nullptr;  // whose output is the layer's

  const std::string& output() const { return last->outputs[0]; }
};

// A sum, difference, product or quotient of the layer and a constant; `value` is what the layer is so far.
bool reads_constant(const At& at, const Node& node, const std::string& value) {
  if (node.op != "Add" && node.op != "Sub" && node.op != "Mul" && node.op != "Div") return false;
  if (node.inputs.size() != 2 || node.outputs.empty()) return false;
  const bool first = node.inputs[0] == value;
  return at.importer.is_constant(node.inputs[first ? 1 : 0]) && (first || node.op != "Div");
}
Status take_constant(At& at, const Node& node, const std::string& value, size_t axes_behind, Layer& layer) {
  const bool first = node.inputs[0] == value, takes = node.op == "Sub", times = node.op == "Mul",
             divides = node.op == "Div";
  TRY_ASSIGN(const ConstantPtr constant, at.importer.constant(node.inputs[first ? 1 : 0]));
  TRY_ASSIGN(const Floats values, spread(at.importer, *constant, layer.outputs, axes_behind));
  if (divides && std::find(values.begin(), values.end(), 0.0F) != values.end())
    return unsupported("is divided by 0");
  const size_t inputs = layer.weight.size() / values.size();
  if (layer.bias.empty()) layer.bias.assign(values.size(), 0.0F);
  for (size_t o = 0; o < values.size(); ++o) {
    const auto scaled = [&, c = values[o]](float number) {
      return times ? number * c : divides ? number / c : takes && !first ? -number : number;
    };
    for (size_t i = 0; i < inputs; ++i) layer.weight[o * inputs + i] = scaled(layer.weight[o * inputs + i]);
    layer.bias[o] = scaled(layer.bias[o]);
    if (!times && !divides) layer.bias[o] += takes && first ? -values[o] : values[o];
  }
  layer.last = &node;
  return {};
}

// As many of them as follow one another.
Status join_constants(At& at, Layer& layer, size_t axes_behind) {
  const Node* next = at.importer.only_reader(layer.output());
  for (; next != nullptr && reads_constant(at, *next, layer.output());
       next = at.importer.only_reader(layer.output())) {
    TRY(take_constant(at, *next, layer.output(), axes_behind, layer));
    at.importer.absorb(*next, next->op == "Add" ? "is the bias of the layer before it"
                                                : "is part of the weights of the layer before it");
  }
  return {};
}

// Batch norm is kept after convolutions. Here it works on pictures, so after a linear layer it becomes part
// of its weights.
Status join_norm(At& at, Layer& layer) {
  const Node* next = at.importer.only_reader(layer.output());
  if (next == nullptr || next->op != "BatchNormalization" || next->inputs.empty() || next->outputs.empty() ||
      next->inputs[0] != layer.output())
    return {};
  At norm_at(at.importer, *next);
  auto norm = read_norm(norm_at, layer.outputs);
  // Its own row says why, when it comes to it.
  if (!norm.ok() || !norm_at.check_attributes().ok()) return {};
  const Affine affine = affine_of(*norm);
  const size_t inputs = layer.weight.size() / affine.scale.size();
  if (layer.bias.empty()) layer.bias.assign(affine.scale.size(), 0.0F);
  for (size_t o = 0; o < affine.scale.size(); ++o) {
    for (size_t i = 0; i < inputs; ++i) layer.weight[o * inputs + i] *= affine.scale[o];
    layer.bias[o] = layer.bias[o] * affine.scale[o] + affine.shift[o];
  }
  at.importer.absorb(*next, "is part of the weights of the layer before it");
  layer.last = next;
  return {};
}

// The weight of W [inputs][outputs] as [outputs][inputs].
Floats transposed(const Floats& in, int64_t rows, int64_t columns) {
  Floats out(in.size());
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < columns; ++c)
      out[static_cast<size_t>(c * rows + r)] = in[static_cast<size_t>(r * columns + c)];
  return out;
}

std::vector<ValueId> operands(At& at, const std::string& name, ValueId x, const Shape& weight, Layer layer) {
  std::vector<ValueId> out = {
      x, at.importer.parameter(name + ".weight", weight, ParamRole::kWeight, std::move(layer.weight))};
  if (!layer.bias.empty())
    out.push_back(at.importer.parameter(name + ".bias", {"c", {layer.outputs}}, ParamRole::kBias,
                                        std::move(layer.bias)));
  return out;
}

Status add_linear(At& at, const Activation& x, Layer layer, const std::string& weight_name) {
  const int64_t inputs = x.sizes[0];
  if (layer.outputs < 1 || inputs < 1) return invalid("has an empty weight");
  TRY(join_constants(at, layer, 0));
  TRY(join_norm(at, layer));
  const std::string name = at.importer.layer_name(at.node, weight_name), output = layer.output();
  const int64_t outputs = layer.outputs;
  TRY_ASSIGN(const ValueId y,
             at.importer.emit("linear", name,
                              operands(at, name, x.id, {"oi", {outputs, inputs}}, std::move(layer))));
  at.importer.set(output, {y, {outputs}});
  return {};
}

Result<ConstantPtr> matrix(const At& at) {
  TRY_ASSIGN(const ConstantPtr weight, at.constant(1));
  if (weight->dims.size() != 2)
    return unsupported("has a weight of " + sizes_text(weight->dims) + ", read are matrices");
  return weight;
}

Status check_inputs(const Activation& x, int64_t takes) {
  if (x.sizes[0] == takes) return {};
  return corrupt("has a weight for " + std::to_string(takes) + " inputs, and gets " +
                 std::to_string(x.sizes[0]));
}

}  // namespace

Status import_gemm(At& at) {
  TRY_ASSIGN(const double alpha, at.real("alpha", 1));
  TRY_ASSIGN(const double beta, at.real("beta", 1));
  TRY_ASSIGN(const int64_t trans_a, at.integer("transA", 0));
  TRY_ASSIGN(const int64_t trans_b, at.integer("transB", 0));
  if (trans_a != 0) return unsupported("transposes its samples (transA 1)");
  TRY_ASSIGN(const Activation x, at.flat(0));
  TRY_ASSIGN(const ConstantPtr weight, matrix(at));
  TRY(check_inputs(x, weight->dims[trans_b != 0 ? 1 : 0]));
  Layer layer;
  layer.last = &at.node;
  layer.outputs = weight->dims[trans_b != 0 ? 0 : 1];
  layer.weight = weight->all_reals();
  if (trans_b == 0) layer.weight = transposed(layer.weight, weight->dims[0], weight->dims[1]);
  for (float& value : layer.weight) value *= static_cast<float>(alpha);
  if (at.has(2)) {
    TRY_ASSIGN(const ConstantPtr bias, at.constant(2));
    TRY_ASSIGN(layer.bias, spread(at.importer, *bias, layer.outputs, 0));
    for (float& value : layer.bias) value *= static_cast<float>(beta);
  }
  return add_linear(at, x, std::move(layer), at.node.inputs[1]);
}

Status import_matmul(At& at) {
  TRY_ASSIGN(const Activation x, at.flat(0));
  TRY_ASSIGN(const ConstantPtr weight, matrix(at));
  TRY(check_inputs(x, weight->dims[0]));
  Layer layer;
  layer.last = &at.node;
  layer.outputs = weight->dims[1];
  layer.weight = transposed(weight->all_reals(), weight->dims[0], weight->dims[1]);
  return add_linear(at, x, std::move(layer), at.node.inputs[1]);
}

Status import_conv(At& at) {
  TRY_ASSIGN(const int64_t groups, at.integer("group", 1));
  TRY_ASSIGN(const ConstantPtr weight, at.constant(1));
  Sizes dims = weight->dims;
  if (dims.size() == 3) dims.insert(dims.begin() + 2, 1);
  if (dims.size() != 4 || weight->size() == 0)
    return unsupported("has a weight of " + sizes_text(weight->dims) +
                       ", read are convolutions of one or two dimensions");
  TRY_ASSIGN(const Activation any, at.activation(0));
  Layer layer;
  layer.last = &at.node;
  layer.outputs = dims[0];
  layer.weight = weight->all_reals();
  if (at.has(2)) {
    TRY_ASSIGN(const ConstantPtr bias, at.constant(2));
    TRY_ASSIGN(layer.bias, spread(at.importer, *bias, layer.outputs, 0));
  }
  const bool one_pixel = at.importer.graph().value(any.id).shape.axes == "f" && any.sizes.size() == 3 &&
                         any.sizes[1] == 1 && any.sizes[2] == 1;
  Activation x = any;
  if (!one_pixel) {
    TRY_ASSIGN(x, at.image(0));
  }
  const Shape shape = one_pixel ? Shape{"chw", any.sizes} : at.importer.graph().value(x.id).shape;
  if (weight->dims.size() != x.sizes.size() + 1)
    return corrupt("has a weight of " + sizes_text(weight->dims) + " for " + sizes_text(x.sizes));
  TRY_ASSIGN(const Windows windows, read_windows(at, shape, {dims[2], dims[3]}));
  TRY(join_constants(at, layer, x.sizes.size() - 1));
  const std::string output = layer.output();
  if (one_pixel) {
    // What global pooling leaves is a list here, on which a convolution of one tap is a linear layer.
    if (dims[2] != 1 || dims[3] != 1 || groups != 1 || windows.before[0] + windows.after[0] != 0 ||
        windows.before[1] + windows.after[1] != 0)
      return unsupported("goes over a single pixel with more than one tap, or in groups");
    if (dims[1] != any.sizes[0]) return corrupt("has a weight for another number of channels");
    const std::string name = at.importer.layer_name(at.node, at.node.inputs[1]);
    TRY_ASSIGN(const ValueId y,
               at.importer.emit("linear", name,
                                operands(at, name, x.id, {"oi", {dims[0], dims[1]}}, std::move(layer))));
    at.importer.set(output, {y, {dims[0], 1, 1}});
    return {};
  }
  TRY_ASSIGN(const int64_t stride, common_stride(windows, shape));
  int64_t dilation = windows.dilation[1];
  if (dims[3] == 1) dilation = windows.dilation[0];
  if (dims[2] != 1 && dims[3] != 1 && windows.dilation[0] != windows.dilation[1])
    return unsupported("has dilations that differ");
  const int64_t padding =
      std::min({windows.before[0], windows.before[1], windows.after[0], windows.after[1]});
  const std::string name = at.importer.layer_name(at.node, at.node.inputs[1]);
  TRY_ASSIGN(x.id, padded(at, name, x.id, windows, padding));
  TRY_ASSIGN(x.id,
             at.importer.emit("conv2d", name, operands(at, name, x.id, {"oihw", dims}, std::move(layer)),
                              {{"stride", stride},
                               {"padding", padding},
                               {"dilation", dilation},
                               {"groups", groups},
                               {"wrap", int64_t{0}}}));
  x.sizes = sizes_like(x.sizes, at.importer.graph().value(x.id).shape);
  at.importer.set(output, std::move(x));
  return {};
}

// Where no layer comes before: a factor and a summand for each channel, which no training or pruning changes.
Status import_constant(At& at) {
  if (at.node.inputs.size() != 2) return corrupt("should have two inputs");
  const size_t place = at.is_constant(0) ? 1 : 0;
  TRY_ASSIGN(const Activation any, at.activation(place));
  if (!reads_constant(at, at.node, at.node.inputs[place]))
    return unsupported("takes away, or divides by, what is no constant");
  if (any.sizes.size() == 1)
    return unsupported("has a constant, and is part of no layer before it; alone it works on pictures");
  TRY_ASSIGN(Activation x, at.image(place));
  const int64_t channels = x.sizes[0];
  Layer layer;
  layer.outputs = channels;
  layer.weight.assign(static_cast<size_t>(channels), 1.0F);
  TRY(take_constant(at, at.node, at.node.inputs[place], x.sizes.size() - 1, layer));
  TRY(join_constants(at, layer, x.sizes.size() - 1));
  const std::string name = at.importer.layer_name(at.node), output = layer.output();
  const std::vector<ValueId> all = operands(at, name, x.id, {"oihw", {channels, 1, 1, 1}}, std::move(layer));
  for (size_t i = 1; i < all.size(); ++i) at.importer.graph().value(all[i]).frozen = true;
  TRY_ASSIGN(x.id, at.importer.emit("conv2d", name, all, {{"groups", channels}}));
  at.importer.set(output, std::move(x));
  return {};
}

Status import_batch_norm(At& at) {
  TRY_ASSIGN(const Activation any, at.activation(0));
  TRY_ASSIGN(Norm norm, read_norm(at, any.sizes[0]));
  if (any.sizes.size() == 1)
    return unsupported(
        "normalises a list that no linear layer of its own makes; batch norm here works on "
        "pictures, or becomes part of a layer");
  TRY_ASSIGN(Activation x, at.image(0));
  Importer& importer = at.importer;
  const std::string name = importer.layer_name(at.node, at.node.inputs[1]);
  const Shape channels{"c", {x.sizes[0]}};
  const ValueId scale =
                    importer.parameter(name + ".weight", channels, ParamRole::kScale, std::move(norm.scale)),
                bias = importer.parameter(name + ".bias", channels, ParamRole::kBias, std::move(norm.bias)),
                mean = importer.state(name + ".running_mean", channels, std::move(norm.mean)),
                variance = importer.state(name + ".running_var", channels, std::move(norm.variance));
  // ONNX says how much of the old statistics stays, PyTorch how much of the batch comes in.
  TRY_ASSIGN(x.id, importer.emit("batch_norm", name, {x.id, scale, bias, mean, variance},
                                 {{"momentum", 1.0 - norm.momentum}, {"epsilon", norm.epsilon}}));
  at.is(std::move(x));
  return {};
}

Status import_layer_norm(At& at) {
  TRY_ASSIGN(const double epsilon, at.real("epsilon", 1e-5));
  TRY_ASSIGN(const int64_t axis, at.integer("axis", -1));
  at.ignore("stash_type");
  TRY_ASSIGN(Activation x, at.activation(0));
  if (axis != 1 && axis != -static_cast<int64_t>(x.sizes.size()))
    return unsupported("normalises a part of " + sizes_text(x.sizes) +
                       "; here a sample is normalised as a whole");
  Importer& importer = at.importer;
  const Shape shape = importer.graph().value(x.id).shape;
  const std::string name = importer.layer_name(at.node, at.has(1) ? at.node.inputs[1] : "");
  const auto count = static_cast<size_t>(shape.elements());
  std::vector<float> scale(count, 1.0F), bias(count, 0.0F);
  for (const size_t input : {size_t{1}, size_t{2}}) {
    if (!at.has(input)) continue;
    TRY_ASSIGN(const ConstantPtr values, at.constant(input));
    if (values->size() != shape.elements()) return unsupported("has a scale of another size than its input");
    (input == 1 ? scale : bias) = values->all_reals();
  }
  TRY_ASSIGN(x.id, importer.emit("layer_norm", name,
                                 {x.id, importer.parameter(name + ".weight", shape, ParamRole::kScale, scale),
                                  importer.parameter(name + ".bias", shape, ParamRole::kBias, bias)},
                                 {{"epsilon", epsilon}}));
  at.is(std::move(x));
  return {};
}

Status import_prelu(At& at) {
  TRY_ASSIGN(Activation x, at.activation(0));
  TRY_ASSIGN(const ConstantPtr slope, at.constant(1));
  const int64_t count = slope->size() == 1 ? 1 : x.sizes[0];
  TRY_ASSIGN(const std::vector<float> slopes, spread(at.importer, *slope, count, x.sizes.size() - 1));
  const std::string name = at.importer.layer_name(at.node, at.node.inputs[1]);
  TRY_ASSIGN(x.id, at.importer.emit("prelu", name,
                                    {x.id, at.importer.parameter(name + ".weight", {"c", {count}},
                                                                 ParamRole::kScale, slopes)}));
  at.is(std::move(x));
  return {};
}

}  // namespace coppice::onnx
