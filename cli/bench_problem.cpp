// SPDX-License-Identifier: Apache-2.0
#include "bench_problem.h"

#include <filesystem>

#include "base/rng.h"
#include "base/text.h"
#include "coppice_build.h"
#include "host/cpu.h"
#include "models/models.h"
#include "ops/ops.h"
#include "train/recipe.h"

namespace coppice::cli {
namespace {

constexpr uint64_t kSeed = 1;

Floats random_floats(int64_t count, const char* name) {
  Floats out(static_cast<size_t>(count));
  Rng rng(kSeed, stream_id("bench", name));
  for (float& value : out) value = rng.uniform() - 0.5f;
  return out;
}

int64_t padded(int64_t samples, int width) { return (samples + width - 1) / width * width; }

// One layer whose input and output gradient come from outside: forward, dX and dW are nodes like any others.
Result<Graph> layer_graph(const BenchRequest& request) {
  const bool conv = request.kind == "conv";
  const Shape in =
      conv ? Shape{"chw", {request.inputs, request.size, request.size}} : Shape{"f", {request.cols}};
  const Shape out =
      conv ? Shape{"chw", {request.outputs, request.size, request.size}} : Shape{"f", {request.rows}};
  const Shape weight = conv ? Shape{"oihw", {request.outputs, request.inputs, request.kernel, request.kernel}}
                            : Shape{"oi", {request.rows, request.cols}};
  Attributes attributes;
  if (conv)
    attributes = {{"stride", int64_t{1}},
                  {"padding", request.kernel / 2},
                  {"dilation", int64_t{1}},
                  {"groups", int64_t{1}},
                  {"wrap", int64_t{0}}};

  Graph graph;
  const auto add_input = [&](const char* name, const Shape& shape) {
    Value value;
    value.name = name;
    value.kind = ValueKind::kInput;
    value.shape = shape;
    return graph.add_value(std::move(value));
  };
  const ValueId x = add_input("x", in), dy = add_input("dy", out);
  Value parameter;
  parameter.name = "layer.weight";
  parameter.kind = ValueKind::kParam;
  parameter.shape = weight;
  parameter.init = Init::kKaimingUniform;
  parameter.fan_in = weight.elements() / weight.size('o');
  const ValueId w = graph.add_value(std::move(parameter));
  TRY_ASSIGN(const std::vector<ValueId> y,
             graph.add(*find_op(conv ? "conv2d" : "linear"), "y", {x, w}, attributes));
  if (conv) {
    TRY_ASSIGN(const std::vector<ValueId> both,
               graph.add(*find_op("conv2d_grad"), "both", {x, dy, w}, attributes));
  } else {
    TRY_ASSIGN(const std::vector<ValueId> dx, graph.add(*find_op("linear_dx"), "dx", {dy, w}));
    TRY_ASSIGN(const std::vector<ValueId> dw, graph.add(*find_op("linear_dw"), "dw", {x, dy, w}));
  }
  graph.input = x;
  graph.target = dy;
  graph.logits = y[0];
  return graph;
}

Result<SparsityConfig> sparsity_of(const BenchRequest& request) {
  SparsityConfig sparsity;
  sparsity.density = request.density;
  TRY_ASSIGN(sparsity.block, BlockShape::parse(request.block));
  TRY_ASSIGN(const Recipe recipe, make_recipe({{"distribution", request.distribution, "bench"}}));
  sparsity.distribution = recipe.sparsity.distribution;
  return sparsity;
}

}  // namespace

// The data that a model is usually trained on gives its shape: an MLP says its own.
Result<Graph> bench_graph(const std::string& model) {
  std::vector<ModelInput> shapes = {{3, 32, 32, 10}, {1, 28, 28, 10}, {1, 16, 16, 256, Task::kLabels}};
  if (model.rfind("mlp:", 0) == 0) {
    TRY_ASSIGN(const std::vector<int64_t> sizes, parse_sizes(model, model.substr(4), '-'));
    shapes = {{1, 1, static_cast<int>(sizes.front()), static_cast<int>(sizes.back())}};
  }
  Status first;
  for (const ModelInput& shape : shapes) {
    auto graph = make_model(model, shape);
    if (graph.ok()) return graph;
    if (first.ok()) first = graph.status();
  }
  return first;
}

Json machine_json(const std::string& isa, const CostTable& table) {
  coppice_cpu cpu;
  coppice_host_cpu(&cpu);
  return Json{{"library", "coppice " COPPICE_BUILD_VERSION},
              {"commit", COPPICE_BUILD_COMMIT},
              {"cpu", cpu.model},
              {"isa", isa},
              // Rows are published: the place on this machine is nobody's business.
              {"cost_table", std::filesystem::path(table.origin).filename().string()}};
}

BenchBatch::BenchBatch(const Graph& graph, const Executor& executor, int samples, bool binary)
    : x_(random_floats(graph.value(graph.input).shape.elements() * padded(samples, executor.input_width()),
                       "x")) {
  const Value& target = graph.value(graph.target);
  const int64_t columns = padded(samples, executor.target_width());
  view_.samples = samples;
  view_.x = x_.data();
  if (target.integer) {
    const int64_t outputs = graph.value(graph.logits).shape.elements();
    labels_.resize(static_cast<size_t>(columns));
    Rng rng(kSeed, stream_id("bench", "labels"));
    for (int32_t& label : labels_) label = static_cast<int32_t>(rng.below(static_cast<uint64_t>(outputs)));
    view_.target = labels_.data();
  } else {
    dense_target_ = random_floats(target.shape.elements() * columns, "target");
    for (float& value : dense_target_)
      if (binary) value = value > 0 ? 1.0f : 0.0f;
    view_.target = dense_target_.data();
  }
}

std::string BenchRequest::layer_text() const {
  std::string what = kind;
  if (kind == "linear")
    what += " " + std::to_string(rows) + "x" + std::to_string(cols) + ", forward + dX + dW";
  if (kind == "conv")
    what += " " + std::to_string(inputs) + "->" + std::to_string(outputs) + ", " + std::to_string(kernel) +
            "x" + std::to_string(kernel) + " on " + std::to_string(size) + "x" + std::to_string(size) +
            ", forward + dX + dW";
  if (kind == "step") what += " " + model + ", " + optimizer;
  return what + ", batch " + std::to_string(batch);
}

std::string BenchRequest::text() const {
  return layer_text() + ", density " + shortest(density) + ", block " + block;
}

Result<std::unique_ptr<BenchProblem>> BenchProblem::create(const BenchRequest& request) {
  auto problem = std::make_unique<BenchProblem>();
  if (request.kind == "step") {
    TRY(problem->open_step(request));
    return problem;
  }
  TRY_ASSIGN(Graph graph, layer_graph(request));
  // Nobody reads them here, as the layer before and the optimizer would; they count as work all the same.
  std::vector<ValueId> all;
  for (const Node& node : graph.nodes()) all.insert(all.end(), node.outputs.begin(), node.outputs.end());
  TRY(problem->open_layer(std::move(graph), std::move(all), request));
  return problem;
}

Result<std::unique_ptr<BenchProblem>> BenchProblem::create(Graph layer, std::vector<ValueId> wanted,
                                                           const BenchRequest& request) {
  auto problem = std::make_unique<BenchProblem>();
  TRY(problem->open_layer(std::move(layer), std::move(wanted), request));
  return problem;
}

Status BenchProblem::open_layer(Graph graph, std::vector<ValueId> wanted, const BenchRequest& request) {
  TRY_ASSIGN(const SparsityConfig sparsity, sparsity_of(request));
  TRY_ASSIGN(network_, Network::create(std::move(graph), sparsity, kSeed));
  network_.cost_table = request.cost_table;
  ExecOptions options;
  options.batch = request.batch;
  options.threads = request.threads;
  options.isa = request.isa;
  options.time_every = request.time_calls ? 1 : 0;
  options.training = false;
  options.keep = std::move(wanted);
  TRY_ASSIGN(executor_, Executor::create(network_, options));
  batch_.emplace(network_.graph, *executor_, request.batch, false);
  return {};
}

Status BenchProblem::open_step(const BenchRequest& request) {
  training_ = true;
  TRY_ASSIGN(const SparsityConfig sparsity, sparsity_of(request));
  TRY_ASSIGN(Graph graph, bench_graph(request.model));
  TRY_ASSIGN(network_, Network::create(std::move(graph), sparsity, kSeed));
  network_.cost_table = request.cost_table;
  TRY_ASSIGN(const Recipe recipe, make_recipe({{"optimizer", request.optimizer, "bench"}}));
  ExecOptions options;
  options.batch = request.batch;
  options.threads = request.threads;
  options.isa = request.isa;
  options.time_every = request.time_calls ? 1 : 0;
  options.optimizer = recipe.optimizer;
  TRY_ASSIGN(executor_, Executor::create(network_, options));
  batch_.emplace(network_.graph, *executor_, request.batch, true);
  return {};
}

Status BenchProblem::run() {
  if (!training_) {
    TRY(executor_->evaluate(batch_->view()).status());
    return {};
  }
  // A rate so small that the weights, and with them the work, stay what they are.
  const auto loss = executor_->train_step({&batch_->view(), 1}, {kSeed, step_++, 1e-6});
  return loss.ok() ? Status() : loss.status();
}

}  // namespace coppice::cli
