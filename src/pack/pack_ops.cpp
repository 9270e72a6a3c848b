// SPDX-License-Identifier: Apache-2.0
// The steps that ops become: one row each. docs/format.md is the list of steps for people.
#include <algorithm>
#include <cmath>

#include "graph/lowering.h"
#include "graph/op.h"
#include "pack/packer.h"

namespace coppice::pack {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

coppice_cpk_type type_of(bool integers) { return integers ? COPPICE_CPK_I8 : COPPICE_CPK_F32; }

// Limits of an ending, where the step keeps them.
void limit(coppice_cpk_step& step, const Ending& ending, const coppice_cpk_value& y) {
  step.low = static_cast<float>(ending.low);
  if (y.type == COPPICE_CPK_F32) return;
  step.low_i8 = quantised(ending.low, {y.scale, y.zero_point});
  step.high_i8 = quantised(ending.high, {y.scale, y.zero_point});
}

// ---- layers with weights

Status encode(Packer& to, const Node& node, int64_t group_rows, const coppice_cpk_value& x,
              const coppice_cpk_value& y, EncodedLayer& out) {
  const Param& weight = to.param(node.inputs[1]);
  const Pattern pattern = weight.pattern();
  const std::vector<float> values = to.numbers(node.inputs[1]);
  const std::vector<float> bias = node.inputs.size() > 2 ? to.numbers(node.inputs[2]) : std::vector<float>{};
  LayerWeights layer{.pattern = pattern, .values = values, .bias = bias};
  layer.group_rows = group_rows;
  layer.integers = to.quantises_weights();
  layer.x = integers_of(x);
  layer.y = integers_of(y);
  layer.conv = std::string(node.op->name) == "conv2d";
  layer.pixels = int64_t{y.height} * y.width;
  TRY_ASSIGN(out, encode_layer(layer, to.goal(), to.rates(), to.data()));
  return {};
}

void describe(Packer& to, const Node& node, const EncodedLayer& layer) {
  const Param& weight = to.param(node.inputs[1]);
  PackedStep& step = to.described();
  step.weight = weight.name();
  step.live = weight.live();
  step.total = weight.total();
  step.block = weight.pattern().block().text();
  step.format = layer.format;
  step.reason = layer.reason;
  step.bytes = layer.bytes;
}

void fill(coppice_cpk_step& step, const EncodedLayer& layer, const Ending& ending,
          const coppice_cpk_value& y) {
  step.weights = layer.weights;
  step.flags = layer.flags;
  step.data = layer.data;
  step.entries = layer.entries;
  limit(step, ending, y);
}

// What comes out behind a layer: integers where they may be.
int32_t make_output(Packer& to, ValueId y, bool integers) {
  const bool stays = integers && to.may_be_integers(y);
  return to.make(y, stays ? std::optional(to.quantisation(y)) : std::nullopt);
}

Status pack_linear(Packer& to, const Node& node) {
  const bool integers = to.may_be_integers(node.inputs[0]);
  const int32_t x = to.operand(node.inputs[0], type_of(integers));
  const Ending ending = to.ending(node.outputs[0], false, integers);
  const int32_t y = make_output(to, ending.y, integers);
  EncodedLayer layer;
  TRY(encode(to, node, to.param(node.inputs[1]).dims()[0], to.value(x), to.value(y), layer));
  fill(to.step(node, COPPICE_CPK_LINEAR, x, -1, y), layer, ending, to.value(y));
  describe(to, node, layer);
  return {};
}

Status pack_conv2d(Packer& to, const Node& node) {
  const Shape &weight = to.graph().value(node.inputs[1]).shape,
              &out = to.graph().value(node.outputs[0]).shape;
  Packer::Windows w{weight.size('h'),
                    weight.size('w'),
                    node.integer("stride", 1),
                    node.integer("dilation", 1),
                    node.integer("padding", 0),
                    node.integer("wrap", 0) != 0,
                    out.size('h'),
                    out.size('w')};
  if (std::max({w.kernel_y, w.kernel_x, w.stride, w.dilation, w.padding}) > INT16_MAX || w.stride > 64)
    return unsupported("its window is larger than images take");
  const bool integers = to.may_be_integers(node.inputs[0]);
  const int32_t x = to.windowed(to.operand(node.inputs[0], type_of(integers)), w);
  const Ending ending = to.ending(node.outputs[0], !integers, integers);
  const int32_t addend = ending.addend == kNoValue ? -1 : to.operand(ending.addend, COPPICE_CPK_F32);
  const int32_t y = make_output(to, ending.y, integers);
  const int64_t groups = node.integer("groups", 1);
  const auto group_rows = static_cast<int32_t>(weight.size('o') / groups);
  EncodedLayer layer;
  TRY(encode(to, node, group_rows, to.value(x), to.value(y), layer));
  coppice_cpk_step& step = to.step(node, COPPICE_CPK_CONV, x, addend, y);
  const auto small = [](int64_t v) { return static_cast<int16_t>(v); };
  step.as.conv = {small(w.kernel_y), small(w.kernel_x),
                  small(w.stride),   small(w.dilation),
                  small(w.padding),  0,
                  group_rows,        static_cast<int32_t>(to.value(x).channels / groups)};
  fill(step, layer, ending, to.value(y));
  describe(to, node, layer);
  return {};
}

// ---- sums and products

Status pack_add(Packer& to, const Node& node) {
  const Ending ending = to.ending(node.outputs[0], false, to.may_be_integers(node.outputs[0]));
  const bool integers = to.may_be_integers(node.inputs[0]) && to.may_be_integers(node.inputs[1]) &&
                        to.may_be_integers(ending.y);
  const int32_t a = to.operand(node.inputs[0], type_of(integers)),
                b = to.operand(node.inputs[1], type_of(integers));
  const bool spread = to.value(b).height != to.value(a).height || to.value(b).width != to.value(a).width;
  if (integers && spread) return unsupported("adds integers that are spread over a picture");
  const int32_t y = to.make(ending.y, integers ? std::optional(to.quantisation(ending.y)) : std::nullopt);
  coppice_cpk_step& step = to.step(node, COPPICE_CPK_ADD, a, b, y);
  limit(step, ending, to.value(y));
  if (!integers) return {};
  const auto q = [&](int32_t v) { return Quantisation{to.value(v).scale, to.value(v).zero_point}; };
  TRY_ASSIGN(step.as.sum, integer_sum(q(a), q(b), q(y)));
  return {};
}

Status pack_mul(Packer& to, const Node& node) {
  int32_t a = to.operand(node.inputs[0], COPPICE_CPK_F32), b = to.operand(node.inputs[1], COPPICE_CPK_F32);
  const auto pixels = [&](int32_t v) { return to.value(v).height * to.value(v).width; };
  if (pixels(a) < pixels(b)) std::swap(a, b);  // the spread one comes second
  const Ending ending = to.ending(node.outputs[0], false, false);
  const int32_t y = to.make(ending.y, std::nullopt);
  coppice_cpk_step& step = to.step(node, COPPICE_CPK_ADD, a, b, y);
  step.flags = COPPICE_CPK_PRODUCT;
  limit(step, ending, to.value(y));
  if (to.integers()) to.computes_in_floats(node, "products have no integer form");
  return {};
}

// One pixel for each channel, which sums and products spread by themselves.
Status pack_spread(Packer& to, const Node& node) {
  for (const Node& reader : to.graph().nodes()) {
    const std::string op = reader.op->name;
    if (std::find(reader.inputs.begin(), reader.inputs.end(), node.outputs[0]) != reader.inputs.end() &&
        op != "mul")
      return unsupported("is read by '" + reader.name + "' (" + op +
                         "); images spread numbers in products only");
  }
  to.stands_for(node.outputs[0], to.operand(node.inputs[0], COPPICE_CPK_F32));
  return {};
}

// ---- functions of single numbers

// What the op says of 256 numbers.
std::vector<double> values_at(const Node& node, const std::vector<double>& x) {
  const ReferenceArray in{Shape{"f", {static_cast<int64_t>(x.size())}}, x};
  ReferenceArray out{in.shape, std::vector<double>(x.size(), 0.0)};
  node.op->reference({node, 1, false, 1.0, 0, 0, {&in}, {&out}});
  return out.data;
}

// y for each integer of x.
std::vector<int8_t> table_of(const Node& node, Quantisation x, Quantisation y) {
  std::vector<double> numbers;
  for (int i = INT8_MIN; i <= INT8_MAX; ++i) numbers.push_back((i - x.zero_point) * double{x.scale});
  if (node.op) numbers = values_at(node, numbers);
  std::vector<int8_t> table(numbers.size());
  std::ranges::transform(numbers, table.begin(),
                         [&](double number) { return static_cast<int8_t>(quantised(number, y)); });
  return table;
}

void put_table(Packer& to, const Node& node, int32_t x, int32_t y) {
  const auto q = [&](int32_t v) { return Quantisation{to.value(v).scale, to.value(v).zero_point}; };
  const uint32_t data = to.data().align(sizeof(uint32_t));
  to.data().append(table_of(node, q(x), q(y)));
  to.step(node, COPPICE_CPK_MAP, x, -1, y).data = data;
}

template <coppice_function kFunction>
Status pack_map(Packer& to, const Node& node) {
  const ValueId out = node.outputs[0];
  if (to.may_be_integers(node.inputs[0]) && to.may_be_integers(out)) {
    const int32_t x = to.operand(node.inputs[0], COPPICE_CPK_I8);
    put_table(to, node, x, to.make(out, to.quantisation(out)));
    return {};
  }
  if (to.integers()) to.computes_in_floats(node, "it gives the answer");
  const int32_t x = to.operand(node.inputs[0], COPPICE_CPK_F32), y = to.make(out, std::nullopt);
  coppice_cpk_map map{kFunction, 0, 0};
  if (kFunction == COPPICE_FN_CLIP) {
    const bool relu = std::string(node.op->name) == "relu";
    map.p = static_cast<float>(relu ? 0.0 : node.real("min", -kInfinity));
    map.q = static_cast<float>(relu ? kInfinity : node.real("max", kInfinity));
  } else if (kFunction == COPPICE_FN_LEAKY_RELU) {
    map.p = static_cast<float>(node.real("slope", 0.01));
  } else if (kFunction == COPPICE_FN_ELU) {
    map.p = static_cast<float>(node.real("alpha", 1.0));
  }
  to.step(node, COPPICE_CPK_MAP, x, -1, y).as.map = map;
  return {};
}

Status pack_gelu(Packer& to, const Node& node) {
  return node.text("approximate", "none") == "tanh" ? pack_map<COPPICE_FN_GELU_TANH>(to, node)
                                                    : pack_map<COPPICE_FN_GELU>(to, node);
}

// ---- norms

Status pack_affine(Packer& to, const Node& node, const std::vector<float>& scale,
                   const std::vector<float>& shift, const std::vector<float>& slope) {
  const int32_t x = to.operand(node.inputs[0], COPPICE_CPK_F32);
  const Ending ending = to.ending(node.outputs[0], false, false);
  const int32_t y = to.make(ending.y, std::nullopt);
  const uint32_t data = to.data().align(sizeof(uint32_t));
  for (const std::vector<float>* array : {&scale, &shift, &slope}) to.data().append(*array);
  coppice_cpk_step& step = to.step(node, COPPICE_CPK_AFFINE, x, -1, y);
  step.data = data;
  limit(step, ending, to.value(y));
  if (to.integers()) to.computes_in_floats(node, "has no integer form");
  return {};
}

Status pack_batch_norm(Packer& to, const Node& node) {
  const std::vector<float> scale = to.numbers(node.inputs[1]), bias = to.numbers(node.inputs[2]),
                           mean = to.numbers(node.inputs[3]), variance = to.numbers(node.inputs[4]);
  const double epsilon = node.real("epsilon", 1e-5);
  std::vector<float> factor, shift;
  for (size_t c = 0; c < scale.size(); ++c) {
    const double f = scale[c] / std::sqrt(variance[c] + epsilon);
    factor.push_back(static_cast<float>(f));
    shift.push_back(static_cast<float>(bias[c] - mean[c] * f));
  }
  return pack_affine(to, node, factor, shift, std::vector<float>(scale.size(), 1.0f));
}

Status pack_prelu(Packer& to, const Node& node) {
  const auto channels = static_cast<size_t>(extent_of(to.graph().value(node.inputs[0]).shape).channels);
  std::vector<float> slope = to.numbers(node.inputs[1]);
  if (slope.size() == 1) slope.assign(channels, slope[0]);
  return pack_affine(to, node, std::vector<float>(channels, 1.0f), std::vector<float>(channels, 0.0f), slope);
}

Status pack_layer_norm(Packer& to, const Node& node) {
  const int32_t x = to.operand(node.inputs[0], COPPICE_CPK_F32), y = to.make(node.outputs[0], std::nullopt);
  const uint32_t data = to.data().align(sizeof(uint32_t));
  to.data().append(to.numbers(node.inputs[1]));
  to.data().append(to.numbers(node.inputs[2]));
  coppice_cpk_step& step = to.step(node, COPPICE_CPK_NORM, x, -1, y);
  step.data = data;
  step.as.epsilon = static_cast<float>(node.real("epsilon", 1e-5));
  if (to.integers()) to.computes_in_floats(node, "has no integer form");
  return {};
}

// ---- windows and parts of pictures

Status pack_pool(Packer& to, const Node& node, const std::vector<int64_t>& kernel,
                 const std::vector<int64_t>& stride, const std::vector<int64_t>& padding, bool maximum) {
  for (const std::vector<int64_t>* list : {&kernel, &stride, &padding})
    for (const int64_t v : *list)
      if (v > INT16_MAX) return unsupported("its window is larger than images take");
  const ValueId out = node.outputs[0];
  int32_t x = to.stands(node.inputs[0]);
  if (maximum && out == to.graph().logits) x = to.operand(node.inputs[0], COPPICE_CPK_F32);
  const int32_t y = to.make(out, maximum ? integers_of(to.value(x)) : std::nullopt);
  coppice_cpk_step& step = to.step(node, COPPICE_CPK_POOL, x, -1, y);
  const auto small = [](int64_t v) { return static_cast<int16_t>(v); };
  step.as.pool = {small(kernel[0]), small(kernel[1]),  small(stride[0]),
                  small(stride[1]), small(padding[0]), small(padding[1])};
  if (maximum) step.flags |= COPPICE_CPK_MAXIMUM;
  if (node.integer("count_padding", 1) != 0) step.flags |= COPPICE_CPK_COUNT_PADDING;
  return {};
}

template <bool kMaximum>
Status pack_window_pool(Packer& to, const Node& node) {
  const std::vector<int64_t> kernel = node.integers("kernel", 2, {2});
  return pack_pool(to, node, kernel, node.integers("stride", 2, kernel), node.integers("padding", 4, {0}),
                   kMaximum);
}

Status pack_global_pool(Packer& to, const Node& node) {
  const Shape& x = to.graph().value(node.inputs[0]).shape;
  const std::vector<int64_t> whole{x.size('h'), x.size('w')};
  return pack_pool(to, node, whole, whole, {0, 0}, false);
}

// A window of x, with channels of zeros (or what stands for 0) before and behind it.
void put_window(Packer& to, const Node& node, int32_t x, int32_t y, coppice_cpk_copy window) {
  constexpr int32_t kOutside = 1 << 28;  // a copy from there fills
  to.copy(node, x, y, window, false);
  const int32_t channels = to.value(x).channels;
  const auto clear = [&](int32_t begin, int32_t end) {
    for (int32_t at = begin; at < end; at += channels)
      to.copy(node, x, y, {0, 1, at, std::min(channels, end - at), kOutside, 0, 1, 1, 1}, false);
  };
  clear(0, window.y_channel);
  clear(window.y_channel + window.channels, to.value(y).channels);
}

Status pack_slice(Packer& to, const Node& node) {
  const std::vector<int64_t>& sizes = to.graph().value(node.outputs[0]).shape.sizes;
  const std::vector<int64_t> start = node.integers("start", 3, {0}), step = node.integers("step", 3, {1});
  if (std::max(step[1], step[2]) > 64) return unsupported("steps of more than 64 pixels");
  // Where channels are added, as the shortcuts of ResNets do, the window goes to its place at once.
  const Node* pad = to.only_reader(node.outputs[0], "pad");
  std::vector<int64_t> before(3, 0);
  if (pad) {
    before = pad->integers("before", 3, {0});
    const std::vector<int64_t>& padded = to.graph().value(pad->outputs[0]).shape.sizes;
    if (padded[1] != sizes[1] || padded[2] != sizes[2]) pad = nullptr;
  }
  if (pad) to.take_over(*pad);
  const int32_t x = to.stands(node.inputs[0]);
  const int32_t y = to.make(pad ? pad->outputs[0] : node.outputs[0], integers_of(to.value(x)));
  const auto i = [](int64_t v) { return static_cast<int32_t>(v); };
  put_window(to, node, x, y,
             {i(start[0]), i(step[0]), pad ? i(before[0]) : 0, i(sizes[0]), i(start[1]), i(start[2]),
              i(step[1]), i(step[2]), 1});
  return {};
}

Status pack_pad(Packer& to, const Node& node) {
  const int32_t x = to.stands(node.inputs[0]);
  const int32_t y = to.make(node.outputs[0], integers_of(to.value(x)));
  const std::vector<int64_t> before = node.integers("before", 3, {0});
  put_window(to, node, x, y,
             {0, 1, static_cast<int32_t>(before[0]), to.value(x).channels, -static_cast<int32_t>(before[1]),
              -static_cast<int32_t>(before[2]), 1, 1, 1});
  return {};
}

Status pack_concat(Packer& to, const Node& node) {
  const ValueId out = node.outputs[0];
  bool integers = to.may_be_integers(out);
  for (const ValueId in : node.inputs) integers = integers && to.value(to.stands(in)).type == COPPICE_CPK_I8;
  std::vector<int32_t> parts;
  for (const ValueId in : node.inputs) parts.push_back(to.operand(in, type_of(integers)));
  const int32_t y = to.make(out, integers ? std::optional(to.quantisation(out)) : std::nullopt);
  int32_t first = 0;
  for (size_t p = 0; p < parts.size(); ++p) {
    int32_t x = parts[p];
    const bool alike =
        to.value(x).scale == to.value(y).scale && to.value(x).zero_point == to.value(y).zero_point;
    if (integers && !alike) {
      const int32_t same = to.rescaled(x, {to.value(y).scale, to.value(y).zero_point});
      Node rescale;  // the identity
      rescale.name = to.graph().value(node.inputs[p]).name + " rescaled";
      put_table(to, rescale, x, same);
      x = same;
    }
    to.copy(node, x, y, {0, 1, first, to.value(x).channels, 0, 0, 1, 1, 1}, false);
    first += to.value(x).channels;
  }
  return {};
}

Status pack_flatten(Packer& to, const Node& node) {
  const ValueId in = node.inputs[0], out = node.outputs[0];
  const coppice_cpk_value x = to.value(to.stands(in));
  if (x.height == 1 && x.width == 1 && x.halo == 0) {
    to.stands_for(out, to.stands(in));
    return {};
  }
  // What the caller brings keeps its shape: the list is one of a copy.
  const bool port = x.kind == COPPICE_CPK_INPUT || x.kind == COPPICE_CPK_OUTPUT;
  const int32_t from = port ? to.copied(to.stands(in)) : to.stands(in);
  to.stands_for(out, to.reshaped(from, to.graph().value(out).shape, to.graph().value(out).name));
  return {};
}

// What integers do by themselves; floats become integers and are read as floats again.
Status pack_fake_quantise(Packer& to, const Node& node) {
  const int32_t x = to.stands(node.inputs[0]);
  const Quantisation rounding = rounding_of(node);
  if (integers_of(to.value(x)) == rounding) {
    to.stands_for(node.outputs[0], x);
    return {};
  }
  const int32_t from = to.operand(node.inputs[0], COPPICE_CPK_F32);
  const int32_t y = to.make(node.outputs[0], rounding);
  to.step(node, COPPICE_CPK_CONVERT, from, -1, y);
  return {};
}

Status pack_identity(Packer& to, const Node& node) {
  to.stands_for(node.outputs[0], to.stands(node.inputs[0]));
  return {};
}

struct Row {
  const char* op;
  PackOp pack;
};
constexpr Row kRows[] = {
    {"linear", pack_linear},
    {"conv2d", pack_conv2d},
    {"add", pack_add},
    {"mul", pack_mul},
    {"spread", pack_spread},
    {"relu", pack_map<COPPICE_FN_CLIP>},
    {"clip", pack_map<COPPICE_FN_CLIP>},
    {"leaky_relu", pack_map<COPPICE_FN_LEAKY_RELU>},
    {"elu", pack_map<COPPICE_FN_ELU>},
    {"sigmoid", pack_map<COPPICE_FN_SIGMOID>},
    {"tanh", pack_map<COPPICE_FN_TANH>},
    {"silu", pack_map<COPPICE_FN_SILU>},
    {"gelu", pack_gelu},
    {"hard_sigmoid", pack_map<COPPICE_FN_HARD_SIGMOID>},
    {"hard_swish", pack_map<COPPICE_FN_HARD_SWISH>},
    {"batch_norm", pack_batch_norm},
    {"prelu", pack_prelu},
    {"layer_norm", pack_layer_norm},
    {"max_pool", pack_window_pool<true>},
    {"avg_pool", pack_window_pool<false>},
    {"global_pool", pack_global_pool},
    {"slice", pack_slice},
    {"pad", pack_pad},
    {"concat", pack_concat},
    {"flatten", pack_flatten},
    {"dropout", pack_identity},
    {"fake_quantise", pack_fake_quantise},
};

}  // namespace

