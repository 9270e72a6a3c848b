// SPDX-License-Identifier: Apache-2.0
#include "edit_problem.h"

#include <algorithm>
#include <chrono>
#include <string_view>

#include "base/rng.h"
#include "base/text.h"
#include "ops/ops.h"
#include "train/evaluate.h"
#include "train/make_network.h"
#include "train/topology.h"

namespace coppice::cli {
namespace {

// An edit comes so early in its run that as much moves as the method ever moves.
constexpr int64_t kRunInEdits = 1000;
// So small that the weights stay what they are.
constexpr double kLearningRate = 1e-6;

double now_ms() {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

std::string choices_text() {
  std::string text;
  for (const std::string& name : moving_methods()) append_item(text, name, ", ");
  return text;
}

Status check_method(const std::string& name) {
  const MethodDef* method = find_method(name);
  if (!method)
    return invalid("--method: " + unknown_method(name) + "; those that move weights are " + choices_text());
  if (!method->grows())
    return invalid("--method: " + name + " moves no weights, so it has no edit to time; choose of " +
                   choices_text());
  return {};
}

struct GradientGraph {
  Graph graph;
  ValueId dw;
};

// The node that multiplies with this weight, which decides about formats and halos, and its dW.
Result<GradientGraph> gradient_graph(const Graph& network, const Node& node) {
  Graph graph;
  const auto add_input = [&graph](const char* name, const Shape& shape) {
    Value value;
    value.name = name;
    value.kind = ValueKind::kInput;
    value.shape = shape;
    return graph.add_value(std::move(value));
  };
  graph.input = add_input("x", network.value(node.inputs[0]).shape);
  graph.target = add_input("dy", network.value(node.outputs[0]).shape);
  const ValueId weight = graph.add_value(network.value(node.inputs[1]));
  TRY(graph.add(*node.op, "y", {graph.input, weight}, node.attributes).status());
  const bool linear = std::string_view(node.op->name) == "linear";
  TRY_ASSIGN(const std::vector<ValueId> dw, graph.add(*find_op(linear ? "linear_dw" : "conv2d_dw"), "dw",
                                                      {graph.input, graph.target, weight}, node.attributes));
  return GradientGraph{std::move(graph), dw.front()};
}

}  // namespace

std::vector<std::string> moving_methods() {
  std::vector<std::string> names;
  for (const MethodDef& method : all_methods())
    if (method.grows()) names.emplace_back(method.name);
  return names;
}

Result<std::unique_ptr<EditProblem>> EditProblem::create(const EditRequest& request) {
  TRY(check_method(request.method));
  std::unique_ptr<EditProblem> problem(new EditProblem());
  TRY(problem->open(request));
  return problem;
}

Status EditProblem::open(const EditRequest& request) {
  std::vector<Setting> settings = request.settings;
  settings.push_back({"method", request.method, "--method"});
  TRY_ASSIGN(recipe_, make_recipe(settings));
  TRY_ASSIGN(Graph graph, bench_graph(recipe_.model));
  epoch_ = std::max<int64_t>(1, request.epoch_samples / recipe_.batch);
  TopologySchedule& schedule = recipe_.sparsify.schedule;
  interval_ = schedule.update_every > 0 ? schedule.update_every : epoch_;
  // Where the density falls, it is the edit that comes to the final one: it ranks all live weights for that
  // as well, at a density that stays the same however often it is repeated.
  if (schedule.initial_density > 0) {
    schedule.initial_density = 1;
    schedule.prune_begin = 0;
    schedule.prune_end = 1.0 / kRunInEdits;
  }
  TRY_ASSIGN(sparsifier_, Sparsifier::create(recipe_.sparsify, recipe_.sparsity, graph, recipe_.seed));
  const ExecOptions plain = training_options(recipe_);
  TRY(check_parameter_memory(graph, recipe_.sparsity, plain));
  TRY_ASSIGN(network_, Network::create(std::move(graph), recipe_.sparsity, recipe_.seed));
  network_.cost_table = request.cost_table;
  ExecOptions options = plain;
  prepare_for_edits(options, sparsifier_);
  TRY_ASSIGN(executor_, Executor::create(network_, options));
  const Shape& x = network_.graph.value(network_.graph.input).shape;
  const auto size = [&x](char axis) { return static_cast<int>(x.size(axis)); };
  const Features features =
      x.has('c') ? Features{size('c'), size('h'), size('w')} : Features{1, 1, size('f')};
  TRY_ASSIGN(evaluator_, make_evaluator(network_, recipe_, features));
  batch_ = std::make_unique<BenchBatch>(network_.graph, *executor_, static_cast<int>(recipe_.batch), true);
  if (!std::any_of(network_.params.begin(), network_.params.end(),
                   [this](const Param& p) { return edits(p); }))
    return invalid("--density: leaves every layer dense, so nothing can move; lower it");
  return {};
}

// The run that this edit is in: always at the same point of it, so that as much moves each time.
RunLength EditProblem::run() const { return {kRunInEdits * step_of_edit(), epoch_}; }

bool EditProblem::replaces_update() const { return sparsifier_.takes_batch(step_of_edit(), run()); }

Status EditProblem::step() {
  return executor_->train_step({&batch_->view(), 1}, {recipe_.seed, step_of_edit(), kLearningRate}).status();
}

// As weights that have been trained for long. Those that just grew are 0, and would be what the next edit
// drops.
void EditProblem::redraw() {
  for (Param& param : network_.params) {
    if (!param.is_weight()) continue;
    Rng rng(recipe_.seed, stream_id("bench " + param.name(), static_cast<uint64_t>(edits_)));
    param.set_canonical(param.value, initial_values(network_.graph.value(network_.graph.find(param.name())),
                                                    param.live(), static_cast<size_t>(param.live()), rng));
    param.refresh_copy();
  }
}

Result<double> EditProblem::edit() {
  ++edits_;
  redraw();
  TRY(step());  // an edit finds clock and caches as training leaves them
  double gradient_ms = 0;
  const GradientSource gradients = [&](const DenseGradientSink& sink) -> Status {
    const double begin = now_ms();
    TRY(executor_->dense_gradients(batch_->view(), {recipe_.seed, step_of_edit(), kLearningRate}, sink)
            .status());
    gradient_ms += now_ms() - begin;
    return {};
  };
  Executor* const executors[] = {executor_.get(), evaluator_.get()};
  const double begin = now_ms();
  TRY_ASSIGN(last_edit_, change_topology(sparsifier_, network_, step_of_edit(), run(), gradients, executors));
  const double ms = now_ms() - begin;
  gradient_ms_.push_back(gradient_ms);
  return ms;
}

Result<std::unique_ptr<DenseGradients>> DenseGradients::create(const EditProblem& problem) {
  auto out = std::make_unique<DenseGradients>();
  const Network& network = problem.network();
  BenchRequest request;
  request.batch = static_cast<int>(problem.recipe().batch);
  request.threads = thread_count(problem.recipe());
  request.isa = problem.recipe().isa;
  request.cost_table = network.cost_table;
  for (const Node& node : network.graph.nodes()) {
    // Matrix products have a cost, and their second input is the weight.
    if (!node.op->cost || !problem.edits(*network.find(network.graph.value(node.inputs[1]).name))) continue;
    TRY_ASSIGN(GradientGraph gradient, gradient_graph(network.graph, node));
    TRY_ASSIGN(std::unique_ptr<BenchProblem> layer,
               BenchProblem::create(std::move(gradient.graph), {gradient.dw}, request));
    out->layers_.push_back(std::move(layer));
  }
  return out;
}

Status DenseGradients::run() {
  for (const std::unique_ptr<BenchProblem>& layer : layers_) TRY(layer->run());
  return {};
}

int64_t DenseGradients::flops() const {
  int64_t sum = 0;
  // Half: the forward pass has as many, and does not run, as nobody reads it.
  for (const std::unique_ptr<BenchProblem>& layer : layers_) sum += layer->flops() / 2;
  return sum;
}

}  // namespace coppice::cli
