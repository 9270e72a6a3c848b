// SPDX-License-Identifier: Apache-2.0
#include "onnx/importer.h"

#include <algorithm>

#include "base/text.h"
#include "onnx/external.h"
#include "ops/ops.h"

namespace coppice::onnx {
namespace {

constexpr int64_t kLargestSide = 1 << 16, kLargestSample = INT32_MAX;  // as a checkpoint keeps them
constexpr size_t kMostProblems = 30;

std::string place_of(const Node& node) {
  return shown(node.op) +
         (node.name.empty() ? " -> '" + (node.outputs.empty() ? "" : shown(node.outputs[0]))
                            : " '" + shown(node.name)) +
         "'";
}

// Nodes that follow a refused one are neither imported nor refused themselves.
Status follows_refused() { return {Code::kNotFound, "follows a node that is refused"}; }

}  // namespace

std::string shown(const std::string& name) {
  constexpr size_t kLongest = 80;
  std::string out = name.substr(0, kLongest);
  std::replace_if(
      out.begin(), out.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  return name.size() > kLongest ? out + "..." : out;
}

std::string sizes_text(const Sizes& sizes) {
  std::string text;
  for (const int64_t size : sizes) append_item(text, std::to_string(size), " x ");
  return text.empty() ? "a single number" : text;
}

Result<ImportedNetwork> Importer::run() {
  graph_.sum = find_op("add");
  result_.producer = shown(model_.producer);
  result_.ir = model_.ir;
  result_.opset = model_.opset;
  result_.nodes = static_cast<int64_t>(model_.nodes.size());
  TRY(check_graph());
  TRY(sort_nodes());
  TRY(declare_input());
  // First what depends on constants alone: a layer looks at what follows it, and at the constants of that.
  for (const size_t index : order_)
    if (fold_node(model_.nodes[index])) absorbed_.insert(&model_.nodes[index]);
  for (const size_t index : order_) import_node(model_.nodes[index]);
  if (problem_count_ > 0) {
    if (problem_count_ > kMostProblems)
      problems_ += "; and " + std::to_string(problem_count_ - kMostProblems) + " more";
    return unsupported("cannot be imported: " + problems_ + "; docs/import.md lists what can");
  }
  TRY(finish());
  return std::move(result_);
}

// Every name has one meaning.
Status Importer::check_graph() {
  for (const Tensor& tensor : model_.initializers)
    if (!initializers_.emplace(tensor.name, &tensor).second)
      return corrupt("has two initializers '" + shown(tensor.name) + "'");
  for (size_t i = 0; i < model_.nodes.size(); ++i)
    for (const std::string& output : model_.nodes[i].outputs) {
      if (output.empty()) continue;
      if (initializers_.count(output) > 0 || !producers_.emplace(output, i).second)
        return corrupt("makes '" + shown(output) + "' twice");
    }
  if (model_.outputs.empty()) return corrupt("has no output");
  if (model_.outputs.size() > 1)
    return unsupported("has " + std::to_string(model_.outputs.size()) + " outputs, '" +
                       shown(model_.outputs[0].name) + "', '" + shown(model_.outputs[1].name) +
                       "', ...; export the one that you want");
  return {};
}

// What the output needs, in an order in which it can run.
Status Importer::sort_nodes() {
  enum class Mark : uint8_t { kNew, kOpen, kDone };
  std::vector<Mark> marks(model_.nodes.size(), Mark::kNew);
  const auto producer = [this](const std::string& value) {
    const auto found = producers_.find(value);
    return found == producers_.end() ? model_.nodes.size() : found->second;
  };
  struct Step {
    size_t node, input;
  };
  std::vector<Step> stack;
  if (const size_t last = producer(model_.outputs[0].name); last < model_.nodes.size())
    stack.push_back({last, 0});
  while (!stack.empty()) {
    Step& step = stack.back();
    const Node& node = model_.nodes[step.node];
    if (step.input == 0) {
      if (marks[step.node] == Mark::kDone) {
        stack.pop_back();
        continue;
      }
      marks[step.node] = Mark::kOpen;
    }
    if (step.input == node.inputs.size()) {
      marks[step.node] = Mark::kDone;
      order_.push_back(step.node);
      stack.pop_back();
      continue;
    }
    const size_t next = producer(node.inputs[step.input++]);
    if (next == model_.nodes.size() || marks[next] == Mark::kDone) continue;
    if (marks[next] == Mark::kOpen)
      return corrupt(place_of(model_.nodes[next]) + " reads what it makes itself: the graph has a cycle");
    stack.push_back({next, 0});
  }
  for (const size_t index : order_)
    for (const std::string& input : model_.nodes[index].inputs)
      if (!input.empty()) readers_[input].push_back(index);
  return {};
}

// The one input that has no value in the file: old files list initializers among the inputs.
Status Importer::declare_input() {
  const ValueInfo* input = nullptr;
  for (const ValueInfo& info : model_.inputs) {
    if (initializers_.count(info.name) > 0) continue;
    if (producers_.count(info.name) > 0) return corrupt("makes its input '" + shown(info.name) + "' itself");
    if (input != nullptr)
      return unsupported("has two inputs, '" + shown(input->name) + "' and '" + shown(info.name) +
                         "'; networks here have one");
    input = &info;
  }
  if (input == nullptr) return corrupt("has no input");
  const std::string place = "input '" + shown(input->name) + "'";
  const auto type = static_cast<Type>(input->type);
  if (type != Type::kFloat && type != Type::kDouble && type != Type::kFloat16)
    return unsupported(place + ": is of " + type_name(input->type) +
                       ", networks here take floats; token ids and bytes are not read");
  if (!input->has_shape || input->dims.size() < 2 || input->dims.size() > 4)
    return unsupported(place + ": has " + std::to_string(input->dims.size()) +
                       " dimensions; read are samples x features, x channels x places, or x channels x "
                       "height x width");
  const Sizes sizes(input->dims.begin() + 1, input->dims.end());
  int64_t count = 0;
  for (const int64_t size : sizes)
    if (size < 1 || size > kLargestSide)
      return unsupported(place + ": only the number of samples may be left open, and sizes are at most " +
                         std::to_string(kLargestSide) + "; export it with fixed sizes");
  if (!count_of(sizes, &count) || count > kLargestSample)
    return unsupported(place + ": a sample has more than 2^31 numbers");
  Value value;
  value.kind = ValueKind::kInput;
  value.name = "input";
  value.shape = sizes.size() == 1   ? Shape{"f", sizes}
                : sizes.size() == 2 ? Shape{"chw", {sizes[0], 1, sizes[1]}}
                                    : Shape{"chw", sizes};
  names_ = {"input", "target", "loss"};
  graph_.input = graph_.add_value(std::move(value));
  result_.input = shown(input->name);
  result_.input_sizes = sizes;
  activations_[input->name] = {graph_.input, sizes};
  return {};
}

Status Importer::refuse(const Node& node, const Status& why) {
  if (++problem_count_ <= kMostProblems) append_item(problems_, place_of(node) + ": " + why.message(), "; ");
  return {};
}

// True where the node is computed now: all that it reads is known.
bool Importer::fold_node(const Node& node) {
  if (!node.domain.empty() && node.domain != "ai.onnx") return false;
  std::vector<ConstantPtr> inputs;
  if (node.op == "Shape" && node.inputs.size() == 1 && activations_.count(node.inputs[0]) > 0) {
    // Only the sizes of an activation are known.
    auto sizes = std::make_shared<Constant>();
    sizes->dims = activations_[node.inputs[0]].sizes;
    sizes->dims.insert(sizes->dims.begin(), kBatch);
    inputs.push_back(std::move(sizes));
  } else {
    for (const std::string& input : node.inputs) {
      if (!input.empty() && !is_constant(input)) return false;
      ConstantPtr value;
      if (!input.empty()) {
        auto known = constant(input);
        if (!known.ok()) {
          (void)refuse(node, known.status());
          return true;
        }
        value = known.take();
      }
      inputs.push_back(std::move(value));
    }
  }
  auto value = fold(node, inputs, model_.opset);
  if (value.ok() && !*value) return false;
  if (!value.ok()) {
    (void)refuse(node, value.status());
    return true;
  }
  const Status spent = spend(node.op == "Identity" ? 0 : static_cast<uint64_t>((*value)->size()));
  if (!spent.ok()) {
    (void)refuse(node, spent);
    return true;
  }
  if (!node.outputs.empty()) constants_[node.outputs[0]] = value.take();
  ++result_.folded;
  return true;
}

void Importer::import_node(const Node& node) {
  if (absorbed_.count(&node) > 0) return;
  if (!node.domain.empty() && node.domain != "ai.onnx") {
    (void)refuse(node, unsupported("is an op of '" + shown(node.domain) + "'; read are those of ai.onnx"));
    return;
  }
  if (fold_node(node)) return;
  const OpRow* row = find_op_row(node.op);
  constexpr const char* kOfIntegers[] = {"QLinearConv", "QLinearMatMul", "ConvInteger", "MatMulInteger",
                                         "DynamicQuantizeLinear"};
  if (std::find(std::begin(kOfIntegers), std::end(kOfIntegers), node.op) != std::end(kOfIntegers)) {
    (void)refuse(node, unsupported("computes with integers; quantise the network in the QDQ format, with "
                                   "QuantizeLinear and DequantizeLinear around ops of floats"));
    return;
  }
  if (row == nullptr) {
    (void)refuse(node, unsupported("coppice has no such op"));
    return;
  }
  At at(*this, node, row->moves);
  Status status = row->import(at);
  if (status.ok()) status = at.check_attributes();
  if (status.ok()) return;
  // Without a refusal before it, it reads what is there but has no meaning here, such as the mask of a
  // dropout.
  if (status.code() != Code::kNotFound)
    (void)refuse(node, status);
  else if (problem_count_ == 0)
    (void)refuse(node, unsupported("reads an output that is not imported"));
}

Status Importer::spend(uint64_t numbers) {
  if (numbers > budget_) return unsupported("computes more constants than the whole file is large");
  budget_ -= numbers;
  return {};
}

const Node* Importer::only_reader(const std::string& value) const {
  const auto found = readers_.find(value);
  if (is_output(value) || found == readers_.end() || found->second.size() != 1) return nullptr;
  return &model_.nodes[found->second[0]];
}

bool Importer::is_constant(const std::string& value) const {
  return constants_.count(value) > 0 || initializers_.count(value) > 0;
}

Result<ConstantPtr> Importer::constant(const std::string& value) {
  if (const auto found = constants_.find(value); found != constants_.end()) return found->second;
  const auto found = initializers_.find(value);
  if (found == initializers_.end()) {
    if (activations_.count(value) == 0) return follows_refused();
    return unsupported("input '" + shown(value) + "' should be a constant");
  }
  auto decoded = decode(*found->second);
  if (!decoded.ok()) return decoded.status().within("initializer '" + shown(value) + "'");
  return constants_[value] = std::make_shared<const Constant>(decoded.take());
}

Result<Activation> Importer::activation(const std::string& value) const {
  if (const auto found = activations_.find(value); found != activations_.end()) return found->second;
  if (is_constant(value)) return unsupported("input '" + shown(value) + "' is a constant");
  if (producers_.count(value) > 0) return follows_refused();
  return corrupt("input '" + shown(value) + "' is made by nobody");
}

void Importer::removed(const Node& node, const char* why) {
  result_.removed.push_back({shown(node.op), shown(node.name), why});
}

void Importer::absorb(const Node& node, const char* why) {
  absorbed_.insert(&node);
  removed(node, why);
}

std::string Importer::unique(const std::string& wish) {
  const auto taken = [this](const std::string& name) {
    for (const char* of : {"", ".weight", ".bias", ".running_mean", ".running_var", ".1", ".2"})
      if (names_.count(name + of) > 0 || graph_.find(name + of) != kNoValue) return true;
    return false;
  };
  // Goes on where it ended: a file may give a million nodes one name.
  int& number = numbered_[wish];
  std::string name = wish;
  while (number > 0 || taken(name)) {
    number = std::max(number, 1) + 1;
    name = wish + "_" + std::to_string(number);
    if (!taken(name)) break;
  }
  names_.insert(name);
  return name;
}

// Of a weight in 8 bits: that of the initializer, without what coppice or ONNX Runtime put behind it.
std::string Importer::stored_name(const std::string& weight) const {
  std::string name = weight;
  // Not further: a file may have a million of them.
  for (const char* op : {"DequantizeLinear", "QuantizeLinear"}) {
    const auto made = producers_.find(name);
    if (made == producers_.end()) break;
    const Node& node = model_.nodes[made->second];
    if (node.op == op && !node.inputs.empty()) name = node.inputs[0];
  }
  for (const std::string_view suffix : {".integers", "_quantized"})
    if (name.ends_with(suffix)) name.resize(name.size() - suffix.size());
  return name;
}

// PyTorch calls the node of a layer "/layer1/layer1.0/conv1/Conv": the modules that it lies in, each by its
// place in the one before or by its whole path, then the op.
std::string Importer::layer_name(const Node& node, const std::string& weight) {
  constexpr std::string_view kSuffix = ".weight";
  const std::string stored = stored_name(weight);
  if (stored.size() > kSuffix.size() && stored.ends_with(kSuffix))
    return unique(shown(stored.substr(0, stored.size() - kSuffix.size())));
  std::string name;
  for (size_t begin = 0; begin < node.name.size();) {
    const size_t end = std::min(node.name.find('/', begin), node.name.size());
    const std::string part = node.name.substr(begin, end - begin);
    begin = end + 1;
    if (part.empty() || (end == node.name.size() && part == node.op && !name.empty())) continue;
    if (!name.empty() && part.starts_with(name + "."))
      name = part;
    else
      append_item(name, part, ".");
  }
  if (name.empty()) {
    name = node.op;
    std::transform(name.begin(), name.end(), name.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  }
  return unique(shown(name));
}

ValueId Importer::parameter(const std::string& name, Shape shape, ParamRole role, std::vector<float> values) {
  Value value;
  value.name = name;
  value.kind = ValueKind::kParam;
  value.role = role;
  value.init = role == ParamRole::kWeight  ? Init::kKaimingUniform
               : role == ParamRole::kScale ? Init::kOne
                                           : Init::kZero;
  if (shape.has('o')) value.fan_in = shape.elements() / shape.size('o');
  value.shape = std::move(shape);
  values_[name] = std::move(values);
  return graph_.add_value(std::move(value));
}

ValueId Importer::state(const std::string& name, Shape shape, std::vector<float> values) {
  const ValueId id = parameter(name, std::move(shape), ParamRole::kScale, std::move(values));
  graph_.value(id).kind = ValueKind::kState;
  return id;
}

Result<ValueId> Importer::emit(const char* op, const std::string& name, std::vector<ValueId> inputs,
                               Attributes attributes) {
  TRY_ASSIGN(const std::vector<ValueId> made,
             graph_.add(*find_op(op), name, std::move(inputs), std::move(attributes)));
  if (graph_.value(made[0]).shape.elements() > kLargestSample)
    return unsupported("makes more than 2^31 numbers of a sample");
  return made[0];
}

Result<ValueId> Importer::flattened(const Activation& x) {
  if (graph_.value(x.id).shape.axes == "f") return x.id;
  if (const auto found = flat_.find(x.id); found != flat_.end()) return found->second;
  TRY_ASSIGN(const ValueId flat, emit("flatten", unique("flatten"), {x.id}));
  return flat_[x.id] = flat;
}

Status Importer::finish() {
  TRY_ASSIGN(Activation last, activation(model_.outputs[0].name));
  result_.output = shown(model_.outputs[0].name);
  result_.output_sizes = last.sizes;
  if (last.bytes) return unsupported("says bytes; let a DequantizeLinear be its last node");
  if (graph_.producer(last.id) < 0) return unsupported("does nothing: its output is its input");
  const int64_t inputs = graph_.value(graph_.input).shape.elements(),
                outputs = graph_.value(last.id).shape.elements();
  const std::string& ending = result_.ending;
  const bool list = last.sizes.size() == 1;
  // What an autoencoder says is as large as what it is told.
  result_.task = options_.task                                    ? *options_.task
                 : ending == "softmax" || ending == "log_softmax" ? Task::kClasses
                 : ending == "sigmoid"                            ? Task::kLabels
                 : list && outputs > 1 && outputs != inputs       ? Task::kClasses
                                                                  : Task::kRegression;
  if (list) {
    TRY_ASSIGN(last.id, flattened(last));
  }
  Value target;
  target.kind = ValueKind::kInput;
  target.name = "target";
  if (result_.task == Task::kClasses)
    target.integer = true;
  else
    target.shape = graph_.value(last.id).shape;
  graph_.logits = last.id;
  graph_.target = graph_.add_value(std::move(target));
  const char* loss = result_.task == Task::kClasses  ? "softmax_cross_entropy"
                     : result_.task == Task::kLabels ? "binary_cross_entropy"
                                                     : "mean_squared_error";
  TRY_ASSIGN(graph_.loss, emit(loss, "loss", {graph_.logits, graph_.target}));
  TRY(verify(graph_));
  TRY_ASSIGN(result_.network, Network::create(std::move(graph_), {}, 1));
  for (std::vector<Param>* params : {&result_.network.params, &result_.network.states})
    for (Param& param : *params) param.set_canonical(param.value, values_.at(param.name()));
  for (LayerChoice& choice : result_.network.choices) choice.reason = "as the imported file has it";
  return {};
}

}  // namespace coppice::onnx

namespace coppice {

namespace {

Result<ImportedNetwork> import_bytes(std::string_view bytes, const ImportOptions& options, Env* env,
                                     const std::string& directory) {
  TRY_ASSIGN(onnx::Model model, onnx::parse_model(bytes));
  if (options.external_data && env != nullptr)
    TRY(onnx::read_external(*env, directory, model));
  else
    TRY(onnx::refuse_external(model));
  uint64_t all = bytes.size();
  for (const std::string& part : model.outside) all += part.size();
  return onnx::Importer(std::move(model), options, all).run();
}

}  // namespace

Result<ImportedNetwork> import_onnx(std::string_view bytes, const ImportOptions& options) {
  return import_bytes(bytes, options, nullptr, "");
}

Result<ImportedNetwork> import_onnx_file(Env& env, const std::string& path, const ImportOptions& options) {
  constexpr uint64_t kLargestFile = uint64_t{1} << 31;
  TRY_ASSIGN(const std::string bytes, read_all(env, path, kLargestFile));
  const size_t slash = path.rfind('/');
  const std::string directory = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  auto network = import_bytes(bytes, options, &env, directory);
  if (!network.ok()) return network.status().within(path);
  return network;
}

std::string how_to_convert(const std::string& path) {
  const auto ends = [&path](std::initializer_list<const char*> endings) {
    return std::any_of(endings.begin(), endings.end(), [&](const char* e) { return path.ends_with(e); });
  };
  if (ends({".pt", ".pth", ".ckpt"}))
    return "a PyTorch file runs code when it is opened, so it is not read; make it an ONNX file where it was "
           "trained:\n"
           "  model.eval()\n"
           "  example = torch.randn(1, 3, 32, 32)  # a sample\n"
           "  torch.onnx.export(model, example, \"model.onnx\", opset_version=17, dynamo=False)";
  if (ends({".h5", ".keras", ".pb"}))
    return "a Keras file is not read; make it an ONNX file where it was trained:\n"
           "  pip install tf2onnx\n"
           "  model = keras.models.load_model(FILE)\n"
           "  tf2onnx.convert.from_keras(model, opset=17, inputs_as_nchw=[model.inputs[0].name], "
           "output_path=\"model.onnx\")";
  if (ends({".tflite"}))
    return "a TensorFlow Lite file is not read; make it an ONNX file:\n"
           "  pip install tf2onnx\n"
           "  python -m tf2onnx.convert --tflite FILE --output model.onnx --opset 17";
  return "";
}

}  // namespace coppice
