// SPDX-License-Identifier: Apache-2.0
#include "ops/build.h"

#include "graph/op.h"
#include "ops/ops.h"

namespace coppice {
namespace {

Value input_value(const std::string& name, Shape shape, bool integer) {
  Value value;
  value.name = name;
  value.kind = ValueKind::kInput;
  value.shape = std::move(shape);
  value.integer = integer;
  return value;
}

}  // namespace

NetworkBuilder::NetworkBuilder() { graph_.sum = find_op("add"); }

ValueId NetworkBuilder::input(Shape shape) {
  return graph_.input = graph_.add_value(input_value("input", std::move(shape), false));
}

ValueId NetworkBuilder::class_target() {
  return graph_.target = graph_.add_value(input_value("target", {"", {}}, true));
}

ValueId NetworkBuilder::dense_target(Shape shape) {
  return graph_.target = graph_.add_value(input_value("target", std::move(shape), false));
}

ValueId NetworkBuilder::parameter(const std::string& name, Shape shape, ParamRole role, Init init,
                                  int64_t fan_in) {
  if (!status_.ok()) return kNoValue;
  if (graph_.find(name) != kNoValue) {
    status_ = invalid("parameter '" + name + "': the name is already in use");
    return kNoValue;
  }
  Value value;
  value.name = name;
  value.kind = ValueKind::kParam;
  value.shape = std::move(shape);
  value.role = role;
  value.init = init;
  value.fan_in = fan_in;
  return graph_.add_value(std::move(value));
}

ValueId NetworkBuilder::state(const std::string& name, Shape shape, Init init) {
  const ValueId id = parameter(name, std::move(shape), ParamRole::kScale, init, 1);
  if (id != kNoValue) graph_.value(id).kind = ValueKind::kState;
  return id;
}

ValueId NetworkBuilder::apply(const char* op, const std::string& name, std::vector<ValueId> inputs,
                              Attributes attributes) {
  if (!status_.ok()) return kNoValue;
  const OpDef* definition = find_op(op);
  if (!definition) {
    status_ = unsupported("node '" + name + "': there is no op '" + op + "'");
    return kNoValue;
  }
  auto outputs = graph_.add(*definition, name, std::move(inputs), std::move(attributes));
  if (outputs.ok()) return (*outputs)[0];
  status_ = outputs.status();
  return kNoValue;
}

ValueId NetworkBuilder::linear(const std::string& name, ValueId x, int64_t outputs, bool bias) {
  if (!status_.ok()) return kNoValue;
  const int64_t inputs = graph_.value(x).shape.elements();
  std::vector<ValueId> operands = {x, parameter(name + ".weight", {"oi", {outputs, inputs}},
                                                ParamRole::kWeight, Init::kKaimingUniform, inputs)};
  if (bias)
    operands.push_back(parameter(name + ".bias", {"c", {outputs}}, ParamRole::kBias, Init::kZero, inputs));
  return apply("linear", name, std::move(operands));
}

ValueId NetworkBuilder::conv(const std::string& name, ValueId x, int64_t outputs,
                             const ConvOptions& options) {
  if (!status_.ok()) return kNoValue;
  const int64_t inputs = graph_.value(x).shape.size('c') / std::max(options.groups, 1);
  const int64_t fan_in = inputs * options.kernel * options.kernel;
  std::vector<ValueId> operands = {
      x, parameter(name + ".weight", {"oihw", {outputs, inputs, options.kernel, options.kernel}},
                   ParamRole::kWeight, Init::kKaimingUniform, fan_in)};
  if (options.bias)
    operands.push_back(parameter(name + ".bias", {"c", {outputs}}, ParamRole::kBias, Init::kZero, fan_in));
  return apply("conv2d", name, std::move(operands),
               {{"stride", int64_t{options.stride}},
                {"padding", int64_t{options.padding}},
                {"dilation", int64_t{options.dilation}},
                {"groups", int64_t{options.groups}},
                {"wrap", int64_t{options.wrap}}});
}

ValueId NetworkBuilder::batch_norm(const std::string& name, ValueId x) {
  if (!status_.ok()) return kNoValue;
  const Shape channels{"c", {graph_.value(x).shape.size('c')}};
  const ValueId scale = parameter(name + ".weight", channels, ParamRole::kScale, Init::kOne, 1);
  const ValueId bias = parameter(name + ".bias", channels, ParamRole::kBias, Init::kZero, 1);
  const ValueId mean = state(name + ".running_mean", channels, Init::kZero);
  const ValueId variance = state(name + ".running_var", channels, Init::kOne);
  return apply("batch_norm", name, {x, scale, bias, mean, variance});
}

ValueId NetworkBuilder::layer_norm(const std::string& name, ValueId x) {
  if (!status_.ok()) return kNoValue;
  const Shape shape = graph_.value(x).shape;
  const ValueId scale = parameter(name + ".weight", shape, ParamRole::kScale, Init::kOne, 1);
  const ValueId bias = parameter(name + ".bias", shape, ParamRole::kBias, Init::kZero, 1);
  return apply("layer_norm", name, {x, scale, bias});
}

ValueId NetworkBuilder::prelu(const std::string& name, ValueId x, int64_t slopes) {
  if (!status_.ok()) return kNoValue;
  const ValueId slope = parameter(name + ".weight", {"c", {slopes}}, ParamRole::kScale, Init::kQuarter, 1);
  return apply("prelu", name, {x, slope});
}

ValueId NetworkBuilder::relu(const std::string& name, ValueId x) { return apply("relu", name, {x}); }

ValueId NetworkBuilder::flatten(const std::string& name, ValueId x) { return apply("flatten", name, {x}); }

void NetworkBuilder::softmax_cross_entropy(ValueId logits, double smoothing) {
  graph_.logits = logits;
  graph_.loss = apply("softmax_cross_entropy", "loss", {logits, graph_.target}, {{"smoothing", smoothing}});
}

void NetworkBuilder::binary_cross_entropy(ValueId logits) {
  graph_.logits = logits;
  graph_.loss = apply("binary_cross_entropy", "loss", {logits, graph_.target});
}

void NetworkBuilder::mean_squared_error(ValueId outputs) {
  graph_.logits = outputs;
  graph_.loss = apply("mean_squared_error", "loss", {outputs, graph_.target});
}

Result<Graph> NetworkBuilder::finish() {
  if (!status_.ok()) return status_;
  TRY(verify(graph_));
  return std::move(graph_);
}

}  // namespace coppice
