// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "onnx/constant.h"

namespace coppice::onnx {
namespace {

using Inputs = std::vector<ConstantPtr>;
using Sizes = std::vector<int64_t>;

constexpr int64_t kMostFolded = 1 << 16;

const Constant* at(const Inputs& inputs, size_t i) { return i < inputs.size() ? inputs[i].get() : nullptr; }

Result<const Constant*> needed(const Inputs& inputs, size_t i) {
  if (const Constant* input = at(inputs, i)) return input;
  return invalid("lacks input " + std::to_string(i));
}

int64_t integer_attribute(const Node& node, const char* key, int64_t otherwise) {
  const auto found = node.attributes.find(key);
  return found == node.attributes.end() || found->second.kind != Attribute::Kind::kInteger
             ? otherwise
             : found->second.integer;
}

// A list that is an attribute in old opsets and an input in newer ones.
Result<Sizes> list_of(const Node& node, const Inputs& inputs, const char* key, size_t input) {
  const auto found = node.attributes.find(key);
  if (found != node.attributes.end()) return found->second.integers;
  if (const Constant* constant = at(inputs, input)) return integers_of(*constant);
  return Sizes();
}

Status check_size(const Inputs& inputs, const Sizes& dims, int64_t* count) {
  int64_t most = kMostFolded, read = 0;
  for (const ConstantPtr& input : inputs) read += input ? input->size() : 0;
  most = std::max(most, read);
  if (!count_of(dims, count) || *count > most)
    return invalid("makes a constant of more than " + std::to_string(most) + " numbers");
  return {};
}

// out[i] = in[from(i)], of numbers of either kind.
template <class From>
Constant pick(const Constant& in, Sizes dims, int64_t count, From from) {
  Constant out;
  out.dims = std::move(dims);
  out.integer = in.integer;
  out.type = in.type;
  for (int64_t i = 0; i < count; ++i) {
    const auto source = static_cast<size_t>(from(i));
    if (in.integer)
      out.integers.push_back(in.integers[source]);
    else
      out.reals.push_back(in.reals[source]);
  }
  return out;
}

Constant with_dims(const Constant& in, Sizes dims) {
  Constant out = in;
  out.dims = std::move(dims);
  return out;
}

Sizes strides_of(const Sizes& dims) {
  Sizes strides(dims.size(), 1);
  for (size_t i = dims.size(); i-- > 1;) strides[i - 1] = strides[i] * dims[i];
  return strides;
}

bool holds_batch(const Constant& c) {
  return c.integer && std::find(c.integers.begin(), c.integers.end(), kBatch) != c.integers.end();
}

Result<Constant> constant(const Node& node, const Inputs&, int64_t) {
  Constant out;
  for (const auto& [key, value] : node.attributes) {
    if (key == "value" && value.kind == Attribute::Kind::kTensor) return decode(value.tensor);
    if (key == "value_float") {
      out.reals = {value.real};
    } else if (key == "value_floats") {
      out.reals = value.reals;
      out.dims = {static_cast<int64_t>(value.reals.size())};
    } else if (key == "value_int") {
      out.integer = true;
      out.integers = {value.integer};
    } else if (key == "value_ints") {
      out.integer = true;
      out.integers = value.integers;
      out.dims = {static_cast<int64_t>(value.integers.size())};
    } else {
      return unsupported("attribute '" + key + "' is not read");
    }
    return out;
  }
  return invalid("holds nothing");
}

Result<Constant> cast(const Node& node, const Inputs& inputs, int64_t) {
  TRY_ASSIGN(const Constant* in, needed(inputs, 0));
  const auto to = static_cast<Type>(integer_attribute(node, "to", 0));
  Constant out = *in;
  switch (to) {
    case Type::kFloat:
    case Type::kDouble:
    case Type::kFloat16:
    case Type::kBfloat16:
      if (holds_batch(*in)) return unsupported("computes with the number of samples");
      out.reals = in->all_reals();
      out.integers.clear();
      out.integer = false;
      return out;
    case Type::kInt64:
    case Type::kInt32:
    case Type::kInt8:
    case Type::kUint8:
    case Type::kBool:
      out.type = to;
      if (in->integer) return out;
      for (const float value : in->reals) {
        if (!(std::fabs(value) < 0x1p62F)) return invalid("casts a number that no integer is");
        out.integers.push_back(static_cast<int64_t>(value));
      }
      out.reals.clear();
      out.integer = true;
      return out;
    default:
      return unsupported("casts to " + type_name(static_cast<int64_t>(to)));
  }
}

Result<Constant> shape(const Node&, const Inputs& inputs, int64_t) {
  TRY_ASSIGN(const Constant* in, needed(inputs, 0));
  Constant out;
  out.integer = true;
  out.integers = in->dims;
  out.dims = {static_cast<int64_t>(in->dims.size())};
  return out;
}

Result<Constant> gather(const Node& node, const Inputs& inputs, int64_t) {
  TRY_ASSIGN(const Constant* in, needed(inputs, 0));
  TRY_ASSIGN(const Constant* indices, needed(inputs, 1));
  TRY_ASSIGN(const size_t axis, axis_of(integer_attribute(node, "axis", 0), in->dims.size()));
  if (!indices->integer) return invalid("should have integers as indices");
  const int64_t size = in->dims[axis];
  Sizes dims(in->dims.begin(), in->dims.begin() + static_cast<std::ptrdiff_t>(axis));
  dims.insert(dims.end(), indices->dims.begin(), indices->dims.end());
  dims.insert(dims.end(), in->dims.begin() + static_cast<std::ptrdiff_t>(axis) + 1, in->dims.end());
  int64_t count = 0, inner = 1;
  TRY(check_size(inputs, dims, &count));
  for (const int64_t index : indices->integers)
    if (index < -size || index >= size) return invalid("takes an element that is not there");
  for (size_t i = axis + 1; i < in->dims.size(); ++i) inner *= in->dims[i];
  return pick(*in, std::move(dims), count, [&](int64_t i) {
    const int64_t which = i / inner % indices->size(), outer = i / inner / indices->size();
    const int64_t index = indices->integers[static_cast<size_t>(which)];
    return (outer * size + (index < 0 ? index + size : index)) * inner + i % inner;
  });
}

Result<Constant> unsqueeze(const Node& node, const Inputs& inputs, int64_t) {
  TRY_ASSIGN(const Constant* in, needed(inputs, 0));
  TRY_ASSIGN(Sizes axes, list_of(node, inputs, "axes", 1));
  const size_t rank = in->dims.size() + axes.size();
  if (rank > 16) return invalid("makes more than 16 dimensions");
  for (int64_t& axis : axes) {
    TRY_ASSIGN(const size_t from_front, axis_of(axis, rank));
    axis = static_cast<int64_t>(from_front);
  }
  std::sort(axes.begin(), axes.end());
  Sizes dims = in->dims;
  for (const int64_t axis : axes) {
    if (axis > static_cast<int64_t>(dims.size())) return invalid("names an axis twice");
    dims.insert(dims.begin() + axis, 1);
  }
  return with_dims(*in, std::move(dims));
}

Result<Constant> squeeze(const Node& node, const Inputs& inputs, int64_t) {
  TRY_ASSIGN(const Constant* in, needed(inputs, 0));
  TRY_ASSIGN(const Sizes axes, list_of(node, inputs, "axes", 1));
  std::vector<bool> gone(in->dims.size(), false);
  for (const int64_t axis : axes) {
    TRY_ASSIGN(const size_t from_front, axis_of(axis, gone.size()));
    if (in->dims[from_front] != 1) return invalid("takes an axis away that has more than one element");
    gone[from_front] = true;
  }
  Sizes dims;
  for (size_t i = 0; i < gone.size(); ++i)
    if (!gone[i] && !(axes.empty() && in->dims[i] == 1)) dims.push_back(in->dims[i]);
  return with_dims(*in, std::move(dims));
}

Result<Constant> concat(const Node& node, const Inputs& inputs, int64_t) {
  TRY_ASSIGN(const Constant* first, needed(inputs, 0));
  TRY_ASSIGN(const size_t axis, axis_of(integer_attribute(node, "axis", 0), first->dims.size()));
  if (axis != 0) return unsupported("joins constants along axis " + std::to_string(axis) + ", not 0");
  Constant out;
  out.dims = first->dims;
  out.dims[0] = 0;
  out.integer = first->integer;
  for (const ConstantPtr& in : inputs) {
    if (!in || in->integer != out.integer || in->dims.size() != out.dims.size() ||
        !std::equal(in->dims.begin() + 1, in->dims.end(), out.dims.begin() + 1))
      return invalid("joins constants that differ");
    out.dims[0] += in->dims[0];
    out.integers.insert(out.integers.end(), in->integers.begin(), in->integers.end());
    out.reals.insert(out.reals.end(), in->reals.begin(), in->reals.end());
  }
  return out;
}

Result<Constant> reshape(const Node& node, const Inputs& inputs, int64_t) {
  TRY_ASSIGN(const Constant* in, needed(inputs, 0));
  TRY_ASSIGN(Sizes dims, list_of(node, inputs, "shape", 1));
  int64_t known = 0, open = -1;
  for (size_t i = 0; i < dims.size(); ++i) {
    if (dims[i] == 0 && i < in->dims.size() && integer_attribute(node, "allowzero", 0) == 0)
      dims[i] = in->dims[i];
    if (dims[i] == -1 && open < 0) {
      open = static_cast<int64_t>(i);
      dims[i] = 1;
    }
  }
  if (!count_of(dims, &known)) return invalid("has a shape that cannot be");
  if (open >= 0 && known > 0 && in->size() % known == 0)
    dims[static_cast<size_t>(open)] = in->size() / known;
  else if (open >= 0 || known != in->size())
    return invalid("has a shape of another number of elements");
  return with_dims(*in, std::move(dims));
}

Result<Constant> transpose(const Node& node, const Inputs& inputs, int64_t) {
  TRY_ASSIGN(const Constant* in, needed(inputs, 0));
  const size_t rank = in->dims.size();
  Sizes order;
  if (const auto found = node.attributes.find("perm"); found != node.attributes.end())
    order = found->second.integers;
  else
    for (size_t i = rank; i-- > 0;) order.push_back(static_cast<int64_t>(i));
  Sizes sorted = order, dims, strides = strides_of(in->dims), steps;
  std::sort(sorted.begin(), sorted.end());
  for (size_t i = 0; i < rank; ++i)
    if (sorted.size() != rank || sorted[i] != static_cast<int64_t>(i)) return invalid("has no order as perm");
  for (const int64_t from : order) {
    dims.push_back(in->dims[static_cast<size_t>(from)]);
    steps.push_back(strides[static_cast<size_t>(from)]);
  }
  const Sizes out_strides = strides_of(dims);
  Sizes sizes = dims;
  return pick(*in, std::move(sizes), in->size(), [&](int64_t i) {
    int64_t from = 0;
    for (size_t d = 0; d < rank; ++d) from += i / out_strides[d] % dims[d] * steps[d];
    return from;
  });
}

// Attributes before opset 10, then inputs: data, starts, ends, axes, steps.
Result<Constant> slice(const Node& node, const Inputs& inputs, int64_t) {
  TRY_ASSIGN(const Constant* in, needed(inputs, 0));
  TRY_ASSIGN(const Sizes starts, list_of(node, inputs, "starts", 1));
  TRY_ASSIGN(const Sizes ends, list_of(node, inputs, "ends", 2));
  TRY_ASSIGN(Sizes axes, list_of(node, inputs, "axes", 3));
  TRY_ASSIGN(Sizes steps, list_of(node, inputs, "steps", 4));
  if (axes.empty())
    for (size_t i = 0; i < starts.size(); ++i) axes.push_back(static_cast<int64_t>(i));
  if (steps.empty()) steps.assign(starts.size(), 1);
  if (ends.size() != starts.size() || axes.size() != starts.size() || steps.size() != starts.size())
    return invalid("has lists of different lengths");
  Sizes dims = in->dims, begin(dims.size(), 0), step(dims.size(), 1);
  for (size_t i = 0; i < axes.size(); ++i) {
    TRY_ASSIGN(const size_t axis, axis_of(axes[i], dims.size()));
    const int64_t size = in->dims[axis];
    if (steps[i] == 0 || steps[i] < -kMostFolded || steps[i] > kMostFolded)
      return invalid("goes by steps of " + std::to_string(steps[i]));
    const bool back = steps[i] < 0;
    const auto within = [&](int64_t place) {
      if (place < 0) place = place < -size ? -1 : place + size;
      return back ? std::clamp<int64_t>(place, -1, size - 1) : std::clamp<int64_t>(place, 0, size);
    };
    // Behind the front, an end that is counted from the back stays there.
    const int64_t first = within(starts[i] < -size && back ? -size - 1 : starts[i]), end = within(ends[i]);
    const int64_t span = back ? first - end : end - first, stride = back ? -steps[i] : steps[i];
    dims[axis] = std::max<int64_t>(0, (span + stride - 1) / stride);
    begin[axis] = first;
    step[axis] = steps[i];
  }
  int64_t count = 0;
  TRY(check_size(inputs, dims, &count));
  const Sizes strides = strides_of(in->dims), out_strides = strides_of(dims);
  const Sizes sizes = dims;
  return pick(*in, std::move(dims), count, [&](int64_t i) {
    int64_t from = 0;
    for (size_t d = 0; d < sizes.size(); ++d)
      from += (begin[d] + i / out_strides[d] % sizes[d] * step[d]) * strides[d];
    return from;
  });
}

Result<Constant> constant_of_shape(const Node& node, const Inputs& inputs, int64_t) {
  TRY_ASSIGN(const Constant* sizes, needed(inputs, 0));
  TRY_ASSIGN(const Sizes dims, integers_of(*sizes));
  int64_t count = 0;
  TRY(check_size(inputs, dims, &count));
  Constant value;
  value.reals = {0.0F};
  if (const auto found = node.attributes.find("value"); found != node.attributes.end()) {
    TRY_ASSIGN(value, decode(found->second.tensor));
    if (value.size() != 1) return invalid("should have a single number as value");
  }
  return pick(value, dims, count, [](int64_t) { return 0; });
}

// How far one step of each axis of the result goes in an operand that is spread over it.
Sizes spread(const Sizes& dims, const Sizes& out) {
  const Sizes strides = strides_of(dims);
  Sizes steps(out.size(), 0);
  const size_t skip = out.size() - dims.size();
  for (size_t i = 0; i < dims.size(); ++i) steps[skip + i] = dims[i] == 1 ? 0 : strides[i];
  return steps;
}

Result<Sizes> joint_dims(const Sizes& a, const Sizes& b) {
  const Sizes &longer = a.size() < b.size() ? b : a, &shorter = a.size() < b.size() ? a : b;
  Sizes out = longer;
  for (size_t i = 0; i < shorter.size(); ++i) {
    int64_t& size = out[out.size() - shorter.size() + i];
    if (size != shorter[i] && size != 1 && shorter[i] != 1) return invalid("has operands that do not fit");
    if (size == 1) size = shorter[i];
  }
  return out;
}

Result<int64_t> compute(char op, int64_t a, int64_t b) {
  int64_t out = 0;
  const bool lost = op == '+'   ? __builtin_add_overflow(a, b, &out)
                    : op == '-' ? __builtin_sub_overflow(a, b, &out)
                    : op == '*' ? __builtin_mul_overflow(a, b, &out)
                                : b == 0 || (b == -1 && a == std::numeric_limits<int64_t>::min());
  if (lost) return invalid("computes a number that no integer is");
  return op == '/' ? a / b : out;
}
float compute(char op, float a, float b) {
  return op == '+' ? a + b : op == '-' ? a - b : op == '*' ? a * b : a / b;
}

Result<Constant> arithmetic(const Node& node, const Inputs& inputs, int64_t) {
  TRY_ASSIGN(const Constant* a, needed(inputs, 0));
  TRY_ASSIGN(const Constant* b, needed(inputs, 1));
  const char op = node.op == "Add" ? '+' : node.op == "Sub" ? '-' : node.op == "Mul" ? '*' : '/';
  if (a->integer != b->integer) return invalid("has operands of different types");
  if (holds_batch(*a) || holds_batch(*b)) return unsupported("computes with the number of samples");
  TRY_ASSIGN(const Sizes dims, joint_dims(a->dims, b->dims));
  int64_t count = 0;
  TRY(check_size(inputs, dims, &count));
  const Sizes strides = strides_of(dims), from_a = spread(a->dims, dims), from_b = spread(b->dims, dims);
  Constant out;
  out.dims = dims;
  out.integer = a->integer;
  for (int64_t i = 0; i < count; ++i) {
    size_t ia = 0, ib = 0;
    for (size_t d = 0; d < dims.size(); ++d) {
      const int64_t place = i / strides[d] % dims[d];
      ia += static_cast<size_t>(place * from_a[d]);
      ib += static_cast<size_t>(place * from_b[d]);
    }
    if (out.integer) {
      TRY_ASSIGN(const int64_t value, compute(op, a->integers[ia], b->integers[ib]));
      out.integers.push_back(value);
    } else {
      out.reals.push_back(compute(op, a->reals[ia], b->reals[ib]));
    }
  }
  return out;
}

// What QuantizeLinear and DequantizeLinear read beside x: a scale and a zero point for all of it, or for each
// index of an axis.
struct RowSteps {
  const Constant *scale = nullptr, *zero = nullptr;  // zero: null where it is 0
  int64_t inner = 1;                                 // numbers of x that follow one another in one scale

