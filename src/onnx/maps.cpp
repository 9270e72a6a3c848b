// SPDX-License-Identifier: Apache-2.0
// Ops that leave the shape alone: activations, some of which exporters write as several nodes, sums,
// products, what stands at the end of a network, and what does nothing.
#include <algorithm>
#include <cmath>

#include "onnx/ops.h"

namespace coppice::onnx {
namespace {

constexpr double kClose = 1e-4;  // of constants that exporters round to float, or to 4 digits

bool is_number(const At& at, const std::string& value, double wanted) {
  if (!at.importer.is_constant(value)) return false;
  const auto constant = at.importer.constant(value);
  return constant.ok() && (*constant)->size() == 1 &&
         std::fabs(static_cast<double>((*constant)->real(0)) - wanted) < kClose;
}

const Node* reader(const At& at, const std::string& value, const char* op) {
  const Node* next = at.importer.only_reader(value);
  return next != nullptr && next->op == op && !next->outputs.empty() ? next : nullptr;
}

// The operand of a node of two that is not `one`.
const std::string& other(const Node& node, const std::string& one) {
  return node.inputs[node.inputs[0] == one ? 1 : 0];
}

// y = x * node(x), with a product that nobody else reads: the product, or null.
const Node* gated(const At& at) {
  if (!at.has(0)) return nullptr;
  const Node* product = reader(at, at.node.outputs[0], "Mul");
  if (product == nullptr || product->inputs.size() != 2) return nullptr;
  return other(*product, at.node.outputs[0]) == at.node.inputs[0] ? product : nullptr;
}

Status map_as(const At& at, const Node& last, const char* op, Attributes attributes = {}) {
  TRY(at.map(op, std::move(attributes)));
  TRY_ASSIGN(Activation made, at.importer.activation(at.node.outputs[0]));
  at.importer.set(last.outputs[0], std::move(made));
  return {};
}

// A number for each channel, as global pooling leaves them, at every place of a picture like `other`.
Status spread_like(At& at, Activation& x, const Activation& other) {
  const Shape shape = at.importer.graph().value(other.id).shape;
  if (x.sizes.size() < 2 || x.sizes.size() != other.sizes.size() || x.sizes[0] != other.sizes[0] ||
      shape.axes != "chw" || sizes_like(other.sizes, shape) != other.sizes ||
      std::any_of(x.sizes.begin() + 1, x.sizes.end(), [](int64_t size) { return size != 1; }))
    return {};
  TRY_ASSIGN(x.id, at.importer.flattened(x));
  TRY_ASSIGN(x.id, at.importer.emit("spread", at.importer.layer_name(at.node) + ".spread", {x.id},
                                    {{"height", shape.size('h')}, {"width", shape.size('w')}}));
  x.sizes = other.sizes;
  return {};
}

// Two operands of one shape here: where one is a list and the other was, both are.
Status map_two(At& at, const char* op) {
  TRY_ASSIGN(Activation a, at.activation(0));
  TRY_ASSIGN(Activation b, at.activation(1));
  if (a.sizes != b.sizes) {
    TRY(spread_like(at, a, b));
    TRY(spread_like(at, b, a));
  }
  if (a.sizes != b.sizes)
    return unsupported("has operands of " + sizes_text(a.sizes) + " and " + sizes_text(b.sizes) +
                       "; here they have one shape, or one has a number for each channel");
  if (!(at.importer.graph().value(a.id).shape == at.importer.graph().value(b.id).shape)) {
    TRY_ASSIGN(a.id, at.importer.flattened(a));
    TRY_ASSIGN(b.id, at.importer.flattened(b));
  }
  TRY_ASSIGN(a.id, at.importer.emit(op, at.importer.layer_name(at.node), {a.id, b.id}));
  at.is(std::move(a));
  return {};
}

// Whether the node is the last that computes: what it says may be rounded once more.
bool is_last(At& at) {
  if (at.node.outputs.empty()) return false;
  if (at.importer.is_output(at.node.outputs[0])) return true;
  const Node* to_bytes = reader(at, at.node.outputs[0], "QuantizeLinear");
  const Node* back = to_bytes != nullptr ? reader(at, to_bytes->outputs[0], "DequantizeLinear") : nullptr;
  return back != nullptr && at.importer.is_output(back->outputs[0]);
}

Status end_with(At& at, const char* ending, bool fits) {
  if (!is_last(at))
    return unsupported("stands between layers; coppice has it only as a part of the loss, at the end");
  TRY_ASSIGN(const Activation x, at.activation(0));
  if (!fits) return unsupported("goes along an axis that is not the last");
  if (x.sizes.size() != 1) return unsupported("is of " + sizes_text(x.sizes) + ", here it is of a list");
  at.importer.end_with(ending);
  if (!at.importer.is_output(at.node.outputs[0])) {
    const Node* to_bytes = at.importer.only_reader(at.node.outputs[0]);
    const Node* back = at.importer.only_reader(to_bytes->outputs[0]);
    for (const Node* node : {to_bytes, back})
      at.importer.absorb(*node, "rounds what the loss makes of the outputs");
    at.importer.set(back->outputs[0], x);
  }
  return at.is_input("is part of the loss; the network says what goes into it");
}

Status import_softmax_as(At& at, const char* ending) {
  TRY_ASSIGN(const int64_t axis, at.integer("axis", at.importer.opset() < 13 ? 1 : -1));
  if (at.importer.options().task && *at.importer.options().task != Task::kClasses)
    return unsupported("ends a network of classes; choose data of classes, or leave --task out");
  return end_with(at, ending, axis == 1 || axis == -1);
}

// The single number that a node of two compares a value with; nothing where it is something else.
std::optional<double> compared_with(const At& at, const Node& node, const std::string& value) {
  if (node.inputs.size() != 2 || !at.importer.is_constant(other(node, value))) return std::nullopt;
  const auto constant = at.importer.constant(other(node, value));
  if (!constant.ok() || (*constant)->size() != 1) return std::nullopt;
  return static_cast<double>((*constant)->real(0));
}

// Max and Min with a number, one after the other or alone.
Status clip_by(At& at, const char* key) {
  if (at.node.inputs.size() != 2 || at.node.outputs.empty())
    return unsupported("compares other than two operands");
  const size_t place = at.is_constant(0) ? 1 : 0;
  TRY_ASSIGN(Activation x, at.activation(place));
  const std::optional<double> limit = compared_with(at, at.node, at.node.inputs[place]);
  if (!limit) return unsupported("compares with something else than a single constant number");
  Attributes limits{{key, *limit}};
  const Node* last = &at.node;
  const Node* next = last->op == "Max" ? reader(at, last->outputs[0], "Min") : nullptr;
  if (const auto most = next != nullptr ? compared_with(at, *next, last->outputs[0]) : std::nullopt) {
    limits["max"] = *most;
    at.importer.absorb(*next, "is the upper limit of the clip before it");
    last = next;
  }
  TRY_ASSIGN(x.id, at.importer.emit("clip", at.importer.layer_name(at.node), {x.id}, std::move(limits)));
  at.importer.set(last->outputs[0], std::move(x));
  return {};
}

// gelu by PyTorch before opset 20: x / sqrt(2) -> Erf -> + 1 -> * x -> * 0.5, the last two in any order.
// False where this Div or Mul begins none.
Result<bool> gelu_by_erf(At& at) {
  const bool divides = at.node.op == "Div";
  if (at.node.inputs.size() != 2 || at.node.outputs.empty()) return false;
  const bool first = !at.is_constant(0);
  TRY_ASSIGN(const Activation input, at.activation(first ? 0 : 1));
  const std::string& x = at.node.inputs[first ? 0 : 1];
  if ((divides && !first) ||
      !is_number(at, at.node.inputs[first ? 1 : 0], divides ? std::sqrt(2.0) : std::sqrt(0.5)))
    return false;
  std::vector<const Node*> nodes;
  const auto step = [&](const char* op, const std::string& value) {
    const Node* next = reader(at, value, op);
    if (next != nullptr) nodes.push_back(next);
    return next;
  };
  const Node* erf = step("Erf", at.node.outputs[0]);
  const Node* sum = erf != nullptr ? step("Add", erf->outputs[0]) : nullptr;
  if (sum == nullptr || sum->inputs.size() != 2 || !is_number(at, other(*sum, erf->outputs[0]), 1.0))
    return false;
  bool by_x = false, by_half = false;
  const Node* last = sum;
  for (int i = 0; i < 2; ++i) {
    const std::string value = last->outputs[0];
    last = step("Mul", value);
    if (last == nullptr || last->inputs.size() != 2) return false;
    const std::string& factor = other(*last, value);
    (factor == x ? by_x : by_half) = factor == x || is_number(at, factor, 0.5);
  }
  if (!by_x || !by_half) return false;
  for (const Node* node : nodes) at.importer.absorb(*node, "is part of a gelu");
  TRY_ASSIGN(const ValueId y, at.importer.emit("gelu", at.importer.layer_name(at.node), {input.id},
                                               {{"approximate", std::string("none")}}));
  at.importer.set(last->outputs[0], {y, input.sizes});
  return true;
}

}  // namespace

Status import_relu(At& at) { return at.map("relu"); }
Status import_tanh(At& at) { return at.map("tanh"); }
Status import_hard_swish(At& at) { return at.map("hard_swish"); }

Status import_sigmoid(At& at) {
  if (at.node.outputs.empty()) return corrupt("has no output");
  if (const Node* product = gated(at)) {
    at.importer.absorb(*product, "is a silu together with the sigmoid before it");
    return map_as(at, *product, "silu");
  }
  const std::optional<Task>& task = at.importer.options().task;
  TRY_ASSIGN(const Activation x, at.activation(0));
  if (is_last(at) && x.sizes.size() == 1 && task.value_or(Task::kLabels) == Task::kLabels)
    return end_with(at, "sigmoid", true);
  return at.map("sigmoid");
}

Status import_hard_sigmoid(At& at) {
  TRY_ASSIGN(const double alpha, at.real("alpha", 0.2));
  TRY_ASSIGN(const double beta, at.real("beta", 0.5));
  if (std::fabs(alpha - 1.0 / 6) > kClose || std::fabs(beta - 0.5) > kClose)
    return unsupported("has alpha " + std::to_string(alpha) + " and beta " + std::to_string(beta) +
                       ", here they are 1/6 and 0.5");
  if (at.node.outputs.empty()) return corrupt("has no output");
  if (const Node* product = gated(at)) {
    at.importer.absorb(*product, "is a hard_swish together with the node before it");
    return map_as(at, *product, "hard_swish");
  }
  return at.map("hard_sigmoid");
}

Status import_leaky_relu(At& at) {
  TRY_ASSIGN(const double slope, at.real("alpha", 0.01));
  return at.map("leaky_relu", {{"slope", slope}});
}

Status import_elu(At& at) {
  TRY_ASSIGN(const double alpha, at.real("alpha", 1));
  return at.map("elu", {{"alpha", alpha}});
}

// Limits are attributes before opset 11, then inputs that may be left out.
Status import_clip(At& at) {
  Attributes limits;
  const char* const keys[] = {"min", "max"};
  for (size_t i = 0; i < 2; ++i) {
    TRY_ASSIGN(double limit, at.real(keys[i], i == 0 ? -HUGE_VAL : HUGE_VAL));
    if (at.has(i + 1)) {
      TRY_ASSIGN(const ConstantPtr value, at.constant(i + 1));
      if (value->size() != 1) return corrupt(std::string(keys[i]) + " should be a single number");
      limit = static_cast<double>(value->real(0));
    }
    // The largest float stands for no limit in old files.
    if (std::fabs(limit) < 3.4e38) limits[keys[i]] = limit;
  }
  if (limits.empty()) return at.is_input("has no limit");
  return at.map("clip", std::move(limits));
}

Status import_max(At& at) { return clip_by(at, "min"); }
Status import_min(At& at) { return clip_by(at, "max"); }

Status import_gelu(At& at) {
  TRY_ASSIGN(const std::string approximate, at.text("approximate", "none"));
  return at.map("gelu", {{"approximate", approximate}});
}

Status import_div(At& at) {
  TRY_ASSIGN(const bool done, gelu_by_erf(at));
  return done ? Status() : import_constant(at);
}

Status import_mul(At& at) {
  if (!at.is_constant(0) && !at.is_constant(1)) return map_two(at, "mul");
  TRY_ASSIGN(const bool done, gelu_by_erf(at));
  return done ? Status() : import_constant(at);
}

Status import_add(At& at) {
  return at.is_constant(0) || at.is_constant(1) ? import_constant(at) : map_two(at, "add");
}

Status import_softmax(At& at) { return import_softmax_as(at, "softmax"); }
Status import_log_softmax(At& at) { return import_softmax_as(at, "log_softmax"); }

Status import_dropout(At& at) {
  at.ignore("ratio");
  at.ignore("seed");
  return at.is_input("matters only in training; add one to the graph if you want it");
}

Status import_identity(At& at) { return at.is_input("does nothing"); }

Status import_cast(At& at) {
  TRY_ASSIGN(const int64_t to, at.integer("to", 0));
  at.ignore("saturate");
  const auto type = static_cast<Type>(to);
  if (type != Type::kFloat && type != Type::kDouble && type != Type::kFloat16 && type != Type::kBfloat16)
    return unsupported("casts samples to " + type_name(to));
  return at.is_input("between floats; here they have 32 bits");
}

}  // namespace coppice::onnx
