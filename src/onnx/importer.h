// SPDX-License-Identifier: Apache-2.0
// From the nodes of an ONNX graph to ours, in their order. The ops are rows of a table (onnx/ops.cpp); what
// they share is here.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "graph/op.h"
#include "onnx/constant.h"
#include "onnx/import.h"

namespace coppice::onnx {

using Sizes = std::vector<int64_t>;

// How the file means bytes: scale * (byte - zero_point), of bytes with a sign (kInt8) or without (kUint8).
struct Steps {
  float scale = 1.0F;
  int64_t zero_point = 0;
  Type type = Type::kUint8;
  bool operator==(const Steps&) const = default;
};

// A value with samples: ours, and the sizes that ONNX sees, without the batch. Its numbers lie in the same
// order in both, so whatever only renames axes changes the sizes alone. Where the file has bytes between
// QuantizeLinear and DequantizeLinear, ours are the numbers that they stand for, and `bytes` says how.
struct Activation {
  ValueId id = kNoValue;
  Sizes sizes;
  std::optional<Steps> bytes = {};
};

class Importer;

// A node as its row of the table sees it. Every attribute has to be asked for: one that nobody asked for is
// refused.
class At {
 public:
  At(Importer& to, const Node& of, bool moves = false) : importer(to), node(of), moves_(moves) {}

  bool has(size_t input) const { return input < node.inputs.size() && !node.inputs[input].empty(); }
  bool is_constant(size_t input) const;
  // Fails where it is bytes and the node does more than to move them.
  Result<Activation> activation(size_t input) const;
  Result<ConstantPtr> constant(size_t input) const;

  Result<int64_t> integer(const char* key, int64_t otherwise);
  Result<double> real(const char* key, double otherwise);
  Result<std::string> text(const char* key, const std::string& otherwise);
  Result<Sizes> integers(const char* key, const Sizes& otherwise);
  // An attribute in old opsets, an input in new ones; `otherwise` where it is neither.
  Result<Sizes> list(const char* key, size_t input, const Sizes& otherwise);
  void ignore(const char* key) { asked_.insert(key); }
  Status check_attributes() const;

  // What the node's first output is.
  void is(Activation value) const;
  // The node does nothing that matters here: its output is its input.
  Status is_input(const char* why) const;

  // Sizes of the axes of a picture: c, h, w; h is 1 where there is only one axis of places.
  Result<Activation> image(size_t input) const;
  Result<Activation> flat(size_t input) const;
  // A node of ours that maps the input, of the same sizes.
  Status map(const char* op, Attributes attributes = {}) const;

  Importer& importer;
  const Node& node;

 private:
  const Attribute* find(const char* key);
  bool moves_;
  std::set<std::string> asked_;
};

struct OpRow {
  const char* op;
  Status (*import)(At& at);
  bool moves = false;  // its output holds numbers of its inputs, so it may be bytes
};
const OpRow* find_op_row(const std::string& op);  // null if there is none

class Importer {
 public:
  Importer(Model model, const ImportOptions& options, uint64_t bytes)
      : model_(std::move(model)), options_(options), budget_(4 * bytes + (uint64_t{1} << 20)) {}
  Result<ImportedNetwork> run();

  // ---- for the rows
  int64_t opset() const { return model_.opset; }
  Graph& graph() { return graph_; }
  const ImportOptions& options() const { return options_; }

  // The only node that reads a value, where nobody else does and it is not the output; null otherwise.
  const Node* only_reader(const std::string& value) const;
  bool is_output(const std::string& value) const { return value == model_.outputs[0].name; }
  Result<ConstantPtr> constant(const std::string& value);  // fails where it is none
  bool is_constant(const std::string& value) const;

  // Fails where the file has made so many numbers already, other than those that it holds, that it cannot be
  // meant.
  Status spend(uint64_t numbers);

  // A row took this node over as well; `value` becomes what its output is.
  void absorb(const Node& node, const char* why);
  void removed(const Node& node, const char* why);
  void set(const std::string& value, Activation activation) { activations_[value] = std::move(activation); }
  Result<Activation> activation(const std::string& value) const;

  // "layer1.0.conv1", from the name of the weight or of the node; nobody else has it, nor what begins with it
  // and one of the names of a parameter.
  std::string layer_name(const Node& node, const std::string& weight = "");
  ValueId parameter(const std::string& name, Shape shape, ParamRole role, std::vector<float> values);
  ValueId state(const std::string& name, Shape shape, std::vector<float> values);
  Result<ValueId> emit(const char* op, const std::string& name, std::vector<ValueId> inputs,
                       Attributes attributes = {});
  Result<ValueId> flattened(const Activation& x);

  void end_with(const char* ending) { result_.ending = ending; }

 private:
  Status check_graph();
  Status sort_nodes();
  Status declare_input();
  void import_node(const Node& node);
  bool fold_node(const Node& node);
  Status finish();
  Status refuse(const Node& node, const Status& why);
  std::string unique(const std::string& wish);
  std::string stored_name(const std::string& weight) const;

  Model model_;
  ImportOptions options_;
  uint64_t budget_;  // numbers that may still be made of those of the file
  Graph graph_;
  ImportedNetwork result_;
  std::map<std::string, const Tensor*> initializers_;
  std::map<std::string, ConstantPtr> constants_;
  std::map<std::string, Activation> activations_;
  std::map<std::string, size_t> producers_;
  std::map<std::string, std::vector<size_t>> readers_;
  std::vector<size_t> order_;
  std::set<const Node*> absorbed_;
  std::set<std::string> names_;
  std::map<std::string, int> numbered_;  // the last number that a name was given
  std::map<ValueId, ValueId> flat_;
  std::map<std::string, std::vector<float>> values_;
  std::string problems_;
  size_t problem_count_ = 0;
};

// A name of the file for a sentence: without what no terminal should see, and not longer than a line.
std::string shown(const std::string& name);
std::string sizes_text(const Sizes& sizes);  // "3 x 32 x 32"

}  // namespace coppice::onnx