PackOp pack_op(const std::string& op) {
  for (const Row& row : kRows)
    if (op == row.op) return row.pack;
  return nullptr;
}

Quantisation rounding_of(const Node& node) {
  return {static_cast<float>(node.real("scale", 1.0)), static_cast<int32_t>(node.integer("zero_point", 0))};
}

int16_t quantised(double number, Quantisation q) {
  return static_cast<int16_t>(std::clamp(std::nearbyint(number / double{q.scale}) + q.zero_point,
                                         double{INT8_MIN}, double{INT8_MAX}));
}

Result<coppice_cpk_sum> integer_sum(Quantisation a, Quantisation b, Quantisation y) {
  constexpr double kMost = 1 << 20;
  constexpr int kMostShift = 20;
  const double ratio_a = double{a.scale} / y.scale, ratio_b = double{b.scale} / y.scale;
  int shift = kMostShift;
  while (shift >= 1 && std::max(ratio_a, ratio_b) * std::ldexp(1.0, shift) > kMost) --shift;
  if (shift < 1) return unsupported("adds numbers of scales too different for 32 bits");
  const auto multiplier = [shift](double ratio) {
    return static_cast<int32_t>(std::nearbyint(std::ldexp(ratio, shift)));
  };
  coppice_cpk_sum sum{multiplier(ratio_a), multiplier(ratio_b), 0, shift};
  sum.offset = (y.zero_point * (1 << shift)) + (1 << (shift - 1)) - a.zero_point * sum.multiplier_a -
               b.zero_point * sum.multiplier_b;
  return sum;
}

}  // namespace coppice::pack
