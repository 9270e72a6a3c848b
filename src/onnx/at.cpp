// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "onnx/importer.h"

namespace coppice::onnx {

bool At::is_constant(size_t input) const { return has(input) && importer.is_constant(node.inputs[input]); }

Result<Activation> At::activation(size_t input) const {
  if (!has(input)) return corrupt("lacks input " + std::to_string(input));
  TRY_ASSIGN(Activation x, importer.activation(node.inputs[input]));
  if (x.bytes && !moves_)
    return unsupported(
        "computes with bytes; read are QuantizeLinear and DequantizeLinear around ops of floats");
  return x;
}

Result<ConstantPtr> At::constant(size_t input) const {
  if (!has(input)) return corrupt("lacks input " + std::to_string(input));
  return importer.constant(node.inputs[input]);
}

const Attribute* At::find(const char* key) {
  asked_.insert(key);
  const auto found = node.attributes.find(key);
  return found == node.attributes.end() ? nullptr : &found->second;
}

namespace {

Status wrong_kind(const char* key) {
  return corrupt(std::string("attribute '") + key + "' is of a wrong type");
}

}  // namespace

Result<int64_t> At::integer(const char* key, int64_t otherwise) {
  const Attribute* attribute = find(key);
  if (attribute == nullptr) return otherwise;
  if (attribute->kind != Attribute::Kind::kInteger) return wrong_kind(key);
  return attribute->integer;
}

Result<double> At::real(const char* key, double otherwise) {
  const Attribute* attribute = find(key);
  if (attribute == nullptr) return otherwise;
  if (attribute->kind != Attribute::Kind::kReal) return wrong_kind(key);
  return attribute->real;
}

Result<std::string> At::text(const char* key, const std::string& otherwise) {
  const Attribute* attribute = find(key);
  if (attribute == nullptr) return otherwise;
  if (attribute->kind != Attribute::Kind::kText) return wrong_kind(key);
  return attribute->text;
}

Result<Sizes> At::integers(const char* key, const Sizes& otherwise) {
  const Attribute* attribute = find(key);
  if (attribute == nullptr) return otherwise;
  if (attribute->kind != Attribute::Kind::kIntegers) return wrong_kind(key);
  return attribute->integers;
}

Result<Sizes> At::list(const char* key, size_t input, const Sizes& otherwise) {
  if (find(key) != nullptr) return integers(key, otherwise);
  if (!has(input)) return otherwise;
  TRY_ASSIGN(const ConstantPtr list, constant(input));
  auto values = integers_of(*list);
  if (!values.ok()) return values.status().within(key);
  return values;
}

Status At::check_attributes() const {
  for (const auto& [key, attribute] : node.attributes)
    if (asked_.count(key) == 0) return unsupported("attribute '" + shown(key) + "' is not read");
  return {};
}

void At::is(Activation value) const {
  if (!node.outputs.empty()) importer.set(node.outputs[0], std::move(value));
}

Status At::is_input(const char* why) const {
  TRY_ASSIGN(Activation x, activation(0));
  importer.removed(node, why);
  is(std::move(x));
  return {};
}

Result<Activation> At::image(size_t input) const {
  TRY_ASSIGN(Activation x, activation(input));
  const Shape& shape = importer.graph().value(x.id).shape;
  Sizes sizes = x.sizes;
  if (sizes.size() == 2) sizes.insert(sizes.begin() + 1, 1);
  if (sizes.size() != 3)
    return unsupported("takes " + sizes_text(x.sizes) + ", not channels and their places");
  if (shape.axes != "chw" || shape.sizes != sizes)
    return unsupported("takes " + sizes_text(x.sizes) + ", which was reshaped from " + shape.text());
  return x;
}

Result<Activation> At::flat(size_t input) const {
  TRY_ASSIGN(Activation x, activation(input));
  if (x.sizes.size() != 1)
    return unsupported("takes " + sizes_text(x.sizes) +
                       " of a sample; read is one row of numbers, not a sequence of them");
  TRY_ASSIGN(x.id, importer.flattened(x));
  return x;
}

Status At::map(const char* op, Attributes attributes) const {
  TRY_ASSIGN(Activation x, activation(0));
  TRY_ASSIGN(x.id, importer.emit(op, importer.layer_name(node), {x.id}, std::move(attributes)));
  is(std::move(x));
  return {};
}

}  // namespace coppice::onnx
