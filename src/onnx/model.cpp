// SPDX-License-Identifier: Apache-2.0
#include "onnx/model.h"

#include <charconv>

#include "io/protobuf.h"

namespace coppice::onnx {
namespace {

constexpr int64_t kLeastIr = 3, kMostIr = 13, kLeastOpset = 7, kMostOpset = 21;
// An empty node takes two bytes of a file and a hundred times as much here.
constexpr size_t kMostItems = size_t{1} << 20;
constexpr size_t kMostRank = 16;

// Calls f(reader) at each field of a message.
template <class F>
Status for_each_field(ProtoReader reader, F f) {
  for (;;) {
    TRY_ASSIGN(const bool more, reader.next());
    if (!more) return {};
    TRY(f(reader));
  }
}

template <class F>
Status for_each_field_of(const ProtoReader& field, F f) {
  TRY_ASSIGN(const ProtoReader message, field.message());
  return for_each_field(message, f);
}

template <class T>
Status set(T& out, Result<T> value) {
  if (!value.ok()) return value.status();
  out = value.take();
  return {};
}

Status add_text(std::vector<std::string>& out, const ProtoReader& field) {
  TRY_ASSIGN(out.emplace_back(), field.text());
  return {};
}

template <class T>
Status check_count(const std::vector<T>& items, const ProtoReader& field) {
  if (items.size() < kMostItems) return {};
  return field.broken("comes more than a million times");
}

Status read_external(const ProtoReader& field, Tensor& tensor) {
  std::string key, value;
  TRY(for_each_field_of(field, [&](const ProtoReader& at) -> Status {
    if (at.field() == 1) return set(key, at.text());
    if (at.field() == 2) return set(value, at.text());
    return {};
  }));
  tensor.external = true;
  if (key == "location") tensor.location = value;
  if (key != "offset" && key != "length") return {};
  int64_t number = -1;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (error != std::errc() || end != value.data() + value.size() || number < 0)
    return field.broken("gives external data an " + key + " that is no number");
  (key == "offset" ? tensor.offset : tensor.length) = number;
  return {};
}

Status read_tensor(const ProtoReader& field, Tensor& tensor) {
  return for_each_field_of(field, [&](const ProtoReader& at) -> Status {
    switch (at.field()) {
      case 1:
        TRY(at.add_integers(tensor.dims));
        return tensor.dims.size() <= kMostRank
                   ? Status()
                   : at.broken("gives a tensor more than " + std::to_string(kMostRank) + " dimensions");
      case 2:
        return set(tensor.type, at.integer());
      case 3:
        return at.broken("cuts a tensor into segments, which is not read");
      case 4:
        return at.add_reals(tensor.floats);
      case 5:
        return at.add_integers(tensor.int32s);
      case 7:
        return at.add_integers(tensor.int64s);
      case 8:
        return set(tensor.name, at.text());
      case 9:
        tensor.has_raw = true;
        return set(tensor.raw, at.bytes());
      case 10:
        return at.add_doubles(tensor.doubles);
      case 13:
        return read_external(at, tensor);
      case 14: {
        TRY_ASSIGN(const int64_t place, at.integer());
        tensor.external = tensor.external || place != 0;
        return {};
      }
      default:
        return {};
    }
  });
}

// The type is a field of its own, which old files leave out: then what is there tells.
Status read_attribute(const ProtoReader& field, std::string& name, Attribute& attribute) {
  using Kind = Attribute::Kind;
  int64_t type = 0;
  bool other = false;
  Kind found = Kind::kOther;
  TRY(for_each_field_of(field, [&](const ProtoReader& at) -> Status {
    switch (at.field()) {
      case 1:
        return set(name, at.text());
      case 2:
        found = Kind::kReal;
        return set(attribute.real, at.real());
      case 3:
        found = Kind::kInteger;
        return set(attribute.integer, at.integer());
      case 4: {
        found = Kind::kText;
        TRY_ASSIGN(const std::string_view text, at.bytes());
        attribute.text = text;
        return {};
      }
      case 5:
        found = Kind::kTensor;
        return read_tensor(at, attribute.tensor);
      case 7:
        found = Kind::kReals;
        return at.add_reals(attribute.reals);
      case 8:
        found = Kind::kIntegers;
        return at.add_integers(attribute.integers);
      case 20:
        return set(type, at.integer());
      case 6:
      case 9:
      case 10:
      case 11:
      case 14:
      case 15:
      case 21:
      case 22:
      case 23:
        other = true;
        return {};
      default:
        return {};
    }
  }));
  constexpr Kind kKinds[] = {Kind::kOther,  Kind::kReal,  Kind::kInteger, Kind::kText,
                             Kind::kTensor, Kind::kOther, Kind::kReals,   Kind::kIntegers};
  if (type >= 0 && type < static_cast<int64_t>(std::size(kKinds)) && type != 0)
    found = kKinds[static_cast<size_t>(type)];
  else if (type != 0)
    found = Kind::kOther;
  attribute.kind = other ? Kind::kOther : found;
  return {};
}

Status read_node(const ProtoReader& field, Node& node) {
  return for_each_field_of(field, [&](const ProtoReader& at) -> Status {
    switch (at.field()) {
      case 1:
        return add_text(node.inputs, at);
      case 2:
        return add_text(node.outputs, at);
      case 3:
        return set(node.name, at.text());
      case 4:
        return set(node.op, at.text());
      case 5: {
        std::string name;
        Attribute attribute;
        TRY(read_attribute(at, name, attribute));
        if (!node.attributes.emplace(name, std::move(attribute)).second)
          return at.broken("gives a node the attribute '" + name + "' twice");
        return {};
      }
      case 7:
        return set(node.domain, at.text());
      default:
        return {};
    }
  });
}

// TensorShapeProto: 1 dimensions, each {1 a number, 2 a name}.
Status read_shape(const ProtoReader& field, ValueInfo& info) {
  info.has_shape = true;
  return for_each_field_of(field, [&](const ProtoReader& dimension) -> Status {
    if (dimension.field() != 1) return {};
    if (info.dims.size() == kMostRank)
      return dimension.broken("is one dimension more than " + std::to_string(kMostRank));
    info.dims.push_back(-1);
    return for_each_field_of(dimension, [&](const ProtoReader& at) -> Status {
      return at.field() == 1 ? set(info.dims.back(), at.integer()) : Status();
    });
  });
}

// 2 type {1 tensor {1 element type, 2 shape}}
Status read_value(const ProtoReader& field, ValueInfo& info) {
  return for_each_field_of(field, [&](const ProtoReader& at) -> Status {
    if (at.field() == 1) return set(info.name, at.text());
    if (at.field() != 2) return {};
    return for_each_field_of(at, [&](const ProtoReader& type) -> Status {
      if (type.field() != 1) return {};
      return for_each_field_of(type, [&](const ProtoReader& tensor) -> Status {
        if (tensor.field() == 1) return set(info.type, tensor.integer());
        return tensor.field() == 2 ? read_shape(tensor, info) : Status();
      });
    });
  });
}

Status read_graph(const ProtoReader& field, Model& model) {
  return for_each_field_of(field, [&](const ProtoReader& at) -> Status {
    switch (at.field()) {
      case 1:
        TRY(check_count(model.nodes, at));
        return read_node(at, model.nodes.emplace_back());
      case 5:
        TRY(check_count(model.initializers, at));
        return read_tensor(at, model.initializers.emplace_back());
      case 11:
        TRY(check_count(model.inputs, at));
        return read_value(at, model.inputs.emplace_back());
      case 12:
        TRY(check_count(model.outputs, at));
        return read_value(at, model.outputs.emplace_back());
      case 15:
        return at.broken("holds sparse initializers, which are not read; export them dense");
      default:
        return {};
    }
  });
}

Status read_opset(const ProtoReader& field, Model& model) {
  std::string domain;
  int64_t version = 0;
  TRY(for_each_field_of(field, [&](const ProtoReader& at) -> Status {
    if (at.field() == 1) return set(domain, at.text());
    return at.field() == 2 ? set(version, at.integer()) : Status();
  }));
  if (domain.empty() || domain == "ai.onnx") model.opset = version;
  return {};
}

}  // namespace

std::string type_name(int64_t type) {
  constexpr const char* kNames[] = {"no type", "FLOAT",  "UINT8",     "INT8",       "UINT16",  "INT16",
                                    "INT32",   "INT64",  "STRING",    "BOOL",       "FLOAT16", "DOUBLE",
                                    "UINT32",  "UINT64", "COMPLEX64", "COMPLEX128", "BFLOAT16"};
  if (type >= 0 && type < static_cast<int64_t>(std::size(kNames))) return kNames[type];
  return "type " + std::to_string(type);
}

Result<Model> parse_model(std::string_view bytes) {
  Model model;
  bool graph = false;
  TRY(for_each_field(ProtoReader(bytes), [&](const ProtoReader& at) -> Status {
    switch (at.field()) {
      case 1:
        return set(model.ir, at.integer());
      case 2:
        return set(model.producer, at.text());
      case 7:
        if (graph) return at.broken("is a second graph");
        graph = true;
        return read_graph(at, model);
      case 8:
        return read_opset(at, model);
      default:
        return {};
    }
  }));
  if (!graph || model.ir == 0)
    return corrupt("is no ONNX model: it has " + std::string(graph ? "no IR version" : "no graph"));
  const auto outside = [](const char* what, int64_t is, int64_t least, int64_t most, const char* advice) {
    return unsupported(std::string("has ") + what + " " + std::to_string(is) + ", read are " +
                       std::to_string(least) + " to " + std::to_string(most) + "; " + advice);
  };
  if (model.ir < kLeastIr || model.ir > kMostIr)
    return outside("IR version", model.ir, kLeastIr, kMostIr, "export it with another version of onnx");
  if (model.opset < kLeastOpset || model.opset > kMostOpset)
    return outside("opset", model.opset, kLeastOpset, kMostOpset,
                   "export it with opset 17, such as torch.onnx.export(..., opset_version=17)");
  return model;
}

}  // namespace coppice::onnx