  size_t of(int64_t i) const { return static_cast<size_t>(i / inner % scale->size()); }
  int64_t zero_point(size_t c) const { return zero != nullptr ? zero->integers[c] : 0; }
};

Result<RowSteps> steps_of(const Node& node, const Inputs& inputs, const Constant& x) {
  RowSteps out;
  TRY_ASSIGN(out.scale, needed(inputs, 1));
  out.zero = at(inputs, 2);
  if (out.scale->integer ||
      (out.zero != nullptr && (!out.zero->integer || out.zero->size() != out.scale->size())))
    return invalid("should have a scale, and a zero point for each scale");
  if (integer_attribute(node, "block_size", 0) != 0) return unsupported("scales blocks of an axis");
  if (out.scale->size() == 1) return out;
  TRY_ASSIGN(const size_t axis, axis_of(integer_attribute(node, "axis", 1), x.dims.size()));
  if (x.dims[axis] != out.scale->size() || out.scale->size() == 0)
    return invalid("has another number of scales than elements of its axis");
  for (size_t i = axis + 1; i < x.dims.size(); ++i) out.inner *= x.dims[i];
  return out;
}

Result<Constant> dequantize(const Node& node, const Inputs& inputs, int64_t) {
  TRY_ASSIGN(const Constant* in, needed(inputs, 0));
  if (in->type != Type::kInt8 && in->type != Type::kUint8 && in->type != Type::kInt32)
    return unsupported("takes constants that are no integers of 8 or 32 bits");
  TRY_ASSIGN(const RowSteps steps, steps_of(node, inputs, *in));
  if (steps.zero != nullptr && steps.zero->type != in->type)
    return invalid("has a zero point of another type than its integers");
  Constant out;
  out.dims = in->dims;
  for (int64_t i = 0; i < in->size(); ++i) {
    const size_t c = steps.of(i);
    out.reals.push_back(steps.scale->real(c) *
                        static_cast<float>(in->integers[static_cast<size_t>(i)] - steps.zero_point(c)));
  }
  return out;
}

// Of weights that a file holds in floats, and rounds.
Result<Constant> quantize(const Node& node, const Inputs& inputs, int64_t) {
  TRY_ASSIGN(const Constant* in, needed(inputs, 0));
  if (in->integer) return unsupported("rounds constants that are integers");
  TRY_ASSIGN(const RowSteps steps, steps_of(node, inputs, *in));
  Constant out;
  out.dims = in->dims;
  out.integer = true;
  out.type = steps.zero != nullptr ? steps.zero->type
                                   : static_cast<Type>(integer_attribute(node, "output_dtype", 0));
  if (out.type == Type::kUndefined) out.type = Type::kUint8;
  if (out.type != Type::kInt8 && out.type != Type::kUint8)
    return unsupported("makes integers of " + type_name(static_cast<int64_t>(out.type)) +
                       "; read are INT8 and UINT8");
  const double least = out.type == Type::kInt8 ? -128 : 0, most = least + 255;
  for (int64_t i = 0; i < in->size(); ++i) {
    const size_t c = steps.of(i);
    const float x = in->reals[static_cast<size_t>(i)] / steps.scale->real(c);
    if (std::isnan(x)) return invalid("rounds what is no number");
    const double integer = std::nearbyint(double{x}) + static_cast<double>(steps.zero_point(c));
    out.integers.push_back(static_cast<int64_t>(std::clamp(integer, least, most)));
  }
  return out;
}

struct Row {
  const char* op;
  Result<Constant> (*compute)(const Node& node, const Inputs& inputs, int64_t opset);
};
constexpr Row kRows[] = {
    {"Add", arithmetic},
    {"Cast", cast},
    {"Concat", concat},
    {"Constant", constant},
    {"Div", arithmetic},
    {"ConstantOfShape", constant_of_shape},
    {"Gather", gather},
    {"Mul", arithmetic},
    {"DequantizeLinear", dequantize},
    {"Reshape", reshape},
    {"Shape", shape},
    {"Slice", slice},
    {"Squeeze", squeeze},
    {"Sub", arithmetic},
    {"Transpose", transpose},
    {"Unsqueeze", unsqueeze},
    {"QuantizeLinear", quantize},
};

}  // namespace

Result<ConstantPtr> fold(const Node& node, const std::vector<ConstantPtr>& inputs, int64_t opset) {
  if (node.op == "Identity" && inputs.size() == 1 && inputs[0]) return inputs[0];
  for (const Row& row : kRows)
    if (node.op == row.op) {
      TRY_ASSIGN(Constant out, row.compute(node, inputs, opset));
      return ConstantPtr(std::make_shared<const Constant>(std::move(out)));
    }
  return ConstantPtr();
}

}  // namespace coppice::onnx
