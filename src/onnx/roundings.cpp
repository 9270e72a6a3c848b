// SPDX-License-Identifier: Apache-2.0
// QuantizeLinear and DequantizeLinear of activations: a pair of them is a fake_quantise, and what lies
// between the two moves the rounded numbers. Those of weights are computed at load (onnx/fold.cpp).
#include "onnx/ops.h"

namespace coppice::onnx {
namespace {

// From bytes without a sign to bytes with one.
constexpr int64_t kHalf = 128;

// Scale and zero point, one of each for the whole value.
Result<Steps> read_steps(At& at) {
  at.ignore("axis");      // of scales of channels, which are refused
  at.ignore("saturate");  // of floats of 8 bits, which are refused
  TRY_ASSIGN(const int64_t block, at.integer("block_size", 0));
  TRY_ASSIGN(const int64_t wanted, at.integer("output_dtype", 0));
  if (block != 0) return unsupported("scales blocks of an axis; of activations there is one scale");
  TRY_ASSIGN(const ConstantPtr scale, at.constant(1));
  if (scale->integer || scale->size() != 1)
    return unsupported("has a scale of " + sizes_text(scale->dims) + "; of activations there is one number");
  Steps out;
  out.scale = scale->real(0);
  if (at.has(2)) {
    TRY_ASSIGN(const ConstantPtr zero, at.constant(2));
    if (!zero->integer || zero->size() != 1) return corrupt("should have one integer as zero point");
    out.zero_point = zero->integers[0];
    out.type = zero->type;
  } else if (wanted != 0) {
    out.type = static_cast<Type>(wanted);
  }
  if (out.type != Type::kInt8 && out.type != Type::kUint8)
    return unsupported("is of " + type_name(static_cast<int64_t>(out.type)) +
                       "; activations are rounded to INT8 or UINT8");
  const int64_t least = out.type == Type::kInt8 ? -kHalf : 0;
  if (out.zero_point < least || out.zero_point > least + 255)
    return corrupt("has a zero point that is no byte: " + std::to_string(out.zero_point));
  return out;
}

}  // namespace

Status import_quantize_linear(At& at) {
  TRY_ASSIGN(const Steps steps, read_steps(at));
  TRY_ASSIGN(Activation x, at.activation(0));
  const int64_t shift = steps.type == Type::kUint8 ? kHalf : 0;
  // The names of coppice's own files, and of ONNX Runtime's tools.
  Node named = at.node;
  for (const std::string_view suffix : {".integers", "_QuantizeLinear"})
    if (named.name.size() > suffix.size() && named.name.ends_with(suffix))
      named.name.resize(named.name.size() - suffix.size());
  TRY_ASSIGN(x.id,
             at.importer.emit("fake_quantise", at.importer.layer_name(named), {x.id},
                              {{"scale", double{steps.scale}}, {"zero_point", steps.zero_point - shift}}));
  x.bytes = steps;
  at.is(std::move(x));
  return {};
}

Status import_dequantize_linear(At& at) {
  TRY_ASSIGN(Steps steps, read_steps(at));
  TRY_ASSIGN(Activation x, at.activation(0));
  if (!x.bytes) return unsupported("takes numbers that no QuantizeLinear made");
  // Without a zero point nothing says of what kind the bytes are.
  if (!at.has(2)) steps.type = x.bytes->type;
  if (!(steps == *x.bytes))
    return unsupported("reads bytes by another scale or zero point than they were made with");
  x.bytes.reset();
  at.importer.removed(at.node, "gives the numbers that were rounded");
  at.is(std::move(x));
  return {};
}

}  // namespace coppice::onnx
