// SPDX-License-Identifier: Apache-2.0
// Makes an ONNX file of a graph. A row of the table in export_ops.cpp says of each op what nodes it becomes.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "io/protobuf_writer.h"
#include "onnx/export.h"
#include "onnx/model.h"

namespace coppice::onnx {

// AttributeProto, with its type.
ProtoWriter real_attribute(const char* name, double value);
ProtoWriter integer_attribute(const char* name, int64_t value);
ProtoWriter integers_attribute(const char* name, const std::vector<int64_t>& values);

template <class T>
std::string_view bytes_of(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

class Exporter {
 public:
  using Names = std::vector<std::string>;
  using Fields = std::vector<ProtoWriter>;  // attributes
  // Bytes stand for numbers: scale * (byte - zero point), here of bytes with a sign.
  struct Rounding {
    float scale = 1.0F;
    int8_t zero_point = 0;
    bool operator==(const Rounding&) const = default;
  };
  // Names in the file.
  struct Bytes {
    std::string bytes, scale, zero_point;
    Rounding rounding;
  };

  Exporter(const Network& network, const ExportOptions& options) : network_(network), options_(options) {}
  Result<ExportedNetwork> run();

  // For the rows. The order of calls is that of the nodes in the file.
  const Graph& graph() const { return network_.graph; }
  const Shape& shape(ValueId value) const { return network_.graph.value(value).shape; }
  const std::string& name(ValueId value) const;
  // A parameter or state under its own name, with the sizes that it has, or with others of as many numbers.
  std::string parameter(ValueId value) { return parameter(value, shape(value).sizes); }
  std::string parameter(ValueId value, const std::vector<int64_t>& sizes);
  std::string constant(const std::string& wish, const std::vector<int64_t>& sizes,
                       const std::vector<float>& values);
  std::string integers(const std::string& wish, const std::vector<int64_t>& values);
  // One of several nodes that make up an op: the name of its output.
  std::string step(const char* op, const std::string& wish, const Names& inputs,
                   const Fields& attributes = {});
  // The node, or the last of several, that gives the output of `node`.
  void make(const coppice::Node& node, const char* op, const Names& inputs, const Fields& attributes = {});
  // The output of `node` has this name, which is that of a step or of its input.
  void gives(const coppice::Node& node, const std::string& name) { names_[node.outputs[0]] = name; }
  // An activation that `node` takes.
  const std::string& x(const coppice::Node& node, size_t input = 0) const { return name(node.inputs[input]); }

  // ---- integers: export_integers.cpp
  // The value as bytes, where the file is in integers and a fake_quantise made it; else null.
  const Bytes* bytes(ValueId value) const;
  void set_bytes(ValueId value, const Bytes& bytes) { bytes_[value] = bytes; }
  Bytes rounded(const std::string& wish, const std::string& x, Rounding rounding);
  std::string numbers(const std::string& wish, const Bytes& bytes);  // the bytes as floats
  // How the only op that reads the value rounds it.
  std::optional<Rounding> rounding_after(ValueId value) const;
  // Whether rounding its output does what a clip to these limits does: bytes end there.
  bool ends_with_bytes(const coppice::Node& clip, double low, double high) const;
  // The parameters of a layer: weight, and bias if it has one.
  Status layer_parameters(const coppice::Node& node, Names& inputs);

 private:
  struct FileNode {
    std::string op, name;
    Names inputs;
    std::string output;
    Fields attributes;
  };

  Status check_size() const;
  Status check_normalisation() const;
  Status check_integers() const;
  void declare();
  void export_node(const coppice::Node& node);
  void refuse(const coppice::Node& node, const Status& why);
  Status finish();
  std::string unique(const std::string& wish);
  void tensor(const std::string& name, const std::vector<int64_t>& sizes, Type type, std::string_view raw);
  Status move_bytes(const coppice::Node& node, Status (*write)(Exporter& to, const coppice::Node& node));
  void drop_unread();
  std::string file();
  std::string constant(const std::string& wish, const std::vector<int64_t>& sizes, Type type,
                       std::string_view raw);
  std::string rows_back(const std::string& parameter, Type type, const std::vector<int64_t>& sizes,
                        std::string_view integers, const std::vector<float>& scale);

  const Network& network_;
  const ExportOptions& options_;
  ExportedNetwork result_;
  std::string problems_;
  size_t problem_count_ = 0;
  std::set<std::string> taken_;           // names of values, parameters and constants
  std::map<ValueId, std::string> names_;  // in the file
  std::set<std::string> there_;           // names that the file has given a meaning so far
  // Names of parameters by the sizes that they are read with.
  std::map<ValueId, std::map<std::vector<int64_t>, std::string>> parameters_;
  std::map<ValueId, Bytes> bytes_;
  std::vector<FileNode> nodes_;
  std::vector<ProtoWriter> tensors_;
};

struct ExportRow {
  const char* op;
  Status (*write)(Exporter& to, const coppice::Node& node);
  bool moves = false;  // its output holds numbers of its input, or 0
};
// How a fake_quantise rounds.
Exporter::Rounding rounding_of(const coppice::Node& node);
const ExportRow* find_export_row(const std::string& op);  // null if there is none

}  // namespace coppice::onnx
